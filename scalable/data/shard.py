"""Shards: the unit of work, planned from the row-group sizes in the footers alone.

A plan depends on the files only, never on the number of workers, so that whatever is computed
per shard and merged in shard order has the same bits on any executor.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

MIN_ROWS = 2**12
MAX_ROWS = 2**20
WANTED = 64  # keeps every core busy and the last straggler short
ENOUGH = 16  # with this many row groups none is cut, because pages cannot be skipped cheaply


@dataclass(frozen=True, slots=True)
class Shard:
    """A range of rows inside one file.

    Attributes
    ----------
    index : int
        Position in the dataset's plan.
    file : int
        Position of the file in the dataset's sorted list of files.
    row_start, row_stop : int
        Range of rows inside that file.
    first_row : int
        Index of the first row within the whole dataset.
    """

    index: int
    file: int
    row_start: int
    row_stop: int
    first_row: int

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.row_stop - self.row_start

    def __reduce__(self) -> tuple[Any, ...]:
        return Shard, (self.index, self.file, self.row_start, self.row_stop, self.first_row)

    def head(self, n_rows: int) -> Shard:
        """Return the first `n_rows` rows of this shard as a shard of the same index."""
        return replace(self, row_stop=min(self.row_stop, self.row_start + n_rows))


def plan_shards(
    row_groups: Sequence[Sequence[int]], places: Callable[[int, int, int], Sequence[int]] | None = None
) -> tuple[Shard, ...]:
    """Cut files into shards.

    Row groups are joined or kept whole while that leaves enough shards; otherwise they are cut
    into equal row ranges, so that a file of one huge row group still uses every core.

    Parameters
    ----------
    row_groups : sequence of sequence of int
        For each file, the number of rows of each of its row groups.
    places : callable, optional
        Rows where a range of rows, given by file, first row and row after the last, is best cut, ascending; without
        any it is cut anywhere.

    Returns
    -------
    tuple of Shard
        In dataset order, covering every row exactly once.
    """
    total = sum(map(sum, row_groups))
    target = max(MIN_ROWS, min(MAX_ROWS, -(-total // WANTED)))
    whole_groups = sum(1 for sizes in row_groups for size in sizes if size) >= ENOUGH

    def plan(places: Callable[[int, int, int], Sequence[int]] | None) -> tuple[Shard, ...]:
        shards: list[Shard] = []
        file_first_row = 0
        for file, sizes in enumerate(row_groups):
            for start, stop in _ranges(
                sizes, target, whole_groups, partial(places, file) if places else None
            ):
                shards.append(Shard(len(shards), file, start, stop, file_first_row + start))
            file_first_row += sum(sizes)
        return tuple(shards)

    best = plan(places)
    return best if places is None or len(best) >= ENOUGH else plan(None)  # too few to share and to hold out


def _ranges(
    sizes: Sequence[int],
    target: int,
    whole_groups: bool,
    places: Callable[[int, int], Sequence[int]] | None,
) -> list[tuple[int, int]]:
    """Return row ranges of about `target` rows, which end where row groups end."""
    ranges: list[tuple[int, int]] = []
    start = stop = 0
    for size in sizes:
        # A group is joined to the ones before it only while both stay below the target.
        if stop > start and stop - start + size > target:
            ranges.append((start, stop))
            start = stop
        stop += size
        if stop - start >= target:
            pieces = 1 if whole_groups and size <= 2 * MAX_ROWS else -(-(stop - start) // target)
            edges = [start + (stop - start) * k // pieces for k in range(pieces + 1)]
            if pieces > 1 and places is not None:
                edges = _moved(edges, places(start, stop))
            ranges.extend(pairwise(edges))
            start = stop
    if stop > start:
        ranges.append((start, stop))
    return ranges


def _moved(edges: Sequence[int], places: Sequence[int]) -> list[int]:
    """Return edges, the inner ones moved to the next place; those beyond the last, or at the same, are left out."""
    if not places:
        return list(edges)
    following = (bisect_left(places, edge) for edge in edges[1:-1])
    inner = {places[k] for k in following if k < len(places)} - {edges[0], edges[-1]}
    return [edges[0], *sorted(inner), edges[-1]]
