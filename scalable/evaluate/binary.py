"""Metrics of two-class probabilities in one pass."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scalable.errors import DataError
from scalable.evaluate.calibration import WIDTHS, Reliability, by_weight, by_width, calibration_error
from scalable.evaluate.inputs import Array, as_columns, refuse_row
from scalable.evaluate.ranking import rank
from scalable.evaluate.uncertainty import auc_interval, standard_errors
from scalable.kernels import metrics as kernels
from scalable.kernels.buffers import sparse_zeros

EXPECTED = "a label of 0 or 1, a probability within [0, 1]"


@dataclass(slots=True)
class BinaryState:
    """Sums of one part of the data.

    (n_bins, 4) score histogram, (15, 3) width bins, (3,) sums, rows, and squared weights of either label, (2,), in
    squares of a unit: a power of two near the largest weight, so that no square is beyond float64.
    """

    bins: Array
    widths: Array
    sums: Array
    rows: int
    squares: Array
    unit: float = 0.0

    def measure_in(self, unit: float) -> None:
        """Hold squares in a unit that is no smaller than the one so far."""
        self.squares *= (self.unit / unit) ** 2 if unit else 1.0
        self.unit = unit


@dataclass(frozen=True, slots=True)
class BinaryReport:
    """Metrics of two-class probabilities; None where a metric needs rows of both classes.

    Attributes
    ----------
    rows, weight : int, float
        Rows seen, and their total weight.
    prevalence, mean_prediction : float
        Weighted rate of label 1, and mean probability.
    auc, average_precision, ks : float
        Area under ROC, average precision (PR-AUC), Kolmogorov-Smirnov distance of the classes.
    auc_error, average_precision_error, ks_error : float
        Bounds of their error from binning scores; 0 where every bin holds one distinct score.
    auc_se, log_loss_se, brier_se : float
        Standard errors over the draw of the rows, whatever the unit of the weights: one row of weight 2 is less
        sure than two of weight 1.
    auc_low, auc_high : float
        Score interval that covers the AUC of all such data with 95 %, also with five positives or no error made.
    log_loss : float
        Mean negative log-likelihood in nats, probabilities clipped to [2**-52, 1 - 2**-52].
    base_log_loss : float
        Log loss of always predicting the prevalence.
    brier : float
        Mean squared error of the probability.
    calibration_error, calibration_error_width : float
        Expected calibration error over up to 20 groups of equal weight, and 15 bins of equal width.
    roc, pr : list of [x, y]
        (false positive rate, true positive rate) and (recall, precision), at most 400 points.
    reliability, reliability_width : list of Reliability
        The groups behind the two calibration errors.
    """

    rows: int
    weight: float
    prevalence: float
    mean_prediction: float
    auc: float | None
    auc_error: float | None
    average_precision: float | None
    average_precision_error: float | None
    ks: float | None
    ks_error: float | None
    auc_se: float | None
    auc_low: float | None
    auc_high: float | None
    log_loss: float
    log_loss_se: float
    base_log_loss: float
    brier: float
    brier_se: float
    calibration_error: float
    calibration_error_width: float
    roc: list[list[float]]
    pr: list[list[float]]
    reliability: list[Reliability]
    reliability_width: list[Reliability]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists and numbers."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class BinaryMetrics:
    """Reduction that measures two-class probabilities in constant memory.

    Parameters
    ----------
    bits : int
        The score histogram has ``2**bits`` bins per factor of two in ``min(p, 1 - p)``, fewer below ``2**-25``.
        With the default of 12 a state takes 7 MB, and a smooth distribution of scores gives AUC within some
        1e-5, the bound of which is computed and reported.

    Notes
    -----
    `merge` keeps and returns the left state's memory. A result depends on the order of merging only
    through float64 rounding of the sums, so a fixed merge tree gives the same bits on any executor.
    """

    bits: int = 12

    def init(self) -> BinaryState:
        """Return the state of no rows."""
        bins = sparse_zeros((kernels.n_score_bins(self.bits), kernels.BIN_FIELDS))
        return BinaryState(bins, np.zeros((WIDTHS, 3)), np.zeros(kernels.BINARY_SUMS), 0, np.zeros(2))

    def step(
        self, state: BinaryState, y: npt.ArrayLike, p: npt.ArrayLike, weight: npt.ArrayLike | None = None
    ) -> BinaryState:
        """Add a block: labels (n,) of 0 or 1, probabilities (n,), weights (n,) or None.

        Raises
        ------
        DataError
            When shapes disagree, or a label, probability or weight is out of its domain.
        """
        labels, scores, weights = as_columns(y, p, weight)
        bad = kernels.binary_step(labels, scores, weights, self.bits, state.bins, state.widths, state.sums)
        refuse_row(bad, labels, scores, weights, EXPECTED)
        largest = float(weights.max(initial=0.0)) if weights.size else 1.0
        if largest > state.unit:
            state.measure_in(2.0 ** (math.frexp(largest)[1] - 1))
        if weights.size and state.unit:
            squares = (weights / state.unit) ** 2
            state.squares += squares @ (labels == 0.0), squares @ labels
        elif state.unit:
            positive = np.count_nonzero(labels)
            state.squares += np.array([labels.size - positive, positive]) / state.unit**2
        state.rows += labels.size
        return state

    def merge(self, left: BinaryState, right: BinaryState) -> BinaryState:
        """Add the state of later rows to that of earlier ones."""
        kernels.merge_bins(left.bins, right.bins)
        left.widths += right.widths
        left.sums += right.sums
        left.rows += right.rows
        unit = max(left.unit, right.unit)
        left.measure_in(unit)
        right.measure_in(unit)
        left.squares += right.squares
        return left

    def finish(self, state: BinaryState) -> BinaryReport:
        """Return the metrics.

        Raises
        ------
        DataError
            When no row has positive weight.
        """
        total = float(state.sums[kernels.WEIGHT])
        if total <= 0:
            raise DataError(
                f"evaluation: {state.rows} rows, none of positive weight; nothing can be measured"
            )
        ranking = rank(state.bins)
        errors = standard_errors(state.bins, state.squares, state.unit)
        mass = state.bins.sum(axis=0)
        prevalence = float(mass[kernels.POSITIVE] / (mass[kernels.POSITIVE] + mass[kernels.NEGATIVE]))
        low, high = auc_interval(ranking.auc, errors.auc, errors.negatives, errors.positives)
        rates = np.array([prevalence, 1 - prevalence])
        base = -np.sum(rates * np.log(rates, where=rates > 0, out=np.zeros(2)))
        reliability, widths = by_weight(state.bins), by_width(state.widths)
        return BinaryReport(
            rows=state.rows,
            weight=total,
            prevalence=prevalence,
            mean_prediction=float(mass[kernels.SUM_SCORE] / total),
            auc=ranking.auc,
            auc_error=ranking.auc_error,
            average_precision=ranking.average_precision,
            average_precision_error=ranking.average_precision_error,
            ks=ranking.ks,
            ks_error=ranking.ks_error,
            auc_se=errors.auc,
            auc_low=low,
            auc_high=high,
            log_loss_se=errors.log_loss,
            brier_se=errors.brier,
            log_loss=float(state.sums[kernels.LOG_LOSS]) / total,
            base_log_loss=abs(float(base)),
            brier=float(state.sums[kernels.SQUARED]) / total,
            calibration_error=calibration_error(reliability),
            calibration_error_width=calibration_error(widths),
            roc=ranking.roc,
            pr=ranking.pr,
            reliability=reliability,
            reliability_width=widths,
        )
