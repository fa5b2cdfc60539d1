"""Rates of positives by score, learned from a labelled reference, with their errors.

Log-odds of the rates are those of the scores, plus a line, plus a smooth curve, plus what each score has of its own: a
Gaussian process (Wahba, "Improper priors, spline smoothing and the problem of guarding against model errors", 1978)
whose curve bends, and whose scores differ, as much as the labels say they do (evidence by Laplace's approximation). So
scores of a model that is miscalibrated in whatever shape are mended, jumps between the few scores of a tree too, and
what the labels cannot tell is in the errors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.monitor.scores import grid_scores

Array = NDArray[np.float64]
_KNOTS = 40
_BENDS = np.exp(np.arange(-2.0, 15.0, 1.5))  # variances of the curve that are tried, over the scores' range
_OWN = np.exp([-9.0, -5.0, -3.0, -1.0, 1.0])  # and of what scores have of their own
_SHIFT, _TILT = 9.0, 1.0  # variances of the line's two terms, in log-odds: wide
_JITTER = 1e-10
_STEPS, _ENOUGH, _EXACT = 50, 1e-2, 1e-8  # of Newton's at most, and gains of log-evidence that end them
_NARROW = 1e-3


@dataclass(frozen=True, slots=True)
class Calibration:
    """Rates of positives by cell of the score grid.

    Attributes
    ----------
    rate : float64 (n_cells,)
    bend : float64 (n_terms, n_cells)
        How the rates' log-odds change with one standard error of each of the independent terms that cells share.
    own : float64 (n_cells,)
        Variance of the log-odds that a cell does not share.
    """

    rate: Array
    bend: Array
    own: Array

    def of(self, cells: NDArray[np.int64]) -> Calibration:
        """Return the calibration of some cells."""
        return replace(self, rate=self.rate[cells], bend=self.bend[:, cells], own=self.own[cells])


@dataclass(frozen=True)
class _Labels:
    """Cells that have labels: their terms, the log-odds of their scores, rows, and positives."""

    terms: Array
    odds: Array
    n: Array
    k: Array


@dataclass(frozen=True)
class _Fit:
    """Terms' coefficients and the cells' own parts where both are likeliest, given variances of curve and own parts.

    `root` is the lower Cholesky factor of the terms' precision, `weight` of the labels, `evidence` of the variances.
    """

    bend: float
    own: float
    terms: Array
    parts: Array
    root: Array
    weight: Array
    evidence: float


def calibrate(labelled: NDArray[np.int64], positive: NDArray[np.int64]) -> Calibration:
    """Return the calibration of a labelled reference's score grids."""
    scores = grid_scores()
    odds, n, k = np.log(scores / (1 - scores)), labelled.astype(float), positive.astype(float)
    some = np.flatnonzero(n)
    if not len(some):
        return Calibration(scores, np.zeros((1, len(n))), np.full(len(n), _SHIFT))
    terms = _terms(odds, some, np.minimum(k, n - k) + n / 100)
    labels = _Labels(np.ascontiguousarray(terms[some]), odds[some], n[some], k[some])
    best = _fit(labels, _BENDS[0], _OWN[0], np.zeros(terms.shape[1]), np.zeros(len(some)))
    best = _best(labels, best, [(bend, _OWN[0]) for bend in _BENDS[1:]])
    smooth = best = _best(labels, best, [(best.bend, own) for own in _OWN[1:]])
    if smooth.own != _OWN[0]:  # then the curve may bend less
        best = _best(labels, best, [(bend, smooth.own) for bend in _BENDS])
    best = _fit(labels, best.bend, best.own, best.terms, best.parts, _EXACT)
    found, precision = odds + terms @ best.terms, np.full(len(n), 1 / best.own)
    found[some] += best.parts
    precision[some] += best.weight
    shared = terms / (best.own * precision)[:, None]
    return Calibration(_score(found), lapack.solve_triangular(best.root, shared.T), 1 / precision)


