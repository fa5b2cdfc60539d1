"""Slices: the runs of neighbouring rows that a shuffle keeps together until they are in memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.execution.sampling import cut

RUNS = 32  # of a mix: it then represents the dataset, whatever its order
LEAST_RUNS = 8  # with fewer, pages are rather read for several mixes


@dataclass(frozen=True)
class Slices:
    """Pieces of a dataset, and the runs of rows that are moved about as one.

    Attributes
    ----------
    pieces : tuple of Shard
        What is opened; in dataset order.
    counts : int64 array
        Selected rows of each.
    divisible : bool
        Whether rows within a piece are as cheap to read as a whole one.
    """

    pieces: tuple[Shard, ...]
    counts: NDArray[np.int64]
    divisible: bool

    @property
    def n_rows(self) -> int:
        """Selected rows in all."""
        return int(self.counts.sum())

    def runs(self, n_mixes: int) -> NDArray[np.int64]:
        """Return where runs begin among the selected rows, and the end, for so many mixes.

        Equal runs, as many as represent the dataset in every mix; or the pieces, where they are better not divided and
        are enough.
        """
        if not self.divisible and len(self.pieces) >= LEAST_RUNS * n_mixes:
            return np.cumsum([0, *self.counts])
        n_runs = (RUNS if self.divisible else LEAST_RUNS) * n_mixes
        return np.unique(self.n_rows * np.arange(n_runs + 1, dtype=np.int64) // n_runs)


def slices_of(source: Source, rows: int, n_threads: int) -> Slices:
    """Return the slices of a source.

    Parameters
    ----------
    source : Source
        Where rows are selected, the columns that select are read once.
    rows : int
        About how many a slice should have, where it is better not divided: cut where `Source.places_to_cut` allows,
        so that no page is opened for two slices.
    n_threads : int
        Threads that read.
    """
    if source.selection is None and all(source.places_to_cut(shard) is None for shard in source.shards):
        return Slices(source.shards, np.array([shard.n_rows for shard in source.shards], np.int64), True)
    pieces = tuple(piece for shard in source.shards for piece in _slices(source, shard, rows))
    return Slices(pieces, _selected(source, pieces, n_threads), False)


def _slices(source: Source, shard: Shard, rows: int) -> list[Shard]:
    places = source.places_to_cut(shard)
    if places is None:
        return cut(shard, max(1, round(shard.n_rows / rows)))
    edges = [shard.row_start]
    for place in places:
        if place - edges[-1] >= rows and shard.row_stop - place >= rows // 2:
            edges.append(place)
    edges.append(shard.row_stop)
    return [
        replace(shard, row_start=a, row_stop=b, first_row=shard.first_row + a - shard.row_start)
        for a, b in pairwise(edges)
    ]


def _selected(source: Source, pieces: Sequence[Shard], n_threads: int) -> NDArray[np.int64]:
    if source.selection is None:
        return np.array([piece.n_rows for piece in pieces], np.int64)

    columns = (
        [] if source.selection.columns else source.feature_names[:1]
    )  # of nothing there would be no blocks

    def count(piece: Shard) -> int:
        return sum(block.n_rows for block in source.raw_blocks(piece, columns))

    try:
        with ThreadPoolExecutor(n_threads, thread_name_prefix="count") as pool:
            return np.array(list(pool.map(count, pieces)), np.int64)
    finally:
        source.release()
