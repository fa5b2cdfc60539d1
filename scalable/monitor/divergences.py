"""How far counts are from those of a reference, on the same bins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RARE = 0.005  # bins of a smaller share of the reference are taken together
HALF = 0.5  # rows added to each bin of `psi`, so that an empty one has a logarithm


class Divergences(NamedTuple):
    """Distances of a distribution from a reference; numbers only have `ks` and `wasserstein`.

    Attributes
    ----------
    psi : float
        Population stability index, ``sum (p - q) ln(p / q)``, half a row added to each bin.
    js : float
        Jensen-Shannon divergence in bits, 0 to 1.
    ks : float or None
        Largest difference of the cumulated shares.
    wasserstein : float or None
        Mean way from one to the other, in standard deviations of the reference.
    bins : int
        That `psi` and `js` were computed on.
    """

    psi: float
    js: float
    ks: float | None
    wasserstein: float | None
    bins: int


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the population stability index of two arrays of counts, shape (n_bins,)."""
    p, q = (np.asarray(counts, float) + HALF for counts in (current, reference))
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((p - q) * np.log(p / q)))


def jensen_shannon(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the Jensen-Shannon divergence (Lin, 1991) of two arrays of counts in bits."""
    p, q = (np.asarray(counts, float) / max(np.sum(counts), 1) for counts in (current, reference))
    middle = (p + q) / 2
    return float(max(0.0, (_relative(p, middle) + _relative(q, middle)) / 2))


def _relative(p: NDArray[np.float64], m: NDArray[np.float64]) -> float:
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / m[some])))


def kolmogorov_smirnov(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the largest difference of the cumulated shares of two arrays of counts."""
    return float(np.max(np.abs(_cumulated(current) - _cumulated(reference))))


def wasserstein(reference: ArrayLike, current: ArrayLike, points: ArrayLike) -> float:
    """Return the first Wasserstein distance of two arrays of counts whose rows lie at `points`, ascending."""
    steps = np.diff(np.asarray(points, float))
    return float(np.sum(np.abs(_cumulated(current) - _cumulated(reference))[:-1] * steps))


def _cumulated(counts: ArrayLike) -> NDArray[np.float64]:
    total = np.cumsum(np.asarray(counts, float))
    return np.asarray(total / max(total[-1], 1.0))


def without_rare(reference: NDArray[np.int64], current: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """Return both counts with the bins together that hold less than `RARE` of the reference."""
    rare = reference < RARE * max(1, reference.sum())
    if rare.sum() < 2:
        return reference, current
    return tuple(np.append(counts[~rare], counts[rare].sum()) for counts in (reference, current))
