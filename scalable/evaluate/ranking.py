"""AUC, average precision, Kolmogorov-Smirnov distance and curves from a score histogram.

Rows that share a bin count as tied. Where a bin saw one score only that is the truth; where it saw
several, the order inside is unknown, and the extremes over all orders bound the error. Bounds are
of the sketch, not of sampling, and leave out float64 rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalable.evaluate.inputs import Array
from scalable.kernels.metrics import NEGATIVE, POSITIVE, SCORE

CURVE_POINTS = 400


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well scores order the labels; None where a metric needs the other class too.

    ``*_error`` is the largest possible distance of a value from that of the exact order.
    """

    auc: float | None
    auc_error: float | None
    average_precision: float | None
    average_precision_error: float | None
    ks: float | None
    ks_error: float | None
    roc: list[list[float]]
    pr: list[list[float]]


def _thin(along: Array, points: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return at most `points` indices, spread evenly over the rising values `along`, ends included."""
    if along.size <= points:
        return np.arange(along.size)
    nearest = np.searchsorted(along, np.linspace(along[0], along[-1], points - 1))
    return np.unique(np.append(nearest.clip(0, along.size - 1), along.size - 1))


def _precision_extremes(positive: Array, tp: Array, fp: Array, negative: Array) -> tuple[Array, Array]:
    """Return the least and most that each mixed bin can add to positives times precision."""
    best = positive * tp / np.maximum(tp + fp - negative, 1e-300)  # 0 of 0 above the first positive
    # All negatives of the bin first: the integral of precision over its positives, which is at most
    # the step sum that average precision takes.
    worst = positive - fp * np.log1p(positive / np.maximum(tp - positive + fp, 1e-300))
    return worst, best


def rank(bins: Array, points: int = CURVE_POINTS) -> Ranking:
    """Finish the ranking metrics of a score histogram.

    Parameters
    ----------
    bins : array of shape (n_bins, 4), float64
        As kept by :func:`scalable.kernels.metrics.binary_step`.
    points : int
        Most points a curve may have.

    Returns
    -------
    Ranking
        ROC points are (false positive rate, true positive rate), precision-recall points (recall,
        precision), both from the highest score down. Average precision is the step sum over
        thresholds, without interpolation (Davis & Goadrich, 2006).
    """
    filled = bins[(bins[:, NEGATIVE] + bins[:, POSITIVE]) > 0][::-1]
    # By a power of two, so that products of masses stay within floating point whatever unit the weights have.
    unit = -np.frexp(filled[:, [NEGATIVE, POSITIVE]].sum())[1]
    negative, positive = np.ldexp(filled[:, NEGATIVE], unit), np.ldexp(filled[:, POSITIVE], unit)
    mixed = np.isnan(filled[:, SCORE])
    fp, tp = np.cumsum(negative), np.cumsum(positive)
    all_negative, all_positive = (fp[-1], tp[-1]) if fp.size else (0.0, 0.0)
    auc = auc_error = ap = ap_error = ks = ks_error = None
    roc: list[list[float]] = []
    pr: list[list[float]] = []
    if all_positive > 0:
        precision = tp / (tp + fp)
        ap = float(np.sum(positive * precision) / all_positive)
        if mixed.any():
            worst, best = _precision_extremes(positive[mixed], tp[mixed], fp[mixed], negative[mixed])
            middle = positive[mixed] * precision[mixed]
            ap_error = float(max(np.sum(best - middle), np.sum(middle - worst)) / all_positive)
        else:
            ap_error = 0.0
        recall = tp / all_positive
        keep = _thin(recall, points - 1)
        pr = [[0.0, float(precision[0])], *np.column_stack([recall[keep], precision[keep]]).tolist()]
    if all_positive > 0 and all_negative > 0:
        pairs = all_positive * all_negative
        auc = float(np.sum(negative * (tp - 0.5 * positive)) / pairs)
        auc_error = float(0.5 * np.sum(negative[mixed] * positive[mixed]) / pairs)
        fpr, tpr = fp / all_negative, tp / all_positive
        ks = float(max(np.max(np.abs(tpr - fpr)), 0.0))
        hidden = np.maximum(negative[mixed] / all_negative, positive[mixed] / all_positive)
        ks_error = float(hidden.max(initial=0.0))
        keep = _thin(fpr + tpr, points - 1)
        roc = [[0.0, 0.0], *np.column_stack([fpr[keep], tpr[keep]]).tolist()]
    return Ranking(auc, auc_error, ap, ap_error, ks, ks_error, roc, pr)
