"""Standard errors against the spread of metrics over many drawn samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import log_loss, roc_auc_score

from scalable.evaluate import evaluate_predictions


def draw(random, rows=1_500):
    z = random.normal(-2.2, 1.0, rows)
    p = 1 / (1 + np.exp(-z))
    return (random.random(rows) < p).astype(float), p


def test_equals_the_spread_over_repeated_samples():
    random = np.random.default_rng(5)
    samples = [draw(random) for _ in range(400)]
    reports = [evaluate_predictions(y, p) for y, p in samples[:60]]
    for name, exact in (
        ("auc", roc_auc_score),
        ("log_loss", log_loss),
        ("brier", lambda y, p: np.mean((y - p) ** 2)),
    ):
        spread = np.std([exact(y, p) for y, p in samples])
        assert np.mean([report[f"{name}_se"] for report in reports]) == pytest.approx(spread, rel=0.12), name


def test_auc_error_equals_delong_over_all_pairs():
    random = np.random.default_rng(0)
    y, p = draw(random, 120)
    p = p.round(2)
    wins = (p[y == 1][:, None] > p[y == 0]) + 0.5 * (p[y == 1][:, None] == p[y == 0])
    m, n = wins.shape
    variance = wins.mean(axis=1).var(ddof=1) / m + wins.mean(axis=0).var(ddof=1) / n
    assert evaluate_predictions(y, p)["auc_se"] == pytest.approx(np.sqrt(variance), rel=1e-10)


def test_loss_errors_equal_a_direct_computation():
    y, p = draw(np.random.default_rng(1), 500)
    report = evaluate_predictions(y, p)
    loss = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert report["log_loss_se"] == pytest.approx(loss.std() / np.sqrt(500), rel=1e-3)
    assert report["brier_se"] == pytest.approx(((y - p) ** 2).std() / np.sqrt(500), rel=1e-3)


def test_a_single_row_of_a_class_has_no_auc_error():
    assert evaluate_predictions([0, 0, 1], [0.1, 0.2, 0.3])["auc_se"] is None


@pytest.mark.parametrize(("positives", "separation"), [(5, 1.2), (5, 2.3), (60, 1.2)])
def test_the_score_interval_covers_the_true_auc(positives, separation):
    random = np.random.default_rng(3)
    truth, covered, repeats = norm.cdf(separation / np.sqrt(2)), 0, 400
    for _ in range(repeats):
        y = np.repeat([0.0, 1.0], [600, positives])
        p = norm.cdf(random.normal(size=len(y)) + separation * y)
        report = evaluate_predictions(y, p)
        covered += report["auc_low"] <= truth <= report["auc_high"]
    assert 0.92 <= covered / repeats <= 0.995


def test_no_error_made_is_not_certainty():
    report = evaluate_predictions([0] * 20 + [1] * 5, np.linspace(0, 1, 25))
    assert (report["auc"], report["auc_high"]) == (1.0, 1.0)
    assert 0.6 < report["auc_low"] < 0.95


def test_with_many_rows_the_interval_is_delongs():
    y, p = draw(np.random.default_rng(2), 200_000)
    report = evaluate_predictions(y, p)
    assert report["auc_low"] == pytest.approx(report["auc"] - 1.96 * report["auc_se"], abs=2e-5)
    assert report["auc_high"] == pytest.approx(report["auc"] + 1.96 * report["auc_se"], abs=2e-5)
