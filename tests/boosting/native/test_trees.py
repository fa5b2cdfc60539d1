"""Whole trees: against an exhaustive search, against raw gradients, against LightGBM; the same bits for any deal."""

import lightgbm as lgb
import numpy as np
import pytest

from scalable.boosting.native.growth.histograms import Histograms
from scalable.inference import compile_model

CASES = {
    "binary": ("binary", {}),
    "unbalanced": ("binary", {"objective": "binary", "is_unbalance": True}),
    "cross_entropy": ("share", {}),
    "regression": ("regression", {}),
    "huber": ("regression", {}),
    "fair": ("regression", {}),
    "quantile": ("regression", {"alpha": 0.8}),
    "regression_l1": ("regression", {}),
    "poisson": ("count", {}),
    "tweedie": ("count", {}),
    "gamma": ("amount", {}),
    "multiclass": ("classes", {"num_class": 3}),
    "multiclassova": ("classes", {"num_class": 3}),
    "bagging": ("binary", {"objective": "binary", "bagging_freq": 2, "bagging_fraction": 0.6}),
    "two bags": ("binary", {"objective": "binary", "bagging_freq": 1, "pos_bagging_fraction": 0.5}),
    "goss": ("binary", {"objective": "binary", "data_sample_strategy": "goss", "learning_rate": 0.5}),
    "extra": (
        "regression",
        {"objective": "regression", "extra_trees": True, "lambda_l1": 1.0, "max_delta_step": 0.7},
    ),
    "smooth": ("regression", {"objective": "regression", "path_smooth": 10.0, "max_depth": 4}),
    "monotone": ("regression", {"objective": "regression", "monotone_constraints": [1, 0, 0, 0, -1, 0]}),
    "interactions": ("binary", {"objective": "binary", "interaction_constraints": [[0, 1], [2, 3, 4]]}),
    "bynode": ("binary", {"objective": "binary", "feature_fraction": 0.7, "feature_fraction_bynode": 0.5}),
    "wide": ("binary", {"objective": "binary", "max_bin": 1000, "min_data_in_bin": 1}),
}


def fit(grown, table, name, **more):
    X, targets = table
    target, params = CASES[name]
    return grown(
        X, targets[target], {"objective": name, "num_leaves": 15} | params, categorical=(1, 2), **more
    )


@pytest.mark.parametrize("name", CASES)
def test_every_engine_and_every_deal_gives_the_same_bits(grown, table, name):
    X, _ = table
    one = fit(grown, table, name, iterations=3)
    raw = one.booster.predict(X, raw_score=True)
    np.testing.assert_array_equal(raw, one.scores)
    np.testing.assert_array_equal(compile_model(one.text).predict(X, raw_score=True), raw)
    shuffled = np.random.default_rng(0).permutation
    assert fit(grown, table, name, iterations=3, threads=2, order=shuffled).text == one.text
    # LightGBM writes the same model again, and may go on with it.
    assert lgb.Booster(model_str=one.booster.model_to_string()).num_trees() == len(one.trees)


@pytest.mark.parametrize(
    "name",
    [
        "unbalanced",
        "regression_l1",
        "quantile",
        "multiclass",
        "goss",
        "extra",
        "interactions",
        "wide",
        "smooth",
    ],
)
@pytest.mark.parametrize("k", [2, 3])
def test_any_number_of_workers_gives_the_same_bits(grown, table, on_workers, name, k):
    wanted = fit(grown, table, name, iterations=3).text
    made = on_workers(
        k, lambda mesh: fit(grown, table, name, iterations=3, mesh=mesh, threads=mesh.worker + 1)
    )
    assert [model.text for model in made] == [wanted] * k


def test_weighted_percentiles_are_the_same_bits_on_any_number_of_workers(grown, table, on_workers):
    weight = table[1]["weight"]
    wanted = fit(grown, table, "quantile", weight=weight, threads=2, iterations=2).text
    made = on_workers(2, lambda mesh: fit(grown, table, "quantile", weight=weight, mesh=mesh, iterations=2))
    assert [model.text for model in made] == [wanted] * 2


