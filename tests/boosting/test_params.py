import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scalable.boosting.params import check_distributed, resolve
from scalable.boosting.train import train, train_on
from scalable.data.table import as_source
from scalable.errors import UsageError


@pytest.mark.parametrize(
    "given",
    [
        {"data_sample_strategy": "goss"},
        {"boosting": "goss"},
        {"objective": "quantile"},
        {"objective": "mape"},
        {"objective": "mean_absolute_percentage_error"},
        {"application": "mean_absolute_percentage_error"},
        {"use_quantized_grad": True},
        {"forcedsplits_filename": "splits.json"},
        {"cegb_penalty_split": 0.1},
        {"cegb_penalty_feature_coupled": [0.1, 0.2, 0.3]},
        {"cegb_penalty_feature_lazy": [0.1, 0.2, 0.3]},
        {"monotone_constraints_method": "intermediate"},
        {"monotone_constraints_method": "advanced"},
        {"interaction_constraints": [[0, 1], [2]]},
        {"linear_tree": True},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_workers_would_train_wrongly_is_refused_by_name(given):
    name, value = next(iter(given.items()))
    told = {"goss": "goss", "quantile": "quantile"} | dict.fromkeys(
        ("mape", "mean_absolute_percentage_error"), "mape"
    )
    with pytest.raises(UsageError, match=told.get(str(value), name)):
        check_distributed(resolve({"engine": "lightgbm", **given}, None), 2)
    if "linear_tree" not in given:
        check_distributed(resolve({"engine": "lightgbm", **given}, None), 1)


@pytest.mark.parametrize(
    "given",
    [
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
        {"monotone_constraints": [1, 0, 0, 0]},
        pytest.param({"boosting": "dart"}, marks=pytest.mark.slow),
        pytest.param({"bagging_fraction": 0.6, "bagging_freq": 1}, marks=pytest.mark.slow),
        pytest.param({"feature_fraction": 0.6}, marks=pytest.mark.slow),
        pytest.param({"extra_trees": True}, marks=pytest.mark.slow),
        pytest.param({"path_smooth": 5.0}, marks=pytest.mark.slow),
        pytest.param({"is_unbalance": True}, marks=pytest.mark.slow),
    ],
    ids=lambda given: next(iter(given)),
)
def test_modes_on_two_workers_are_as_good_as_on_one(local_team, given):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 4))
    y = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=6000) > 0
    params = {"num_iterations": 15, "num_leaves": 15, "deterministic": True, "num_threads": 1, **given}
    source = as_source(X[:4000], y[:4000])
    auc = []
    for n_workers in (1, 2):
        booster = train_on(
            local_team(n_workers), params, source, classify=True, in_process=n_workers == 1
        ).booster
        auc.append(roc_auc_score(y[4000:], booster.predict(X[4000:])))
    assert auc[0] > 0.75
    assert abs(auc[1] - auc[0]) < 0.015
    if "monotone_constraints" in given:
        grid = np.zeros((200, 4))
        grid[:, 0] = np.linspace(-3, 3, 200)
        assert (np.diff(booster.predict(grid)) >= -1e-12).all()


@pytest.mark.parametrize(
    "objective",
    [
        "regression",
        "poisson",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("huber", "fair", "gamma", "tweedie", "cross_entropy")
        ),
    ],
)
def test_the_starting_score_is_that_of_all_rows(local_team, objective):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 3))
    y = rng.poisson(np.exp(X[:, 0] * 0.5)).astype(float) + (objective == "gamma") * 0.5
    if objective == "cross_entropy":
        y = 1 / (1 + np.exp(-X[:, 0] - rng.normal(size=3000)))
    order = np.argsort(y, kind="stable")
    params = {
        "objective": objective,
        "num_iterations": 1,
        "num_leaves": 4,
        "deterministic": True,
        "max_bin": 31,
    }
    params |= {"force_col_wise": True, "num_threads": 1}
    source = as_source(X[order], y[order], rng.random(3000) + 0.5)
    one, two = (
        train_on(local_team(n), params, source, classify=False, in_process=n == 1).booster.predict(
            X, raw_score=True
        )
        for n in (1, 2)
    )
    np.testing.assert_allclose(two, one, atol=1e-7)


def test_a_parameter_nobody_knows_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"no parameter 'lerning_rate'; did you mean 'learning_rate'\?"):
        train({"lerning_rate": 0.3}, as_source(np.zeros((20, 2)), np.arange(20.0)))
    with pytest.raises(UsageError, match=r"no option 'earlystopping'; did you mean 'early_stopping'\?"):
        train({}, as_source(np.zeros((20, 2)), np.arange(20.0)), earlystopping=3)


def test_importance_is_of_one_of_two_types():
    """LightGBM's own word for another is KeyError, after the fit."""
    with pytest.raises(UsageError, match="importance_type must be 'split' or 'gain', not 'zzz'"):
        resolve({"importance_type": "zzz"}, None)
