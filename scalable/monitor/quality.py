"""Performance from counts: of rows whose labels are known, and expected of rows whose are not.

Without labels, expected performance follows from calibrated scores (confidence-based performance estimation, CBPE;
Bialek et al., "Estimating model performance under covariate shift without labels", 2024): where P(label | score) is as
in the reference, the expected confusion at every score is known. That holds when only the rows' distribution drifts;
under concept drift it does not, and nothing without labels can tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.evaluate.uncertainty import Z95
from scalable.monitor.scores import LOSS, SQUARE, N, P, Y, grid_scores, in_units

_MOST = 500.0  # log-odds, for no overflow
Z97 = 2.17  # expected figures have intervals of 97 %: their errors are estimates, too
_STEPS = 50  # of Newton's at most
_KNOTS, _APART = (
    np.array([0.05, 0.275, 0.5, 0.725, 0.95]),
    0.02,
)  # shares of the weight; between two, in log-odds
GROUPS = 40  # of the reference's scores, each with its rate of positives


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure of one period, or of many: arrays of shape (n_periods,). NaN where there is none.

    Attributes
    ----------
    value, error : float64
        And its standard error.
    reach : float
        As many of these as the interval has to each side: 95 % by default.
    """

    value: Any
    error: Any
    reach: float = Z95

    @property
    def low(self) -> Any:
        """Lower bound."""
        return self.value - self.reach * self.error

    @property
    def high(self) -> Any:
        """Upper bound."""
        return self.value + self.reach * self.error

    @property
    def there(self) -> Any:
        """Whether there is one."""
        return np.isfinite(self.value)


def auc_of(labelled: NDArray[np.int64], positive: NDArray[np.int64]) -> Measured:
    """Return AUC and DeLong's standard error from score grids, shape (..., n_cells).

    There is none without two rows of each class.
    """
    won, lost = positive.astype(float), (labelled - positive).astype(float)
    m, n, beaten, beating, auc = _ranked(won, lost)
    spread = np.sum(won * (beaten - auc) ** 2, axis=-1, keepdims=True) / m / (m - 1)
    spread += np.sum(lost * (beating - auc) ** 2, axis=-1, keepdims=True) / n / (n - 1)
    return Measured(auc[..., 0], np.sqrt(spread)[..., 0])


def _ranked(won: NDArray[np.float64], lost: NDArray[np.float64]) -> tuple[Any, ...]:
    """Return how many of each there are, NaN where there are not two, the shares of the others, by cell, and AUC.

    By cell: of the lost those that a row there beats, and of the won those that beat it, half of its own cell counted.
    Numbers and AUC are of shape (..., 1).
    """
    m, n = (np.sum(counts, axis=-1, keepdims=True) for counts in (won, lost))
    few = np.minimum(m, n) < 2
    m, n = np.where(few, np.nan, m), np.where(few, np.nan, n)
    beaten = (np.cumsum(lost, axis=-1) - 0.5 * lost) / n
    beating = 1 - (np.cumsum(won, axis=-1) - 0.5 * won) / m
    return m, n, beaten, beating, np.sum(won * beaten, axis=-1, keepdims=True) / m


def mean_loss(task: str, sums: NDArray[np.int64]) -> Measured:
    """Return the mean loss of labelled rows and its standard error, given sums, shape (..., 5).

    There is none with fewer than two rows.
    """
    found = in_units(task, sums)
    n = np.where(found[..., N] < 2, np.nan, found[..., N])
    mean = found[..., LOSS] / n
    variance = np.maximum(found[..., SQUARE] / n - mean**2, 0.0)
    return Measured(mean, np.sqrt(variance / (n - 1)))


def means(task: str, sums: NDArray[np.int64]) -> tuple[Any, Any, Any]:
    """Return rows, mean outcome and mean prediction of labelled rows, given sums, shape (..., 5)."""
    found = in_units(task, sums)
    n = np.maximum(found[..., N], 1.0)
    return found[..., N], found[..., Y] / n, found[..., P] / n


@dataclass(frozen=True, slots=True)
class Calibration:
    """Rates of positives by score in the reference.

    Attributes
    ----------
    group : int64 (n_cells,)
        Group of each cell of the score grid.
    rate, error : float64 (n_groups,)
        Rate of positives and its standard error.
    slope : float64 (n_cells,)
        Rate of each cell: a smooth curve of the scores' log-odds, moved so that the group's mean is its rate.
    bend : float64 (n_terms, n_cells)
        How the curve's log-odds change within a group with one standard error of each of its independent terms.
    """

    group: NDArray[np.int64]
    rate: NDArray[np.float64]
    error: NDArray[np.float64]
    slope: NDArray[np.float64]
    bend: NDArray[np.float64]

    def of(self, cells: NDArray[np.int64]) -> Calibration:
        """Return the calibration of some cells, given ascending."""
        return replace(self, group=self.group[cells], slope=self.slope[cells], bend=self.bend[:, cells])


