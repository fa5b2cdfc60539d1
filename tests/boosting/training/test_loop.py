"""Evaluation, early stopping, callbacks, checkpoints: on one worker and on two the same."""

import shutil

import lightgbm as lgb
import numpy as np
import pytest

from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.boosting.options import Options
from scalable.boosting.train import train_on
from scalable.data.table import as_source
from scalable.errors import UsageError

PARAMS = {
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "num_leaves": 15,
    "learning_rate": 0.3,
    "min_data_in_leaf": 0,
    "min_sum_hessian_in_leaf": 3.0,
    "verbosity": -1,
}
STOCHASTIC = {"bagging_fraction": 0.7, "bagging_freq": 2, "feature_fraction": 0.7, "extra_trees": True}


def rows(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    signal = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=n)
    return X, signal, rng.random(n) + 0.5


@pytest.fixture(scope="module")
def data():
    (X, s, w), (Xv, sv, wv) = rows(4000, 1), rows(1500, 2)
    return as_source(X, s > 0.3, w), as_source(Xv, sv > 0.3, wv), (X, s > 0.3, w, Xv, sv > 0.3, wv)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_early_stopping_sees_the_values_of_one_process(local_team, data, n_workers):
    train, valid, (X, y, w, Xv, yv, wv) = data
    seen = {}
    plain_data = lgb.Dataset(X, y, weight=w)
    plain = lgb.train(
        {**PARAMS, "objective": "binary", "metric": ["binary_logloss", "auc", "binary_error"]},
        plain_data,
        num_boost_round=60,
        valid_sets=[plain_data.create_valid(Xv, yv, weight=wv)],
        callbacks=[lgb.early_stopping(4, first_metric_only=True, verbose=False), lgb.record_evaluation(seen)],
    )
    fitted = train_on(
        local_team(n_workers),
        {**PARAMS, "num_iterations": 60, "metric": "binary_logloss,auc,binary_error"},
        train,
        classify=True,
        options=Options(valid=valid, early_stopping=4),
    )
    assert 1 < plain.best_iteration < 50
    assert fitted.best_iteration == plain.best_iteration == fitted.booster.num_trees()
    expected = seen["valid_0"]
    for step, logloss, auc, error in zip(
        fitted.history, expected["binary_logloss"], expected["auc"], expected["binary_error"], strict=True
    ):
        ours = of_valid(step)
        assert ours["binary_logloss"] == pytest.approx(logloss, rel=1e-9)
        assert ours["binary_error"] == pytest.approx(error, abs=1e-9)
        assert ours["auc"] == pytest.approx(auc, abs=1e-9)


@pytest.mark.parametrize(
    ("extra", "n_workers"),
    [
        (STOCHASTIC, 2),
        pytest.param(STOCHASTIC, 1, marks=pytest.mark.slow),
        pytest.param({}, 1, marks=pytest.mark.slow),
        pytest.param({}, 2, marks=pytest.mark.slow),
    ],
    ids=["stochastic-2", "stochastic-1", "plain-1", "plain-2"],
)
def test_a_resumed_fit_ends_with_the_same_text(local_team, data, tmp_path, extra, n_workers):
    train, _, _ = data
    params = {**PARAMS, **extra, "num_iterations": 13}
    whole = train_on(
        local_team(n_workers),
        params,
        train,
        classify=True,
        options=Options(checkpoint=str(tmp_path / "a"), checkpoint_every=4),
    )

    shutil.rmtree(tmp_path / "a" / "trees-000012")  # what a power cut after ten trees leaves behind
    resumed = train_on(
        local_team(1) if n_workers == 1 else local_team(2),
        params,
        train,
        classify=True,
        options=Options(checkpoint=str(tmp_path / "a"), checkpoint_every=4, resume=True),
        in_process=n_workers == 1,
    )
    assert resumed.booster.model_to_string() == whole.booster.model_to_string()
    assert resumed.stats["workers"][0]["trees"] == 13 - 8  # the first eight were not trained again


def test_checkpoints_of_other_data_or_parameters_are_refused(local_team, data, tmp_path):
    train, valid, _ = data
    options = Options(checkpoint=str(tmp_path), checkpoint_every=2, resume=True)
    params = {**PARAMS, "num_iterations": 5}
    train_on(local_team(1), params, train, classify=True, options=options, in_process=True)
    with pytest.raises(UsageError, match=r"another training .num_leaves was 15, is 7"):
        train_on(
            local_team(1), {**params, "num_leaves": 7}, train, classify=True, options=options, in_process=True
        )
    with pytest.raises(UsageError, match=r"another training .column 'x0' differs"):
        train_on(local_team(1), params, valid, classify=True, options=options, in_process=True)


