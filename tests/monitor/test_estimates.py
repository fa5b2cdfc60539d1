"""Performance without labels: its intervals cover where only covariates drift, and it is blind to concept drift."""

import numpy as np
import pytest

from scalable.monitor.quality import auc_of, calibrate, expected
from scalable.monitor.scores import GRID, SUMS, Scale, Scores, add_sums, grid_cell, in_units, outcomes


def grids(rng, n, shift=0.0, flip=False, slope=1.0):
    odds = rng.normal(size=n) * 1.3 - 1.5 + shift
    p = 1 / (1 + np.exp(-odds))
    true = 1 / (1 + np.exp(-(odds * slope)))
    y = rng.random(n) < (1 - true if flip else true)
    cells = grid_cell(p)
    exact = np.where(y, -np.log(p), -np.log1p(-p)).mean()
    return np.bincount(cells, minlength=GRID), np.bincount(cells[y], minlength=GRID), exact


@pytest.mark.parametrize("slope", [0.6, 0.8, 1.4])
def test_intervals_cover_the_truth_where_covariates_drift(slope):
    """The model is miscalibrated (slope): the reference's labels mend that."""
    rng, hits, width = np.random.default_rng(0), {"auc": 0, "log_loss": 0}, []
    for window in range(100):
        n, k, _ = grids(rng, 100_000, slope=slope)
        calibration = calibrate(n, k)
        n, k, loss = grids(rng, 100_000, shift=0.5 * (window % 3), slope=slope)
        found = expected(n, calibration)
        true = {"auc": auc_of(n, k).value, "log_loss": loss}
        for name, value in true.items():
            hits[name] += found[name].low <= value <= found[name].high
        width.append(found["auc"].error)
    assert min(hits.values()) >= 93, hits
    assert max(width) < 0.01


@pytest.mark.parametrize("cells", [[500], [100, 900], list(range(0, 1025, 256))])
def test_few_different_scores_have_their_own_rates(cells):
    """Trees of a few leaves, and a constant: expected outcomes are those that were seen."""
    n = np.zeros(GRID, np.int64)
    n[cells] = 10_000
    k = n * 3 // 10
    found = expected(n, calibrate(n, k))
    assert abs(found["positives"].value - 0.3) < 1e-3
    for positive in (n * 0, n):
        assert np.isfinite([one.error for one in expected(n, calibrate(n, positive)).values()]).all()


def test_it_is_blind_to_concept_drift():
    rng = np.random.default_rng(1)
    calibration = calibrate(*grids(rng, 100_000)[:2])
    n, k, _ = grids(rng, 50_000, flip=True)
    assert auc_of(n, k).value < 0.4
    assert expected(n, calibration)["auc"].value > 0.7


def test_sums_are_exact_in_any_order():
    rng = np.random.default_rng(2)
    p, y = rng.random(5000), rng.integers(0, 2, 5000).astype(float)
    made = outcomes("binary", Scores(p), y, Scale())
    groups = rng.integers(0, 3, 5000)
    whole, parts = np.zeros((3, SUMS), np.int64), np.zeros((3, SUMS), np.int64)
    add_sums("binary", made, groups, whole)
    for at in np.array_split(rng.permutation(5000), 7):
        add_sums("binary", made[:, at], groups[at], parts)
    assert np.array_equal(whole, parts)
    losses = -np.log(np.where(y == 1, p, 1 - p))
    for g in range(3):
        np.testing.assert_allclose(in_units("binary", whole)[g, 3], losses[groups == g].sum(), rtol=1e-6)
