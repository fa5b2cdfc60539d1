"""Standard errors of metrics over the draw of the evaluation rows, from a score histogram.

Rows are drawn, weights are not: the error of a weighted mean is that of its linearisation (Cochran, "Sampling
Techniques", 1977), and rows of a label count as their weights' squared sum over the sum of squares (Kish, 1965), for
which weights within a label are taken to be independent of the score. Scores are taken at the mean of their bin, whose
relative width is ``2**-bits``: far below what a standard error is needed to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scalable.evaluate.inputs import Array
from scalable.kernels.metrics import CLIP, NEGATIVE, POSITIVE, SUM_SCORE

Z95 = 1.959963984540054  # two-sided 95 %
SURE_ROWS = 20  # of the rarer class; with fewer, DeLong's variance may be far too small by chance
PRIOR_ROWS = 8  # the weight of the binormal variance beside DeLong's, in rows of the rarer class


@dataclass(frozen=True, slots=True)
class StandardErrors:
    """Standard errors, None for AUC without two rows of each class, and the rows that either class counts as."""

    auc: float | None
    log_loss: float
    brier: float
    negatives: float
    positives: float


def _mean_error(loss: Array, weight: Array, square: Array) -> float:
    """Return the standard error of the weighted mean of `loss`, whose entries have a weight and a squared weight."""
    total = weight.sum()
    mean = np.sum(weight * loss) / total
    return float(np.sqrt(np.sum(square * (loss - mean) ** 2) / total / total))


def standard_errors(bins: Array, squares: Array, unit: float) -> StandardErrors:
    """Return standard errors of AUC (DeLong et al., 1988), log loss and Brier score.

    Parameters
    ----------
    bins : array of shape (n_bins, 4), float64
        Score histogram with positive total weight.
    squares : array of shape (2,), float64
        Sums of squared weights of labels 0 and 1, in squares of `unit`.
    unit : float
        A power of two near the largest weight.
    """
    negative, positive = bins[:, NEGATIVE], bins[:, POSITIVE]
    filled = negative + positive > 0
    negative, positive = negative[filled], positive[filled]
    score = bins[filled, SUM_SCORE] / (negative + positive)
    negative, positive = negative / unit, positive / unit
    n, m = negative.sum(), positive.sum()
    per_n, per_m = squares / np.where([n, m], [n, m], 1.0)
    counts = np.concatenate([negative, positive])
    square = np.concatenate([negative * per_n, positive * per_m])
    clipped = score.clip(CLIP, 1 - CLIP)
    log_loss = -np.concatenate([np.log1p(-clipped), np.log(clipped)])
    brier = np.concatenate([score**2, (1 - score) ** 2])
    rows_n, rows_m = (n / per_n if n else 0.0), (m / per_m if m else 0.0)
    auc = None
    if min(rows_n, rows_m) > 1:
        beaten = (np.cumsum(negative) - 0.5 * negative) / n  # share of label 0 that a row outranks
        beating = 1 - (np.cumsum(positive) - 0.5 * positive) / m
        spread = _mean_error(beaten, positive, positive * per_m) ** 2 * rows_m / (rows_m - 1) + _mean_error(
            beating, negative, negative * per_n
        ) ** 2 * rows_n / (rows_n - 1)
        auc = float(np.sqrt(spread))
    return StandardErrors(
        auc,
        _mean_error(log_loss, counts, square),
        _mean_error(brier, counts, square),
        float(rows_n),
        float(rows_m),
    )


def _binormal_variance(auc: float, n: float, m: float) -> float:
    """Return the variance of an AUC over n and m rows (Hanley & McNeil, 1982, in Newcombe's symmetric form)."""
    half = (n + m) / 2 - 1
    return auc * (1 - auc) * (1 + half * (1 - auc) / (2 - auc) + half * auc / (1 + auc)) / (n * m)


def auc_interval(
    auc: float | None, error: float | None, negatives: float, positives: float
) -> tuple[float | None, float | None]:
    """Return the 95 % score interval of an AUC.

    An interval ``auc +- 1.96 se`` covers 78 % of the time with five positives and has no width where no error was
    made. A score interval asks which true values make the observed one likely (Newcombe, 2006, method 5); its
    variance is scaled by what DeLong's says of these very scores, the less so the fewer the rows are.

    Parameters
    ----------
    auc, error : float or None
        The observed value, and DeLong's standard error.
    negatives, positives : float
        Rows that the classes count as.

    Returns
    -------
    tuple of float or None
        Bounds within [0, 1]; None without an AUC.
    """
    if auc is None:
        return None, None
    n, m = max(negatives, 1.0), max(positives, 1.0)
    rows = min(n, m)
    least = 1 / (n * m + 1)
    scale = 1.0
    if error is not None:
        ratio = error**2 / _binormal_variance(min(max(auc, least), 1 - least), n, m)
        scale = (rows * ratio + PRIOR_ROWS) / (rows + PRIOR_ROWS)
        scale = scale if rows >= SURE_ROWS else max(scale, 1.0)

    def beyond(true: float) -> float:
        return abs(true - auc) - Z95 * math.sqrt(scale * _binormal_variance(true, n, m))

    edge = 1e-12  # at 0 and 1 the variance is 0, a root that is none
    low = _root(beyond, edge, min(auc, 1 - edge)) if auc > edge and beyond(edge) > 0.0 else 0.0
    high = _root(beyond, max(auc, edge), 1 - edge) if auc < 1 - edge and beyond(1 - edge) > 0.0 else 1.0
    return float(low), float(high)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function of one change of sign in an interval within (0, 1) crosses zero, by halving.

    Not SciPy's `brentq`: to import ``scipy.optimize`` takes longer than all scores of a first model.
    """
    rising = function(high) > 0.0
    for _ in range(52):
        middle = (low + high) / 2
        low, high = (low, middle) if (function(middle) > 0.0) == rising else (middle, high)
    return (low + high) / 2
