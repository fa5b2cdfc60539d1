"""How far counts are from those of a reference, on the same bins; of one period or of many, shape (..., n_bins)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RARE, FEW = (
    0.005,
    5,
)  # bins of a smaller share of the reference, categories of fewer rows too, are taken together
HALF = 0.5  # rows added to each bin of `psi`, so that an empty one has a logarithm


def psi(reference: ArrayLike, current: ArrayLike) -> Any:
    """Return the population stability index, ``sum (p - q) ln(p / q)``, half a row added to each bin."""
    p, q = (np.asarray(counts, float) + HALF for counts in (current, reference))
    p, q = (counts / counts.sum(axis=-1, keepdims=True) for counts in (p, q))
    return np.sum((p - q) * np.log(p / q), axis=-1)


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> Any:
    """Return the Jensen-Shannon divergence (Lin, 1991) in bits, 0 to 1."""
    p, q = (np.asarray(counts, float) for counts in (current, reference))
    p, q = (counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1) for counts in (p, q))
    middle = (p + q) / 2
    return np.maximum(0.0, (_relative(p, middle) + _relative(q, middle)) / 2)


def _relative(p: NDArray[np.float64], m: NDArray[np.float64]) -> Any:
    ratio = np.divide(p, m, out=np.ones_like(m), where=p > 0)
    return np.sum(p * np.log2(ratio), axis=-1)


def kolmogorov_smirnov(reference: ArrayLike, current: ArrayLike) -> Any:
    """Return the largest difference of the cumulated shares."""
    return np.max(np.abs(_cumulated(current) - _cumulated(reference)), axis=-1)


def wasserstein(reference: ArrayLike, current: ArrayLike, points: ArrayLike) -> Any:
    """Return the first Wasserstein distance of counts whose rows lie at `points`, ascending, shape (n_bins,)."""
    steps = np.diff(np.asarray(points, float))
    return np.sum(np.abs(_cumulated(current) - _cumulated(reference))[..., :-1] * steps, axis=-1)


def _cumulated(counts: ArrayLike) -> NDArray[np.float64]:
    total = np.cumsum(np.asarray(counts, float), axis=-1)
    return np.asarray(total / np.maximum(total[..., -1:], 1.0))


def without_rare(
    reference: NDArray[np.int64], current: NDArray[np.int64], *, others: bool = False
) -> tuple[NDArray[np.int64], ...]:
    """Return both counts with the bins together that hold little of the reference, shape (n_bins,).

    Where the last bin is of all `others`, it is one of them, and so are categories of a few rows: the reference chose
    which have a bin, and most that it holds a few times are rarer elsewhere.
    """
    rare = reference < max(RARE * reference.sum(), FEW if others else 1)
    rare[-1] |= others
    if rare.sum() < 2:
        return reference, current
    return tuple(
        np.concatenate([counts[..., ~rare], counts[..., rare].sum(axis=-1, keepdims=True)], axis=-1)
        for counts in (reference, current)
    )
