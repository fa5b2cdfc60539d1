"""Metrics of the order of all rows, whoever holds them.

They are exact, for which all scores travel to every worker. AUC of more than ``EXACT_ROWS`` rows is counted in
``N_BUCKETS`` buckets of the log odds instead, equal whatever the workers: pairs that share a bucket count half, so its
error is at most half the fraction of such pairs, which is reported beside it.
"""

from __future__ import annotations

import numpy as np

from scalable.boosting.training.metrics import Array, Metric

EXACT_ROWS = 2**20
N_BUCKETS = 2**16
SPREAD = 24.0  # log odds beyond this share the outermost buckets


def bucketed(link: str, label: Array, prediction: Array, weight: Array | None) -> Array:
    """Return the weights of one worker's rows per bucket, negatives first, of shape (2 * N_BUCKETS,)."""
    w = np.ones(len(label)) if weight is None else weight
    odds = prediction
    if link in ("binary", "cross_entropy"):
        p = np.clip(prediction, 1e-300, 1 - 1e-16)
        odds = np.log(p) - np.log1p(-p)
    bucket = ((np.clip(odds, -SPREAD, SPREAD) + SPREAD) * ((N_BUCKETS - 1) / (2 * SPREAD))).astype(np.intp)
    positive = label > 0.5
    return np.concatenate(
        [np.bincount(bucket[of], weights=w[of], minlength=N_BUCKETS) for of in (~positive, positive)]
    )


def bucketed_auc(parts: list[Array]) -> tuple[float, float]:
    """Return the area under the ROC curve, and a bound of its error, from the workers' buckets."""
    total = np.sum(parts, axis=0)
    negative, positive = total[:N_BUCKETS], total[N_BUCKETS:]
    pairs = negative.sum() * positive.sum()
    if pairs == 0:
        return float("nan"), 0.0
    below = np.cumsum(negative) - negative
    shared = float(np.dot(positive, negative))
    return float((np.dot(positive, below) + 0.5 * shared) / pairs), 0.5 * shared / float(pairs)


def exact(metric: Metric, label: Array, prediction: Array, weight: Array | None) -> float:
    """Return the value of a metric of all rows' order."""
    if metric.name == "auc_mu":
        return auc_mu(label, prediction, weight, metric.link)
    return {"auc": auc, "average_precision": average_precision}[metric.name](label, prediction, weight)


def auc(label: Array, prediction: Array, weight: Array | None) -> float:
    """Return the area under the ROC curve, ties counting half."""
    negatives, positives = _by_score(label, prediction, weight)
    pairs = negatives.sum() * positives.sum()
    below = np.cumsum(negatives) - negatives
    return float(np.dot(positives, below + 0.5 * negatives) / pairs) if pairs > 0 else 1.0  # LightGBM's


def average_precision(label: Array, prediction: Array, weight: Array | None) -> float:
    """Return the precision at each distinct score, averaged with the positives there."""
    negatives, positives = (a[::-1] for a in _by_score(label, prediction, weight))
    if not positives.sum() > 0 or not negatives.sum() > 0:
        return 1.0
    found = np.cumsum(positives)
    return float(np.dot(positives, found / (found + np.cumsum(negatives))) / positives.sum())


def auc_mu(label: Array, prediction: Array, weight: Array | None, link: str) -> float:
    """Return the mean AUC over pairs of classes (Kleiman and Page, 2019), as LightGBM with equal weights."""
    p = np.clip(prediction, 1e-300, None)
    raw = np.log(p) if link == "multiclass" else np.log(p) - np.log1p(-np.clip(p, None, 1 - 1e-16))
    n_classes, total = prediction.shape[1], 0.0
    for i in range(n_classes):
        for j in range(i + 1, n_classes):
            of = (label == i) | (label == j)
            w = None if weight is None else weight[of]
            apart = np.round(raw[of, i] - raw[of, j], 12)  # the logarithms must not part what is tied
            total += auc((label[of] == i).astype(float), apart, w)
    return float(total / (n_classes * (n_classes - 1) / 2))


def _by_score(label: Array, prediction: Array, weight: Array | None) -> tuple[Array, Array]:
    """Return the weights of negatives and positives at each distinct score, rising."""
    order = np.argsort(prediction, kind="stable")
    w = np.ones(len(label)) if weight is None else weight[order]
    positive = label[order] > 0.5
    first = np.flatnonzero(np.diff(prediction[order], prepend=-np.inf))  # where each distinct score begins
    return (
        np.add.reduceat(np.where(positive, 0.0, w), first),
        np.add.reduceat(np.where(positive, w, 0.0), first),
    )