def _terms(odds: Array, some: NDArray[np.int64], weight: Array) -> Array:
    """Return the terms of the log-odds by cell: a line, and a curve that is straight beyond the scores of `some`."""
    upto = np.cumsum(weight)
    low, high = odds[some[0]], odds[some[-1]]
    inner = odds[np.searchsorted(upto, upto[-1] * (np.arange(_KNOTS) + 0.5) / _KNOTS)]
    span = max(high - low, _NARROW)
    knots = (np.unique([*inner[inner > low], high]) - low) / span
    line = np.column_stack([np.ones_like(odds), odds - weight @ odds / upto[-1]])
    if high == low:
        return line
    root = lapack.cholesky(_bending(knots[:, None], knots) + _JITTER * np.eye(len(knots)))
    at = np.maximum(odds - low, 0) / span
    return np.column_stack([line, lapack.solve_triangular(root, _bending(knots[:, None], at)).T])


def _bending(a: Any, b: Any) -> Any:
    """Return the covariance of a twice integrated random walk at two places: its mean is a cubic spline."""
    nearer, further = np.minimum(a, b), np.maximum(a, b)
    return nearer**2 * (3 * further - nearer) / 6


def _best(labels: _Labels, best: _Fit, tried: list[tuple[float, float]]) -> _Fit:
    """Return the fit of most evidence; each begins where the one before ended."""
    now = best
    for bend, own in tried:
        now = _fit(labels, bend, own, now.terms, now.parts)
        best = now if now.evidence > best.evidence else best
    return best


def _fit(
    labels: _Labels, bend: float, own: float, terms: Array, parts: Array, enough: float = _ENOUGH
) -> _Fit:
    """Return the likeliest terms and own parts, by Newton's steps from those given; own parts are eliminated."""
    precision = np.full(len(terms), 1 / bend)
    precision[:2] = 1 / _SHIFT, 1 / _TILT
    said, more = _likelihood(labels, precision, own, terms, parts), np.inf
    for step in range(_STEPS + 1):
        p = _score(labels.odds + labels.terms @ terms + parts)
        weight = labels.n * p * (1 - p)
        both = weight + 1 / own
        curvature = labels.terms.T @ ((weight / (own * both))[:, None] * labels.terms) + np.diag(precision)
        root = lapack.cho_factor(curvature)
        if more < enough or step == _STEPS:
            break
        left = labels.k - labels.n * p
        pull = left - parts / own
        moved = lapack.cho_solve(root, labels.terms.T @ (left - weight / both * pull) - precision * terms)
        shifted = (pull - weight * (labels.terms @ moved)) / both
        share = 1.0
        while (
            now := _likelihood(labels, precision, own, terms + share * moved, parts + share * shifted)
        ) < said:
            share /= 2
            if share < _EXACT:
                share, now = 0.0, said
                break
        terms, parts, said, more = terms + share * moved, parts + share * shifted, now, now - said
    lower = np.tril(root[0])
    evidence = (
        said
        + 0.5 * np.log(precision).sum()
        - np.log(np.diag(lower)).sum()
        - 0.5 * np.log1p(weight * own).sum()
    )
    return _Fit(bend, own, terms, parts, lower, weight, float(evidence))


def _likelihood(labels: _Labels, precision: Array, own: float, terms: Array, parts: Array) -> float:
    """Return the logarithm of the labels' chance times that of terms and own parts."""
    odds = labels.odds + labels.terms @ terms + parts
    chance = labels.k @ odds - labels.n @ np.logaddexp(0, odds)
    return float(chance - 0.5 * precision @ terms**2 - 0.5 * (parts @ parts) / own)


def _score(odds: Array) -> Array:
    """Return probabilities of log-odds."""
    small = np.exp(-np.abs(odds))
    chance: Array = np.where(odds >= 0, 1.0, small) / (1 + small)
    return chance
