"""A training task as solvers see it: rows, loss, penalty and weights, without estimator manners."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.errors import UnforeseenError
from scalable.features.linear_encoder import LinearEncoder

HASHED_FACTOR = 2.0  # hashed categories are many and rare: half the prior deviation of others
ORDERED = 0.25  # a column with less of its variance within blocks follows the order of the rows
MOST_FACTOR = 1e140  # whose square is finite
LEAST_RATE = 0.05  # so that a real trend is still learned


@dataclass(frozen=True)
class Objective:
    """Weighted mean loss plus penalty, over encoded rows.

    Attributes
    ----------
    loss : int
        Number of the loss in `scalable.kernels.linear.losses`; -1 is softmax.
    delta : float
        Its parameter.
    n_outputs : int
        Rows of the coefficient matrix: 1, or one a class.
    l1, l2 : float
        Penalty ``l1 |f w| + l2 (f w)^2 / 2`` per coefficient, in units of the mean loss.
    factors : float64 array of shape (n_columns + 1 + n_indices,)
        The f above; 0 for the intercept.
    weight_mean : float
        Mean sample weight (class weights included); weights are divided by it.
    class_weight : tuple of float
        Factor of each class; empty for none.
    shift, scale : float
        Targets are learned as ``(y - shift) / scale``.
    fit_intercept : bool
        Whether there is an intercept.
    rows : int
        Number of training rows, which turns penalties on the mean loss into penalties on the sum.
    frequencies : float64 array of shape (n_columns + 1 + n_indices,)
        Mean square of each coefficient's input: 1 for standardised columns, the share of rows that
        have a feature index, 0 where that is unknown.
    residual_variance : float
        Mean squared gradient of a row's loss before anything but the intercept is learned.
    dispersion : float
        Mean squared gradient of a row's loss over its mean curvature: 1 for likelihoods, and where it is unknown.
    rate_scale : float64 array of shape (n_columns + 1 + n_indices,)
        What descent multiplies a coefficient's rate by, see `order_rate_scale`.
    farthest : float
        No target lies farther from the mean, in deviations, as learners that have not read them all presume.
    """

    loss: int
    delta: float
    n_outputs: int
    l1: float
    l2: float
    factors: NDArray[np.float64]
    weight_mean: float = 1.0
    class_weight: tuple[float, ...] = ()
    shift: float = 0.0
    scale: float = 1.0
    fit_intercept: bool = True
    rows: int = 1
    frequencies: NDArray[np.float64] | float = 1.0
    residual_variance: float = 1.0
    dispersion: float = 1.0
    rate_scale: NDArray[np.float64] | float = 1.0
    farthest: float = math.inf

    @functools.cached_property
    def leading_factors(self) -> NDArray[np.float64]:
        """The factors up to the first of those that are all like the last: hashed categories share one."""
        others = np.flatnonzero(self.factors != self.factors[-1])  # the intercept's among them, which is 0
        if self.factors[-1] == 0.0 or not others.size:  # there are no categories
            return self.factors
        return self.factors[: int(others[-1]) + 2]

    def check(self, y: NDArray[np.float64]) -> None:
        """Raise an UnforeseenError where a scaled target is farther from the mean than was presumed."""
        if self.farthest < math.inf and len(y) and max(-y.min(), y.max()) > self.farthest:
            most = y[np.argmax(np.abs(y))]
            value = float(most * self.scale + self.shift)
            raise UnforeseenError(f"the target reaches {value!r}, {abs(most):,.0f} deviations from its mean")

    def target(self, block: Block) -> NDArray[np.float64]:
        """Return the targets of a block as the loss takes them."""
        assert block.label is not None
        if self.shift == 0.0 and self.scale == 1.0:
            return block.label
        return (block.label - self.shift) / self.scale

    def single_weight(self, block: Block) -> NDArray[np.float32]:
        """Return `weight` in single precision; not to be written to."""
        if block.weight is None and not self.class_weight:
            return _ones(block.n_rows)
        return self.weight(block).astype(np.float32)

    def weight(self, block: Block) -> NDArray[np.float64]:
        """Return the weights of a block, with mean 1 over all training rows."""
        assert block.label is not None
        if block.weight is None and not self.class_weight:
            return np.ones(block.n_rows)
        w = np.ones(block.n_rows) if block.weight is None else block.weight
        if self.class_weight:
            w = w * np.asarray(self.class_weight)[block.label.astype(np.intp)]
        return w / self.weight_mean


@functools.lru_cache(4)
def _ones(n: int) -> NDArray[np.float32]:
    return np.ones(n, np.float32)


def input_frequencies(encoder: LinearEncoder) -> NDArray[np.float64]:
    """Return the mean square of each coefficient's input, see `Objective.frequencies`."""
    known = [share for column in encoder.columns for share in column.category_shares]
    return np.concatenate([np.ones(encoder.n_columns + 1), np.array(known), np.zeros(encoder.n_buckets)])


def order_rate_scale(encoder: LinearEncoder) -> NDArray[np.float64]:
    """Return the scale of each coefficient's rate in descent: below 1 where its column follows the rows' order.

    Within a stretch of rows such a column (a time, a running number) is nearly a second intercept:
    descent would use it to follow every local swing of the target, and the last stretch would decide
    the coefficient. Its information lies between stretches, so its rate shrinks with the share of its
    deviation that a stretch shows.
    """
    rate_scale = np.ones(encoder.n_columns + 1 + encoder.n_indices)
    j = 0
    for column in encoder.columns:
        if column.n_columns and column.local < ORDERED:
            rate_scale[j] = max(LEAST_RATE, float(np.sqrt(column.local)))
        j += column.n_columns
    return rate_scale


def penalty_factors(encoder: LinearEncoder, standardize: bool) -> NDArray[np.float64]:
    """Return the penalty factors: per standard deviation or raw unit; 0 for the intercept."""
    dense = (
        np.ones(encoder.n_columns) if standardize else np.minimum(1.0 / encoder.column_scales(), MOST_FACTOR)
    )
    categories = [np.ones(encoder.n_known), np.full(encoder.n_buckets, HASHED_FACTOR)]
    return np.concatenate([dense, [0.0], *categories])
