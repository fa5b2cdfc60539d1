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

PIECE_ROWS = 2**16
DEFAULT_ROWS = 2**22
DEFAULT_EVERY = 10


@dataclass(frozen=True, slots=True)
class Rotation:
    """How sets of rows follow one another.

    Attributes
    ----------
    rows : int
        Rows in memory at a time, over all ranks together; 0 when all rows are.
    every : int
        Iterations on one set.
    seed : int
        Of the order of the pieces.
    """

    rows: int = 0
    every: int = DEFAULT_EVERY
    seed: int = 0

    def part(self, n_ranks: int) -> Rotation:
        """Return one rank's rotation."""
        return replace(self, rows=max(1, self.rows // n_ranks)) if self.rows else self


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


def turn(shards: Sequence[Shard], rotation: Rotation, index: int) -> list[Shard]:
    """Return the pieces of the `index`-th set, in dataset order.

    Parameters
    ----------
    shards : sequence of Shard
        All rows of a rank.
    rotation : Rotation
        Rows per set and seed.
    index : int
        Which set; any can be asked for, so that a resumed run finds its own.

    Returns
    -------
    list of Shard
        About ``rotation.rows`` rows. Sets follow one another through a permutation of all pieces, a
        new one for every pass over the data.
    """
    total = sum(shard.n_rows for shard in shards)
    # Pieces no larger than a sixteenth of a set, so that a set is never a few stretches only.
    pieces = pieces_of(shards, max(1, min(PIECE_ROWS, rotation.rows // 16)))
    per_pass = max(1, total // max(1, min(rotation.rows, total)))
    epoch, position = divmod(index, per_pass)
    order = np.random.default_rng([rotation.seed, epoch]).permutation(len(pieces))
    edges = [len(pieces) * k // per_pass for k in range(per_pass + 1)]
    chosen = sorted(order[edges[position] : edges[position + 1]].tolist())
    return [pieces[i] for i in chosen]