def test_a_damaged_checkpoint_is_passed_over(local_team, data, tmp_path):
    train, _, _ = data
    params = {**PARAMS, "num_iterations": 9}
    options = Options(checkpoint=str(tmp_path), checkpoint_every=2)
    whole = train_on(local_team(1), params, train, classify=True, options=options, in_process=True)
    (tmp_path / "trees-000008" / "booster.txt").write_text("half a mod")
    resumed = train_on(
        local_team(1),
        params,
        train,
        classify=True,
        options=Options(checkpoint=str(tmp_path), checkpoint_every=2, resume=True),
        in_process=True,
    )
    assert resumed.stats["workers"][0]["trees"] == 9 - 6
    assert resumed.booster.model_to_string() == whole.booster.model_to_string()


def test_init_model_continues_from_its_scores():
    X, s, _ = rows(3000, 4)
    first = LGBMRegressor(n_estimators=6, **PARAMS_OF_ESTIMATOR).fit(X, s)
    more = LGBMRegressor(n_estimators=4, **PARAMS_OF_ESTIMATOR).fit(X, s, init_model=first)
    whole = LGBMRegressor(n_estimators=10, **PARAMS_OF_ESTIMATOR).fit(X, s)
    assert more.booster_.num_trees() == 10
    np.testing.assert_array_equal(more.predict(X), whole.predict(X))
    with pytest.raises(UsageError, match="other columns"):
        LGBMRegressor().fit(X[:, :3], s, init_model=first.booster_)


PARAMS_OF_ESTIMATOR = {k: v for k, v in PARAMS.items() if k not in ("verbosity", "min_data_in_leaf")}


# Weighted leaves of 20 and more: LightGBM's estimates of their row counts cannot fall below one.
ROOMY = {"min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 20.0}


def of_valid(step):
    return {metric: value for _, metric, value in step}


def squared(y_true, y_pred, weight):
    w = np.ones(len(y_true)) if weight is None else weight
    return (y_pred - y_true) * w, w


def mean_error(y_true, y_pred, weight):
    return "mean_error", float(abs(np.average(y_true - y_pred, weights=weight))), False


@pytest.mark.parametrize("n_workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_custom_objectives_metrics_and_callbacks(local_team, n_workers):
    X, s, w = rows(3000, 5)
    Xv, sv, wv = rows(800, 6)
    schedule = lgb.reset_parameter(learning_rate=lambda i: 0.3 * 0.9**i)
    fitted = train_on(
        local_team(n_workers),
        {**PARAMS, "num_iterations": 8, "objective": squared, "metric": "l2", **ROOMY},
        as_source(X, s, w),
        classify=False,
        options=Options(valid=as_source(Xv, sv, wv), custom_metrics=[mean_error], callbacks=[schedule]),
    )
    native = train_on(
        local_team(1),
        {**PARAMS, "num_iterations": 8, "boost_from_average": False, "metric": "l2", **ROOMY},
        as_source(X, s, w),
        classify=False,
        options=Options(valid=as_source(Xv, sv, wv), callbacks=[schedule]),
        in_process=True,
    )
    np.testing.assert_allclose(fitted.booster.predict(X), native.booster.predict(X), atol=1e-6)
    for ours, theirs in zip(fitted.history, native.history, strict=True):
        assert of_valid(ours)["l2"] == pytest.approx(of_valid(theirs)["l2"], abs=1e-6)
    last = abs(np.average(sv - fitted.booster.predict(Xv), weights=wv))
    assert of_valid(fitted.history[-1])["mean_error"] == pytest.approx(last, abs=1e-6)


def test_the_estimator_takes_validation_rows_and_stops_early():
    X, s, w = rows(3000, 7)
    Xv, sv, wv = rows(1000, 8)
    model = LGBMClassifier(n_estimators=200, **PARAMS_OF_ESTIMATOR)
    model.fit(X, s > 0, w, valid=(Xv, sv > 0, wv), early_stopping=5)
    assert model.booster_.num_trees() == model.best_iteration_ < 200
    losses = model.evals_result_["valid_0"]["binary_logloss"]
    assert int(np.argmin(losses)) + 1 == model.best_iteration_


def test_contradicting_options_are_named():
    X, s, _ = rows(100, 9)
    for options, message in (
        ({"early_stopping": 3}, "needs validation rows"),
        ({"resume": True}, "give checkpoint"),
        ({"on_loss": "pray"}, "on_loss"),
        ({"checkpoint": "x", "checkpoint_every": 0}, "checkpoint_every"),
    ):
        with pytest.raises(UsageError, match=message):
            LGBMRegressor().fit(X, s, **options)
    with pytest.raises(UsageError, match="dart cannot be continued"):
        LGBMRegressor(boosting="dart").fit(X, s, checkpoint="x")
    with pytest.raises(UsageError, match="query groups"):
        LGBMRegressor(metric="ndcg").fit(X, s, valid=(X, s))