def calibrate(labelled: NDArray[np.int64], positive: NDArray[np.int64]) -> Calibration:
    """Return the calibration of a labelled reference's score grids, in groups of about equal numbers of positives."""
    scores = grid_scores()
    n, k = labelled.astype(float), positive.astype(float)
    weight = np.minimum(k, n - k) + n / 100 + 1e-12  # groups with outcomes of both kinds, where there are any
    upto = np.cumsum(weight)
    group = np.minimum((GROUPS * (upto - 0.5 * weight) / upto[-1]).astype(np.int64), GROUPS - 1)
    basis, straight, errors = _curve(_odds(scores), n, k)
    scores = _score(straight)
    rows, won = np.bincount(group, n, GROUPS), np.bincount(group, k, GROUPS)
    mean = np.bincount(group, n * scores, GROUPS)
    middle = np.where(rows > 0, mean / np.maximum(rows, 1), np.bincount(group, scores, GROUPS) / np.maximum(
        np.bincount(group, minlength=GROUPS), 1))  # fmt: skip
    rate = (won + 2 * middle) / (rows + 2)  # two rows as the line says, so that none of few is certain
    error = np.sqrt(np.clip(rate * (1 - rate), 1e-12, None) / (rows + 2))
    shift = _odds(rate) - _odds(middle)
    weight = n * scores * (1 - scores) + 1e-12
    sums = np.stack([np.bincount(group, weight * term, GROUPS) for term in basis.T])
    centre = sums / np.maximum(np.bincount(group, weight, GROUPS), 1e-12)
    return Calibration(
        group, rate, error, _score(straight + shift[group]), errors @ (basis.T - centre[:, group])
    )


def _curve(
    odds: NDArray[np.float64], n: NDArray[np.float64], k: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return terms of log-odds by cell, the log-odds that they give the labels, and a root of the terms' covariance.

    A logistic regression on a natural cubic spline of five knots (Harrell, 2001): within a group rates follow it, so
    that they are right where the scores of other rows lie elsewhere in the group. Without outcomes of both kinds it is
    the scores' own log-odds.
    """
    upto = np.cumsum(np.minimum(k, n - k) + n / 100 + 1e-12)
    knots = odds[np.searchsorted(upto, upto[-1] * _KNOTS)]
    basis = np.column_stack([np.ones_like(odds), odds])
    if np.diff(knots).min() > _APART:  # else a line
        cubes, last = np.maximum(odds[:, None] - knots, 0) ** 3, knots[-1]
        ends = cubes[:, -2:-1] * (last - knots[:-2]) - cubes[:, -1:] * (knots[-2] - knots[:-2])
        bent = cubes[:, :-2] - ends / (last - knots[-2])
        basis = np.column_stack([basis, bent / (last - knots[0]) ** 2])
    found = np.zeros(basis.shape[1])
    found[1] = 1.0
    for _ in range(_STEPS if 0 < k.sum() < n.sum() else 0):
        p = _score(basis @ found)
        curvature = basis.T @ ((n * p * (1 - p) + 1e-9)[:, None] * basis) + 1e-9 * np.eye(len(found))
        try:
            step = lapack.cho_solve(lapack.cho_factor(curvature), basis.T @ (k - n * p))
        except lapack.LinAlgError:  # nearly all rows in one cell: they say nothing of a curve
            break
        found = found + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            root = lapack.inv(lapack.cholesky(curvature))
            return basis, np.asarray(basis @ found), np.asarray(root)
    return basis, odds, np.zeros((basis.shape[1], basis.shape[1]))


def _score(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -_MOST, _MOST))))


def _odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    q = np.clip(p, 1e-15, 1 - 1e-15)
    return np.asarray(np.log(q / (1 - q)))


def expected(scores: NDArray[np.int64], calibration: Calibration) -> dict[str, Measured]:
    """Return the AUC and log loss that rows without labels should have, with the errors of labels and calibration.

    Parameters
    ----------
    scores : int64 (..., n_cells)
        Score grids of the rows.
    calibration : Calibration

    Returns
    -------
    dict
        ``log_loss``, ``positives`` (their rate), ``auc`` (none where one class is not expected). Of one period alone,
        those that it has.
    """
    some = np.flatnonzero(scores.reshape(-1, scores.shape[-1]).any(axis=0))  # empty cells add nothing
    n, p, calibration = scores[..., some].astype(float), grid_scores()[some], calibration.of(some)
    c, total = calibration.slope, n.sum(axis=-1, keepdims=True)
    total = np.where(total < 1, np.nan, total)
    lost_one, lost_zero = -np.log(p), -np.log(1 - p)
    loss = np.sum(n * (c * lost_one + (1 - c) * lost_zero), axis=-1) / total[..., 0]
    won, lost = n * c, n * (1 - c)
    rate = np.sum(won, axis=-1) / total[..., 0]
    m, k, beaten, beating, auc = _ranked(won, lost)
    # one more positive, one fewer negative at a cell
    slope = (beaten - auc) / m - (beating - auc) / k
    found = {
        "log_loss": _measured(loss, (lost_one - lost_zero) / total, n, calibration),
        "positives": _measured(rate, 1 / total, n, calibration),
        "auc": _measured(auc[..., 0], slope, n, calibration),
    }
    return {name: figure for name, figure in found.items() if scores.ndim > 1 or figure.there}


def _measured(value: Any, slope: Any, n: NDArray[np.float64], calibration: Calibration) -> Measured:
    """Return figures with their errors, given how they change with one more positive at each cell."""
    c = calibration.slope
    moved = slope * n * (c * (1 - c))
    of_labels = np.sum(slope * moved, axis=-1)
    begins = np.flatnonzero(np.diff(calibration.group, prepend=-1))  # a shift moves all cells of a group
    group = calibration.group[begins]
    inner = np.clip(calibration.rate * (1 - calibration.rate), 1e-12, None)
    by_group = np.add.reduceat(moved, begins, axis=-1)
    of_rates = np.sum((by_group * (calibration.error / inner)[group]) ** 2, axis=-1)
    of_curve = sum(np.sum(moved * term, axis=-1) ** 2 for term in calibration.bend)
    return Measured(value, np.sqrt(of_labels + of_rates + of_curve), Z97)
