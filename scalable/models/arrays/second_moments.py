"""The second moments of columns, and of a target behind them, about their means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.data.raw_block import LazyBlock
from scalable.kernels.buffers import aligned
from scalable.kernels.moments.panel_gram import FOUR, PANEL, TILE_ROWS, second_moments
from scalable.models.arrays.model import complete

_ROWS = 32  # of a matrix, merged at once: what is added to it stays in the nearest caches
Moments = tuple[float, NDArray[np.float64], NDArray[np.float64]]  # weight, means, squares about the means


@dataclass(frozen=True)
class SecondMoments:
    """Reduction to the weight (the number of rows without weights), the means, and sums of products about the means.

    Parameters
    ----------
    names : tuple of str
        Columns, for messages.
    target : bool
        Whether the target follows the columns.
    """

    names: tuple[str, ...]
    target: bool = False

    def init(self) -> Moments:
        """Return the moments of no rows."""
        p = len(self.names) + self.target
        return 0.0, np.zeros(p), np.zeros((p, p))

    def step(self, state: Moments, block: Block) -> Moments:
        """Add a block."""
        found = None if self.target or block.weight is not None else _in_place(block)
        if found is not None:
            return self.merge(state, found)
        x = complete(block, self.names)
        if self.target:
            assert block.label is not None
            x = np.vstack([x, block.label])
        if block.weight is None:
            mean = x.mean(axis=1)
            centred = x - mean[:, None]
            return self.merge(state, (float(block.n_rows), mean, centred @ centred.T))
        total = float(block.weight.sum())
        if total == 0.0:
            return state
        mean = x @ block.weight / total
        centred = x - mean[:, None]
        return self.merge(state, (total, mean, (centred * block.weight) @ centred.T))

    def merge(self, left: Moments, right: Moments) -> Moments:
        """Return the moments of both (Chan, Golub and LeVeque, 1983)."""
        if left[0] == 0.0 or right[0] == 0.0:
            return right if left[0] == 0.0 else left
        n = left[0] + right[0]
        apart, share = right[1] - left[1], right[0] / n
        squares = left[2] + right[2]
        for first in range(0, len(apart), _ROWS):
            some = slice(first, first + _ROWS)
            between = np.outer(apart[some], apart)
            between *= left[0] * share
            squares[some] += between
        return n, left[1] + share * apart, squares

    def finish(self, state: Moments) -> Moments:
        """Return the moments, of which `step` may have made the upper half alone."""
        n, mean, squares = state
        return n, mean, np.triu(squares) + np.triu(squares, 1).T


def _in_place(block: Block) -> Moments | None:
    """Return the moments of a block from where its columns are; None where they are not, or one is not finite."""
    if not isinstance(block, LazyBlock) or not block.n_rows:
        return None
    addresses = block.raw.columns.addresses
    d = len(addresses)
    if not d:
        return None
    count = -(-d // PANEL)
    panels, mean = aligned((count, TILE_ROWS, PANEL), np.float64), np.empty(d)
    square = aligned((-(-d // FOUR) * FOUR, count * PANEL), np.float64)
    if not second_moments(addresses, np.empty(0, block.raw.dtype), block.n_rows, panels, mean, square):
        return None
    return float(block.n_rows), mean, square[:d, :d]