@pytest.mark.parametrize("name", ["binary", "regression", "multiclass"])
def test_weighted_rows_give_the_same_bits_for_any_deal(grown, table, name):
    weight = table[1]["weight"]
    texts = [fit(grown, table, name, weight=weight, threads=t, iterations=2).text for t in (1, 2, 4)]
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("goss", "extra", "bynode")])
def test_losses_are_as_low_as_lightgbms(grown, table, name):
    X, targets = table
    target, params = CASES[name]
    params = {"objective": name, "num_leaves": 15} | params
    ours = fit(grown, table, name, iterations=20).booster
    y = targets[target]
    data = lgb.Dataset(X, y, categorical_feature=[1, 2])
    theirs = lgb.train({**params, "verbosity": -1, "num_threads": 1}, data, 20)
    losses = [training_loss(params["objective"], y, model.predict(X), params) for model in (ours, theirs)]
    assert losses[0] <= 1.015 * losses[1]


def training_loss(objective, y, p, params):
    if objective in ("binary", "cross_entropy"):
        return -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))
    if objective.startswith("multiclass"):
        return -np.mean(np.log(p[np.arange(len(y)), y.astype(int)]))
    if objective == "quantile":
        d = y - p
        return np.mean(np.maximum(params["alpha"] * d, (params["alpha"] - 1) * d))
    if objective == "poisson":
        return np.mean(p - y * np.log(p)) + 1
    if objective == "tweedie":
        return np.mean(-y * p**-0.5 / -0.5 + p**0.5 / 0.5)
    if objective == "gamma":
        return np.mean(y / p + np.log(p)) + 1
    return np.mean(np.abs(y - p) if objective in ("regression_l1", "fair", "huber") else (y - p) ** 2)


def test_a_thread_that_fails_stops_the_others_and_is_told(grown, table, monkeypatch):
    def fails(*_):
        raise MemoryError("no room for a leaf")

    X, targets = table
    monkeypatch.setattr("scalable.boosting.native.growth.histograms.serve", fails)
    with pytest.raises(MemoryError, match="no room for a leaf"):
        grown(X, targets["binary"], {"objective": "binary"}, threads=2)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_features_that_a_tree_does_not_use_are_not_summed(grown, table, monkeypatch, share):
    """Their histograms hold what was there before: numbers that no sum of these rows can be."""
    X, targets = table
    seen = []
    begin = Histograms.growing

    def watched(self, growth, samples, packing, features):
        self._pool[:] = 12345678901
        seen.append((self, features))
        return begin(self, growth, samples, packing, features)

    monkeypatch.setattr(Histograms, "growing", watched)
    params = {"objective": "binary", "feature_fraction": share, "num_leaves": 2}
    grown(X, targets["binary"], params, threads=2, iterations=1)
    histograms, features = seen[0]
    for f, first, n in zip(range(5), histograms._edges[:-1], histograms.bins.features["n_bins"], strict=True):
        untouched = (histograms._pool[0, :, first : first + n] == 12345678901).all()
        assert untouched == (f not in features)
    assert 0 < len(features) < 5


def test_a_few_hard_rows_are_split_off_as_by_lightgbm(grown):
    """Ten rows of the wrong label weigh as many as twenty average ones: counted one by one they never get a leaf."""
    X = np.zeros((4000, 2))
    X[2000:, 0], X[3990:, 1], X[:500, 1] = 1.0, 1.0, 1.0
    y = X[:, 0] != X[:, 1]
    params = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1, "learning_rate": 0.3}
    ours = grown(X, y.astype(float), params, iterations=40).booster.predict(X)
    theirs = lgb.train(params, lgb.Dataset(X, y.astype(float), params=params), 40).predict(X)
    assert theirs[-10:].max() < 0.1  # split off
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
