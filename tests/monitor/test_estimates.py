"""Performance without labels: its intervals cover where only covariates drift, and it is blind to concept drift."""

import numpy as np
import pytest
from scipy.special import ndtr

from scalable.monitor.quality import auc_of, expected
from scalable.monitor.rates import calibrate
from scalable.monitor.scores import (
    GRID,
    PER_UNIT,
    SUMS,
    Scale,
    Scores,
    add_sums,
    grid_cell,
    grid_scores,
    in_units,
    outcomes,
)  # fmt: skip

MISCALIBRATED = {  # the true log-odds of a score's
    "calm": lambda odds: 0.6 * odds,
    "sure": lambda odds: 1.4 * odds,
    "waves": lambda odds: odds + 1.5 * np.sin(1.5 * odds),
    "saturated": lambda odds: -4 + 5 / (1 + np.exp(-1.5 * (odds + 1))),
    "cubic": lambda odds: 0.3 * (odds + 1.5) + 0.25 * (odds + 1.5) ** 3 - 1.5,
    "jump": lambda odds: np.where(odds > -0.7, 0.5, -3.0) + 0.2 * odds,
    "turns": lambda odds: 2 * np.cos(1.2 * (odds + 0.5)) - 2,
}


BOUNDS = np.concatenate([[-np.inf], (np.arange(1, GRID) - GRID // 2 - 0.5) / PER_UNIT, [np.inf]])  # log-odds
ODDS = np.log(grid_scores() / (1 - grid_scores()))


def grids(rng, n, shift=0.0, flip=False):
    odds = rng.normal(size=n) * 1.3 - 1.5 + shift
    p = 1 / (1 + np.exp(-odds))
    y = rng.random(n) < (1 - p if flip else p)
    cells = grid_cell(p)
    return np.bincount(cells, minlength=GRID), np.bincount(cells[y], minlength=GRID)


def drawn(rng, n, shift, truth):
    """Return grids of as many rows as `grids` has them, drawn cell by cell."""
    share = np.diff(ndtr((BOUNDS + 1.5 - shift) / 1.3))
    rows = rng.multinomial(n, share / share.sum())
    return rows, rng.binomial(rows, 1 / (1 + np.exp(-truth(np.clip(ODDS, -8, 8)))))


SOON = ("calm", "waves")  # the others take some seconds each


@pytest.mark.parametrize(
    "shape", [pytest.param(name, marks=() if name in SOON else pytest.mark.slow) for name in MISCALIBRATED]
)
def test_intervals_cover_the_truth_where_covariates_drift(shape):
    """The model is miscalibrated, strongly bent too: the reference's labels mend that."""
    rng, hits, width = np.random.default_rng(1), {"auc": 0, "log_loss": 0, "positives": 0}, []
    for window in range(100):
        calibration = calibrate(*drawn(rng, 100_000, 0, MISCALIBRATED[shape]))
        n, k = drawn(rng, 100_000, 0.5 * (window % 3), MISCALIBRATED[shape])
        found, p = expected(n, calibration), grid_scores()
        loss = -(k @ np.log(p) + (n - k) @ np.log(1 - p)) / n.sum()
        for name, value in {
            "auc": auc_of(n, k).value,
            "log_loss": loss,
            "positives": k.sum() / n.sum(),
        }.items():
            hits[name] += found[name].low <= value <= found[name].high
        width.append(found["auc"].error)
    assert min(hits.values()) >= 93, hits
    assert max(width) < 0.01


@pytest.mark.parametrize("n_cells", [2, 20, 60])
def test_scores_that_are_few_have_rates_of_their_own(n_cells):
    """Trees of a few leaves, whose rates follow no curve."""
    rng, hits = np.random.default_rng(100 + n_cells), {"auc": 0, "positives": 0}
    cells = np.sort(rng.choice(np.arange(400, 600), n_cells, replace=False))
    rate, before, now = (
        rng.uniform(0.02, 0.5, n_cells),
        rng.dirichlet(np.ones(n_cells)),
        rng.dirichlet(np.ones(n_cells)),
    )

    def leaves(shares):
        n, k = np.zeros(GRID, np.int64), np.zeros(GRID, np.int64)
        n[cells] = rng.multinomial(100_000, shares)
        k[cells] = rng.binomial(n[cells], rate)
        return n, k

    for _ in range(100):
        calibration = calibrate(*leaves(before))
        n, k = leaves(now)
        found = expected(n, calibration)
        hits["auc"] += found["auc"].low <= auc_of(n, k).value <= found["auc"].high
        hits["positives"] += found["positives"].low <= k.sum() / n.sum() <= found["positives"].high
    assert min(hits.values()) >= 93, hits


@pytest.mark.parametrize("cells", [[500], [100, 900], list(range(0, 1025, 256))])
def test_expected_outcomes_are_those_that_were_seen(cells):
    """Of a constant too."""
    n = np.zeros(GRID, np.int64)
    n[cells] = 10_000
    k = n * 3 // 10
    found = expected(n, calibrate(n, k))
    assert abs(found["positives"].value - 0.3) < 1e-3
    for positive in (n * 0, n):
        assert np.isfinite([one.error for one in expected(n, calibrate(n, positive)).values()]).all()


def test_it_is_blind_to_concept_drift():
    rng = np.random.default_rng(1)
    calibration = calibrate(*grids(rng, 100_000))
    n, k = grids(rng, 50_000, flip=True)
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
