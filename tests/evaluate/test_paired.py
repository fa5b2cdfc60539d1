"""Paired differences: right values, and standard errors that describe how differences spread over samples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from scalable.evaluate.paired import GROUPS, PairedMetrics, group_of


def sample(seed, n=4000):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    p = 1 / (1 + np.exp(-(x[:, 0] + 0.5 * x[:, 1] - 1)))
    y = (rng.random(n) < p).astype(np.float64)
    a = 1 / (1 + np.exp(-(x[:, 0] + 0.45 * x[:, 1] - 1)))
    b = 1 / (1 + np.exp(-(x[:, 0] + 0.2 * x[:, 2] - 1)))
    return y, a, b


def found(y, a, b, task="binary", weight=None, parts=1):
    reduction = PairedMetrics(task)
    states, first = [], 0
    for piece in np.array_split(np.arange(len(y)), parts):
        w = None if weight is None else weight[piece]
        state = reduction.init()
        states.append(reduction.step(state, y[piece], (a[piece], b[piece]), first, w))
        first += len(piece)
    whole = states[0]
    for state in states[1:]:
        whole = reduction.merge(whole, state)
    return {row["metric"]: row for row in reduction.finish(whole)}


def test_groups_are_even_and_do_not_follow_the_order():
    counts = np.bincount(group_of(10**12, 64_000), minlength=GROUPS)
    assert counts.min() > 700
    assert counts.max() < 1300
    assert len(set(group_of(0, 64))) > 20
    assert np.array_equal(group_of(5, 10), group_of(0, 15)[5:])


def test_values_are_those_of_scikit_learn():
    y, a, b = sample(0)
    rows = found(y, a, b, parts=3)
    for name, score in (
        ("auc", metrics.roc_auc_score), ("log_loss", metrics.log_loss), ("brier", metrics.brier_score_loss),
    ):  # fmt: skip
        assert rows[name]["a"] == pytest.approx(score(y, a), abs=1e-4 if name == "auc" else 1e-12)
        assert rows[name]["difference"] == pytest.approx(score(y, b) - score(y, a), abs=1e-4)
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    rows = found(y, a, b, weight=weight)
    assert rows["log_loss"]["b"] == pytest.approx(metrics.log_loss(y, b, sample_weight=weight))


def test_standard_errors_are_those_of_the_difference():
    drawn = [found(*sample(seed)) for seed in range(60)]
    for name in ("auc", "log_loss", "brier"):
        spread = np.std([rows[name]["difference"] for rows in drawn], ddof=1)
        stated = np.mean([rows[name]["se"] for rows in drawn])
        alone = np.std([rows[name]["a"] for rows in drawn], ddof=1)
        assert 0.75 < spread / stated < 1.33
        assert stated < 0.8 * alone * np.sqrt(2), "pairing makes it surer"


def test_regression_and_classes():
    rng = np.random.default_rng(3)
    y = rng.normal(size=3000) * 3
    a, b = y + rng.normal(size=3000), y + 1.5 * rng.normal(size=3000)
    rows = found(y, a, b, "regression", parts=4)
    assert rows["rmse"]["a"] == pytest.approx(np.sqrt(metrics.mean_squared_error(y, a)))
    assert rows["r2"]["b"] == pytest.approx(metrics.r2_score(y, b))
    assert {rows[name]["verdict"] for name in ("rmse", "mae", "r2")} == {"worse"}
    classes = rng.integers(0, 3, 3000).astype(float)
    p = rng.dirichlet(np.ones(3), 3000)
    rows = found(classes, p, p, "multiclass")
    assert rows["log_loss"]["a"] == pytest.approx(metrics.log_loss(classes, p))
    assert rows["accuracy"]["difference"] == 0.0
    assert rows["accuracy"]["verdict"] == "noise"


def test_one_class_has_no_ranking():
    y, a, b = sample(5)
    rows = found(np.zeros(len(y)), a, b)
    assert rows["auc"]["verdict"] == "unknown"
    assert rows["log_loss"]["se"] > 0
