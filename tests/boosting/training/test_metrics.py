import lightgbm as lgb
import numpy as np
import pytest
from sklearn import metrics as reference

from scalable.boosting.training import ranks
from scalable.boosting.training.evaluation import Evaluator
from scalable.boosting.training.metrics import combined, metrics_of, partial_sums
from scalable.errors import UsageError

RNG = np.random.default_rng(0)
N = 5000
WEIGHT = RNG.random(N) + 0.1
Y = (RNG.random(N) < 0.3).astype(float)
P = np.clip(0.3 + 0.25 * (Y - 0.3) + 0.2 * RNG.normal(size=N), 1e-6, 1 - 1e-6)
CLASSES = RNG.integers(0, 4, N).astype(float)
Q = RNG.dirichlet(np.ones(4), N)
POSITIVE = np.exp(RNG.normal(size=N))
PARAMS = {"alpha": 0.3, "fair_c": 0.7, "tweedie_variance_power": 1.3, "multi_error_top_k": 2}


def by_lightgbm(metric, objective, label, weight):
    """Train a little with plain LightGBM; return its metric, and its predictions of the same rows."""
    few = np.random.default_rng(3).normal(size=(len(label), 3)) + label[:, None] / 2
    params = {
        "objective": objective,
        "metric": metric,
        "num_leaves": 5,
        "verbosity": -1,
        "num_threads": 1,
        **PARAMS,
    }
    if objective.startswith("multi"):
        params["num_class"] = 4
    data = lgb.Dataset(few, label, weight=weight)
    found = {}
    record = lgb.record_evaluation(found)
    model = lgb.train(params, data, 4, valid_sets=[data], valid_names=["v"], callbacks=[record])
    ((name, values),) = found["v"].items()
    return name, values[-1], model.predict(few)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    ("metric", "objective", "label"),
    [
        *((m, "regression", POSITIVE) for m in ("l1", "mse", "rmse", "mape", "r2", "huber", "fair", "quantile")),
        *((m, m, POSITIVE) for m in ("poisson", "gamma", "tweedie")),
        ("gamma_deviance", "gamma", POSITIVE),
        *((m, "binary", Y) for m in ("binary_logloss", "binary_error", "auc", "average_precision")),
        *((m, "cross_entropy", P) for m in ("xentropy", "kldiv")),
        ("xentlambda", "cross_entropy_lambda", P),
        *((m, o, CLASSES) for m in ("multi_logloss", "multi_error") for o in ("multiclass", "multiclassova")),
    ],
)  # fmt: skip
def test_metrics_are_lightgbm_s(metric, objective, label, weight):
    name, expected, prediction = by_lightgbm(metric, objective, label, weight)
    (ours,) = metrics_of(metric, objective, {**PARAMS, "num_class": 4 if label is CLASSES else 1})
    ((of, shown, value, higher),) = Evaluator("v", label, weight, [ours], [], None)(prediction)
    assert (of, shown) == ("v", name)
    assert higher == (metric in ("auc", "average_precision", "r2"))
    assert value == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("name", ["binary_logloss", "l1", "rmse"])
def test_threads_change_no_bit(name):
    rng = np.random.default_rng(0)
    label, p, weight = rng.integers(0, 2, 150_000).astype(float), rng.random(150_000), rng.random(150_000)
    (metric,) = metrics_of(name, "binary", {})
    one, three = (Evaluator("v", label, weight, [metric], [], None, None, n)(p) for n in (1, 3))
    assert one == three
    whole = combined(metric, [partial_sums(metric, label, p, weight)])
    assert one[0][2] == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("objective", ["multiclass", "multiclassova"])
def test_auc_mu_is_lightgbm_s(objective):
    _, expected, prediction = by_lightgbm("auc_mu", objective, CLASSES, None)
    (ours,) = metrics_of("auc_mu", objective, {"num_class": 4})
    ((_, _, value, _),) = Evaluator("v", CLASSES, None, [ours], [], None)(prediction)
    assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_auc_is_exact_or_within_its_bound(weight):
    rough = np.round(P, 2)  # with ties
    expected = reference.roc_auc_score(Y, rough, sample_weight=weight)
    assert ranks.auc(Y, rough, weight) == pytest.approx(expected, abs=1e-12)
    cuts = np.array_split(np.arange(N), 3)
    parts = [ranks.bucketed("binary", Y[c], P[c], None if weight is None else weight[c]) for c in cuts]
    value, bound = ranks.bucketed_auc(parts)
    assert 0 < bound < 1e-3
    assert abs(value - reference.roc_auc_score(Y, P, sample_weight=weight)) <= bound
    assert ranks.bucketed_auc([np.sum(parts, axis=0)])[0] == pytest.approx(value, abs=1e-12)


def test_names_are_lightgbm_s():
    def names(*given):
        return [metric.name for metric in metrics_of(*given)]

    assert names(None, "binary", {}) == ["binary_logloss"]
    assert names(None, "quantile", {}) == ["quantile"]
    assert names(None, "mse", {}) == ["l2"]
    assert names("auc,mse", "binary", {}) == ["auc", "l2"]
    assert names(["rmse", "None"], "regression", {}) == ["rmse"]
    assert names(None, "multiclass", {"num_class": 3}, ["logloss", "error"]) == [
        "multi_logloss",
        "multi_error",
    ]
    with pytest.raises(UsageError, match="query groups"):
        metrics_of("ndcg", "binary", {})
    with pytest.raises(UsageError, match="did you mean 'binary_logloss'"):
        metrics_of("binary_loglos", "binary", {})
    with pytest.raises(UsageError, match="does not suit"):
        metrics_of("multi_logloss", "binary", {})
    assert names("l2", "binary", {}, ["multi_error"]) == ["binary_error", "l2"]  # as LGBMClassifier.fit does
    with pytest.raises(UsageError, match="does not suit"):  # and LGBMRegressor.fit does not
        metrics_of(None, "regression", {}, ["multi_error"])
    with pytest.raises(UsageError, match="no metric 'logloss'"):
        metrics_of(None, "regression", {}, ["logloss"])
