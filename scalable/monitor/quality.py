"""Performance from counts: of rows whose labels are known, and expected of rows whose are not.

Without labels, expected performance follows from calibrated scores (confidence-based performance estimation, CBPE;
Bialek et al., "Estimating model performance under covariate shift without labels", 2024): where P(label | score) is as
in the reference, the expected confusion at every score is known. That holds when only the rows' distribution drifts;
under concept drift it does not, and nothing without labels can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.evaluate.uncertainty import Z95
from scalable.monitor.rates import Calibration
from scalable.monitor.scores import LOSS, SQUARE, N, P, Y, grid_scores, in_units

Z97 = 2.17  # expected figures have intervals of 97 %: their errors are estimates, too


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
    m, n, auc, of_won, of_lost = _auc_parts(labelled, positive)
    return Measured(auc, np.sqrt(of_won / m + of_lost / n))


def auc_error(labelled: NDArray[np.int64], positive: NDArray[np.int64], won: Any, lost: Any) -> Any:
    """Return the standard error of the AUC of so many rows of each class that are like those of a score grid."""
    _, _, _, of_won, of_lost = _auc_parts(labelled, positive)
    return np.sqrt(of_won / np.maximum(won, 1) + of_lost / np.maximum(lost, 1))


def _auc_parts(labelled: NDArray[np.int64], positive: NDArray[np.int64]) -> tuple[Any, ...]:
    """Return rows of each class, AUC, and what one row of each class adds to its variance, shape (...)."""
    won, lost = positive.astype(float), (labelled - positive).astype(float)
    m, n, beaten, beating, auc = _ranked(won, lost)
    of_won = np.sum(won * (beaten - auc) ** 2, axis=-1, keepdims=True) / (m - 1)
    of_lost = np.sum(lost * (beating - auc) ** 2, axis=-1, keepdims=True) / (n - 1)
    return tuple(each[..., 0] for each in (m, n, auc, of_won, of_lost))


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
    c, total = calibration.rate, n.sum(axis=-1, keepdims=True)
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
    c = calibration.rate
    moved = slope * n * (c * (1 - c))
    of_labels = np.sum(slope * moved, axis=-1)
    of_rates = np.sum(moved**2 * calibration.own, axis=-1) + np.sum(
        (moved @ calibration.bend.T) ** 2, axis=-1
    )
    return Measured(value, np.sqrt(of_labels + of_rates), Z97)
