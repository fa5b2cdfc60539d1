"""A training task as solvers see it: rows, loss, penalty and weights, without estimator manners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.data.encoders.linear import LinearEncoder


@dataclass(frozen=True)
class Objective:
    """Weighted mean loss plus penalty, over encoded rows.

    Attributes
    ----------
    loss : int
        Number of the loss in `scalable.kernels.losses`; -1 is softmax.
    delta : float
        Its parameter.
    n_outputs : int
        Rows of the coefficient matrix: 1, or one a class.
    l1, l2 : float
        Penalty ``l1 |f w| + l2 (f w)^2 / 2`` per coefficient, in units of the mean loss.
    factors : float64 array of shape (n_columns + 1 + n_slots,)
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

    def target(self, block: Block) -> NDArray[np.float64]:
        """Return the targets of a block as the loss takes them."""
        assert block.label is not None
        if self.shift == 0.0 and self.scale == 1.0:
            return block.label
        return (block.label - self.shift) / self.scale

    def weight(self, block: Block) -> NDArray[np.float64]:
        """Return the weights of a block, with mean 1 over all training rows."""
        assert block.label is not None
        if block.weight is None and not self.class_weight:
            return np.ones(block.n_rows)
        w = np.ones(block.n_rows) if block.weight is None else block.weight
        if self.class_weight:
            w = w * np.asarray(self.class_weight)[block.label.astype(np.intp)]
        return w / self.weight_mean


def penalty_factors(encoder: LinearEncoder, standardize: bool) -> NDArray[np.float64]:
    """Return the penalty factors: 1 per standard deviation, or 1 per raw unit; 0 for the intercept."""
    dense = np.ones(encoder.n_columns) if standardize else 1.0 / encoder.column_scales()
    return np.concatenate([dense, [0.0], np.ones(encoder.n_slots)])
