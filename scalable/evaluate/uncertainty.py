"""Standard errors of metrics over the draw of the evaluation rows, from a score histogram.

Weights count as numbers of rows. Scores are taken at the mean of their bin, whose relative width is
``2**-bits``: far below what a standard error is needed to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalable.evaluate.inputs import Array
from scalable.kernels.metrics import CLIP, NEGATIVE, POSITIVE, SUM_SCORE


@dataclass(frozen=True, slots=True)
class StandardErrors:
    """Standard errors; None for AUC without two rows of each class."""

    auc: float | None
    log_loss: float
    brier: float


def _mean_error(loss: Array, weight: Array) -> float:
    """Return the standard error of the mean of `loss`, entries counted `weight` times."""
    total = weight.sum()
    mean = np.sum(weight * loss) / total
    return float(np.sqrt(np.sum(weight * (loss - mean) ** 2) / total / total))


def standard_errors(bins: Array) -> StandardErrors:
    """Return standard errors of AUC (DeLong et al., 1988), log loss and Brier score.

    Parameters
    ----------
    bins : array of shape (n_bins, 4), float64
        Score histogram with positive total weight.
    """
    negative, positive = bins[:, NEGATIVE], bins[:, POSITIVE]
    filled = negative + positive > 0
    negative, positive = negative[filled], positive[filled]
    score = bins[filled, SUM_SCORE] / (negative + positive)
    counts = np.concatenate([negative, positive])
    clipped = score.clip(CLIP, 1 - CLIP)
    log_loss = -np.concatenate([np.log1p(-clipped), np.log(clipped)])
    brier = np.concatenate([score**2, (1 - score) ** 2])
    n, m = negative.sum(), positive.sum()
    auc = None
    if min(n, m) > 1:
        beaten = (np.cumsum(negative) - 0.5 * negative) / n  # share of label 0 that a row outranks
        beating = 1 - (np.cumsum(positive) - 0.5 * positive) / m
        spread = _mean_error(beaten, positive) ** 2 * m / (m - 1) + _mean_error(
            beating, negative
        ) ** 2 * n / (n - 1)
        auc = float(np.sqrt(spread))
    return StandardErrors(auc, _mean_error(log_loss, counts), _mean_error(brier, counts))
