"""Expectation and maximisation of Gaussian mixtures: a pass sums what the next parameters are made of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.data.raw_block import LazyBlock
from scalable.execution.iterate import Iterate
from scalable.kernels.mixture.expect import expect, expect_diagonal
from scalable.mixture.covariances import SHAPES, regularized, whitening
from scalable.models.arrays.model import complete

Array = NDArray[np.float64]
LOG_2_PI = float(np.log(2.0 * np.pi))
LEAST = 10.0 * np.finfo(float).eps  # rows a component, so that nothing is divided by zero


@dataclass(frozen=True, kw_only=True)
class Mixture(Iterate):
    """A mixture between two passes; `objective` is minus the mean log likelihood of the one before."""

    weights: Array = field(default_factory=lambda: np.empty(0))
    means: Array = field(default_factory=lambda: np.empty((0, 0)))
    covariances: Array = field(default_factory=lambda: np.empty((0, 0, 0)))


@dataclass
class Sums:
    """Sums over rows, by the probability that a row is of a component.

    Attributes
    ----------
    rows, log_likelihood : float
    counts : float64 array of shape (k,)
    first : float64 array of shape (k, p)
        Of the rows less the component's mean.
    second : float64 array of shape (k, p, p), or (k, p)
        Of products of these, or of squares.
    """

    rows: float
    log_likelihood: float
    counts: Array
    first: Array
    second: Array

    def __iadd__(self, other: Sums) -> Sums:
        self.rows += other.rows
        self.log_likelihood += other.log_likelihood
        self.counts += other.counts
        self.first += other.first
        self.second += other.second
        return self


@dataclass(frozen=True)
class Expect:
    """Reduction to the sums of one step of EM (Dempster, Laird and Rubin, 1977)."""

    mixture: Mixture
    shape: str
    names: tuple[str, ...]

    @cached_property
    def density(self) -> Density:
        """The densities of the mixture, made once a pass."""
        return Density.of(self.mixture, self.shape)

    def init(self) -> Sums:
        """Return the sums of no rows."""
        k, p = self.mixture.means.shape
        second = (k, p) if SHAPES[self.shape].diagonal else (k, p, p)
        return Sums(0.0, 0.0, np.zeros(k), np.zeros((k, p)), np.zeros(second))

    def step(self, state: Sums, block: Block) -> Sums:
        """Add a block."""
        given = self.density.means, self.density.whiten, self.density.offset
        sums = state.counts, state.first, state.second
        if SHAPES[self.shape].diagonal:
            found = expect_diagonal(complete(block, self.names), *given, *sums)
        else:
            addresses, width, owner = _places(block, self.names)
            found = expect(addresses, width, block.n_rows, *given, *sums)
            if np.isnan(found):
                complete(block, self.names)  # says which value is missing
            del owner  # the memory was needed until here
        state.log_likelihood += found
        state.rows += block.n_rows
        return state

    def merge(self, left: Sums, right: Sums) -> Sums:
        """Return the sums of both."""
        left += right
        return left

    def finish(self, state: Sums) -> Sums:
        """Return the sums, with whole matrices."""
        if state.second.ndim == 3:
            lower = np.tril(state.second)
            state.second = lower + np.tril(lower, -1).transpose(0, 2, 1)
        return state


def _places(block: Block, names: tuple[str, ...]) -> tuple[NDArray[np.uint64], int, Any]:
    """Return where the values of each column are, the bytes of one, and what keeps them."""
    if isinstance(block, LazyBlock) and len(block.raw.columns.addresses):
        return block.raw.columns.addresses, np.dtype(block.raw.dtype).itemsize, block
    columns = np.ascontiguousarray(complete(block, names))
    first, step = columns.ctypes.data, columns.strides[0]
    return np.array([first + step * j for j in range(len(columns))], np.uint64), 8, columns


@dataclass(frozen=True)
class Density:
    """The log densities of a mixture's components."""

    means: Array
    whiten: Array
    offset: Array  # of shape (k,): log weight, log determinant, normalisation

    @classmethod
    def of(cls, mixture: Mixture, shape: str) -> Density:
        """Return those of a mixture."""
        k, p = mixture.means.shape
        kind = SHAPES[shape]
        whiten, log_det = whitening(kind.spread(mixture.covariances, k), kind.diagonal)
        with np.errstate(divide="ignore"):  # an empty component
            offset = np.log(mixture.weights) + log_det - 0.5 * p * LOG_2_PI
        return cls(mixture.means, np.ascontiguousarray(whiten), offset)

    def log_joint(self, x: Array) -> Array:
        """Return log weight plus log density of each component, (k, n_rows), of rows given as (p, n_rows).

        Term by term: BLAS adds one row in another order than many.
        """
        out = np.empty((len(self.means), x.shape[1]))
        for k, (mean, whiten) in enumerate(zip(self.means, self.whiten, strict=True)):
            apart = x - mean[:, None]
            if whiten.ndim == 1:
                apart *= whiten[:, None]
            else:
                apart = sum(np.multiply.outer(w, row) for w, row in zip(whiten.T, apart, strict=True))
            out[k] = self.offset[k] - 0.5 * sum(row * row for row in apart)
        return out


@dataclass(frozen=True)
class ExpectMaximize:
    """EM; converged when the mean log likelihood gains less than `tol`."""

    shape: str
    names: tuple[str, ...]
    tol: float
    reg_covar: float

    def reduction(self, state: Mixture) -> Expect:
        """Return the expectation step."""
        return Expect(state, self.shape, self.names)

    def update(self, state: Mixture, sums: Sums) -> Mixture:
        """Maximise."""
        found = maximized(sums, state.means, self.shape, self.reg_covar)
        objective = -sums.log_likelihood / sums.rows
        return replace(
            found, objective=objective, converged=bool(abs(state.objective - objective) < self.tol)
        )


def maximized(sums: Sums, around: Array, shape: str, reg_covar: float) -> Mixture:
    """Return the mixture that makes rows most likely whose sums, less the means `around`, are given."""
    kind = SHAPES[shape]
    counts = sums.counts + LEAST
    moved = sums.first / counts[:, None]
    both = moved**2 if kind.diagonal else moved[:, :, None] * moved[:, None, :]
    squares = sums.second - counts.reshape(-1, *[1] * (both.ndim - 1)) * both
    covariances = regularized(kind.of(squares, counts), kind.diagonal, reg_covar)
    return Mixture(weights=counts / counts.sum(), means=around + moved, covariances=covariances)


def logsumexp(values: Array) -> Array:
    """Return the logarithm of the sum of exponentials along the first axis, (n_rows,)."""
    most = values.max(axis=0)
    total: Any = sum(np.exp(row - most) for row in values)
    return np.asarray(most + np.log(total))
