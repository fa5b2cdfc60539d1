"""Standard errors against the spread of metrics over many drawn samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import log_loss, roc_auc_score

from scalable.evaluate import evaluate_predictions
from scalable.evaluate.binary import BinaryMetrics


def draw(random, rows=1_500):
    z = random.normal(-2.2, 1.0, rows)
    p = 1 / (1 + np.exp(-z))
    return (random.random(rows) < p).astype(float), p


def coarse(y, p, weight=None):
    """The report of a sixteenth of the bins: of some hundred rows the same to a thousandth of a standard error."""
    metrics = BinaryMetrics(bits=8)
    return metrics.finish(metrics.step(metrics.init(), y, p, weight)).to_json()


def test_equals_the_spread_over_repeated_samples():
    random = np.random.default_rng(5)
    samples = [draw(random) for _ in range(400)]
    reports = [coarse(y, p) for y, p in samples[:60]]
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
        report = coarse(y, p)
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


def weighed(random, rows=1_500):
    """Return labels and scores of which most negatives are thinned to a tenth, and the weights that make up for it."""
    y, p = draw(random, rows)
    kept = (y == 1) | (random.random(rows) < 0.1) | (p < 0.02)
    return (
        y[kept],
        p[kept],
        np.where((y == 1) | (p < 0.02), 1.0, 10.0)[kept] * random.uniform(0.5, 1.5, kept.sum()),
    )


def test_errors_of_weighted_rows_equal_the_spread_over_repeated_samples():
    random = np.random.default_rng(6)
    reports = [coarse(*weighed(random)) for _ in range(300)]
    for name in ("auc", "log_loss", "brier"):
        spread = np.std([report[name] for report in reports])
        assert np.mean([r[f"{name}_se"] for r in reports]) == pytest.approx(spread, rel=0.15), name


@pytest.mark.parametrize("unit", [1000.0, 1e-6, 1e300, 1e-300])
def test_errors_do_not_depend_on_the_unit_of_the_weights(unit):
    y, p, weight = weighed(np.random.default_rng(7))
    one, other = (evaluate_predictions(y, p, weight * u) for u in (1.0, unit))
    for name in ("auc_se", "auc_low", "auc_high", "log_loss_se", "brier_se"):
        assert other[name] == pytest.approx(one[name], rel=1e-9), name


def test_parts_whose_weights_are_far_apart_merge_to_the_errors_of_the_whole():
    y, p, weight = weighed(np.random.default_rng(8))
    weight[:400] *= 1e-4
    metrics = BinaryMetrics()
    parts = [slice(0, 400), slice(400, 700), slice(700, None)]
    for order in (parts, parts[::-1]):
        state = metrics.init()
        for part in order:
            state = metrics.merge(state, metrics.step(metrics.init(), y[part], p[part], weight[part]))
        whole = metrics.finish(metrics.step(metrics.init(), y, p, weight))
        assert metrics.finish(state).auc_se == pytest.approx(whole.auc_se, rel=1e-9)
        assert metrics.finish(state).log_loss_se == pytest.approx(whole.log_loss_se, rel=1e-9)
