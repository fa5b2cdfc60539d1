"""Workers without Dask: the partition of the rows does not change the model."""

import lightgbm as lgb
import numpy as np
import pytest

from scalable.boosting.options import Options
from scalable.boosting.train import train_on
from scalable.data.table import as_source

# Leaf sizes are bounded by hessian sums: over several workers LightGBM only estimates row counts.
PARAMS = {
    "deterministic": True,
    "force_col_wise": True,
    "num_iterations": 12,
    "num_leaves": 15,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 3.0,
}


def rows(n=4000, classes=2):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 5))
    X[rng.random(n) < 0.1, 1] = np.nan
    X[:, 4] = rng.integers(0, 4, n)
    signal = X[:, 0] + np.nan_to_num(X[:, 1]) + (X[:, 4] == 2) + rng.normal(size=n)
    return X, np.digitize(signal, np.linspace(-0.5, 1.5, classes - 1)), rng.random(n) + 0.5


def splits(text):
    wanted = ("split_feature", "threshold", "left_child", "right_child", "decision_type", "cat_threshold")
    return [line for line in text.splitlines() if line.startswith(wanted)]


@pytest.mark.parametrize("classes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_one_two_and_three_workers_train_the_same_trees_on_label_sorted_rows(local_team, classes, tmp_path):
    def note(env):
        import sys

        (tmp_path / "loaded").write_text(" ".join(sys.modules))

    X, y, weight = rows(classes=classes)
    order = np.argsort(y, kind="stable")  # with two workers the first sees almost one class only
    source = as_source(X[order], y[order], weight[order])
    boosters = [
        train_on(
            local_team(n), PARAMS | {"num_threads": 1}, source, classify=True, in_process=n == 1,
            options=Options(callbacks=(note,) if n == 2 else ()),
        ).booster
        for n in ((1, 2, 3) if classes == 2 else (1, 2))
    ]  # fmt: skip
    texts = [booster.model_to_string() for booster in boosters]
    assert len(splits(texts[0])) > 40
    expected = boosters[0].predict(X, raw_score=True)
    for booster, text in zip(boosters[1:], texts[1:], strict=True):
        assert splits(text) == splits(texts[0])
        np.testing.assert_allclose(booster.predict(X, raw_score=True), expected, atol=1e-9)
    check_what_was_loaded(set((tmp_path / "loaded").read_text().split()))


def check_what_was_loaded(loaded):
    """A worker loads none of what LightGBM would load when present: more than a second's work."""
    assert "lightgbm" in loaded
    assert not loaded & {"sklearn", "pandas", "scipy.stats", "dask", "distributed"}


def test_one_worker_is_plain_lightgbm(local_team):
    X, y, weight = rows()
    ours = train_on(local_team(1), {**PARAMS, "num_threads": 1}, as_source(X, y, weight), classify=True)
    plain = lgb.train(
        {**PARAMS, "objective": "binary", "verbosity": -1},
        lgb.Dataset(X, y, weight=weight, feature_name=[f"x{j}" for j in range(5)]),
    )
    assert (
        ours.booster.model_to_string().split("parameters:")[0]
        == plain.model_to_string().split("parameters:")[0]
    )
