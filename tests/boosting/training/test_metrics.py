import numpy as np
import pytest
from sklearn import metrics as reference

from scalable.boosting.training.metrics import combined, exact_auc, metric_names, partial_sums
from scalable.errors import UsageError

RNG = np.random.default_rng(0)
N = 5000
WEIGHT = RNG.random(N) + 0.1
Y = (RNG.random(N) < 0.3).astype(float)
P = np.clip(0.3 + 0.25 * (Y - 0.3) + 0.2 * RNG.normal(size=N), 1e-6, 1 - 1e-6)
CLASSES = RNG.integers(0, 4, N).astype(float)
Q = RNG.dirichlet(np.ones(4), N)
POSITIVE = np.exp(RNG.normal(size=N))


def over_workers(name, label, prediction, weight, n=3):
    cuts = np.array_split(np.arange(N), n)
    return combined(
        name,
        [partial_sums(name, label[c], prediction[c], None if weight is None else weight[c]) for c in cuts],
    )


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    ("name", "label", "prediction", "expected"),
    [
        ("l2", POSITIVE, P, reference.mean_squared_error),
        ("rmse", POSITIVE, P, reference.root_mean_squared_error),
        ("l1", POSITIVE, P, reference.mean_absolute_error),
        ("binary_logloss", Y, P, reference.log_loss),
        (
            "binary_error",
            Y,
            P,
            lambda y, p, sample_weight: 1 - reference.accuracy_score(y, p > 0.5, sample_weight=sample_weight),
        ),
        ("multi_logloss", CLASSES, Q, reference.log_loss),
        (
            "multi_error",
            CLASSES,
            Q,
            lambda y, q, sample_weight: (
                1 - reference.accuracy_score(y, q.argmax(1), sample_weight=sample_weight)
            ),
        ),
    ],
)
def test_additive_metrics_over_workers_are_those_of_all_rows(name, label, prediction, expected, weight):
    value, bound = over_workers(name, label, prediction, weight)
    assert bound == 0
    assert value == pytest.approx(expected(label, prediction, sample_weight=weight), rel=1e-11)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_auc_is_exact_or_within_its_bound(weight):
    rough = np.round(P, 2)  # with ties
    expected = reference.roc_auc_score(Y, rough, sample_weight=weight)
    assert exact_auc(Y, rough, weight) == pytest.approx(expected, abs=1e-12)
    value, bound = over_workers("auc", Y, P, weight)
    assert 0 < bound < 1e-3
    assert abs(value - reference.roc_auc_score(Y, P, sample_weight=weight)) <= bound
    assert over_workers("auc", Y, P, weight, n=1)[0] == pytest.approx(value, abs=1e-12)


def test_names_are_lightgbm_s():
    assert metric_names(None, "binary") == ("binary_logloss",)
    assert metric_names("auc,mse", "binary") == ("auc", "l2")
    assert metric_names(["rmse", "None"], "regression") == ("rmse",)
    with pytest.raises(UsageError, match="ndcg"):
        metric_names("ndcg", "binary")
