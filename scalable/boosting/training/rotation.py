"""Which rows a rotation trains on, when data past memory is used a piece at a time.

Every few trees train on a fresh set of pieces, drawn without replacement until all rows have had their turn: the
stochastic gradient boosting of Friedman (2002), with samples drawn in pieces instead of rows. The rows' scores so far
come from the trees themselves, so nothing but the current set is held. A set is many small pieces from all over the
data, because rows that lie together are often alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scalable.data.shard import Shard

PIECE_ROWS = 2**17
LEAST_ROWS = 2**22
MOST_ROWS = 2**24  # of a set whose size nobody asked for: larger ones gain nothing but memory
MOST_TREES = 10
LEAF_HESSIAN = 10.0
LEAF_SHARE = 2.0**-16  # of a small set's rows
FULL_RATE = 10.0  # sum of step sizes after which they fall


@dataclass(frozen=True, slots=True)
class Rotation:
    """How sets of rows follow one another.

    Attributes
    ----------
    on : bool
        Whether rows rotate at all; otherwise all are held.
    rows : int
        Rows in memory at a time, over all workers together; 0 until `planned`.
    every : int
        Iterations on one set; 0 until `planned`.
    seed : int
        Of the order of the pieces.
    """

    on: bool = False
    rows: int = 0
    every: int = 0
    seed: int = 0

    def planned(self, n_rows: int, n_rounds: int) -> Rotation:
        """Return the rotation with what was left open decided: every row should have its turn.

        With more rows than that takes at `LEAST_ROWS` a set, sets grow to `MOST_ROWS`, then change more often,
        and then grow further.
        """
        if not self.on:
            return self
        n_rounds = max(1, n_rounds)
        every = self.every or min(MOST_TREES, max(1, n_rounds * (self.rows or MOST_ROWS) // max(1, n_rows)))
        rows = self.rows or max(LEAST_ROWS, -(-n_rows * every // n_rounds))
        return replace(self, rows=min(rows, max(1, n_rows)), every=every)

    def part(self, n_workers: int) -> Rotation:
        """Return one worker's rotation."""
        return replace(self, rows=max(1, self.rows // n_workers)) if self.on else self


def leaf_hessian(rows: int) -> float:
    """Return the least sum of hessians in a leaf (``min_sum_hessian_in_leaf``) that is grown on a set of `rows`.

    A leaf's value has a standard error of about one over the root of this sum. LightGBM's own bound of 0.001 lets
    leaves of twenty rows with rare positives learn what no later set repeats.
    """
    return min(LEAF_HESSIAN, rows * LEAF_SHARE)


def step_share(rate: float, iteration: int) -> float:
    """Return the share of the learning rate that the tree of an iteration, counted from 0, is added with.

    Every set adds noise of its own in proportion to the squared step, which trees of a constant step carry to the
    end: on a billion rows AUC fell from the 200th tree on. So the step is constant until the trees have gone ten
    times the way to the optimum, and falls with their number afterwards, as in stochastic approximation (Robbins
    and Monro, 1951).
    """
    return min(1.0, FULL_RATE / (rate * (iteration + 1)))


def pieces_of(shards: Sequence[Shard], rows: int = PIECE_ROWS) -> list[Shard]:
    """Cut shards into pieces of at most `rows` rows."""
    pieces = []
    for shard in shards:
        for start in range(0, shard.n_rows, rows):
            stop = min(start + rows, shard.n_rows)
            pieces.append(
                replace(
                    shard,
                    row_start=shard.row_start + start,
                    row_stop=shard.row_start + stop,
                    first_row=shard.first_row + start,
                )
            )
    return pieces


def subset(shards: Sequence[Shard], rotation: Rotation, index: int) -> list[Shard]:
    """Return the pieces of the `index`-th set, in dataset order.

    Parameters
    ----------
    shards : sequence of Shard
        All rows of a worker.
    rotation : Rotation
        Rows per set and seed.
    index : int
        Which set; any can be asked for, so that a resumed run finds its own.

    Returns
    -------
    list of Shard
        Up to ``rotation.rows`` rows and a piece. Sets follow one another through a permutation of all pieces, a
        new one for every pass over the data.
    """
    total = sum(shard.n_rows for shard in shards)
    # Pieces no larger than a sixteenth of a set, so that a set is never a few stretches only.
    pieces = pieces_of(shards, max(1, min(PIECE_ROWS, rotation.rows // 16)))
    per_pass = max(1, -(-total // max(1, rotation.rows)))
    epoch, position = divmod(index, per_pass)
    order = np.random.default_rng([rotation.seed, epoch]).permutation(len(pieces))
    edges = [len(pieces) * k // per_pass for k in range(per_pass + 1)]
    chosen = sorted(order[edges[position] : edges[position + 1]].tolist())
    return [pieces[i] for i in chosen]
