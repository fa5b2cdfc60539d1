"""Before training: how rows are dealt, what memory that needs, and jobs that must be refused."""

from __future__ import annotations

from dataclasses import replace

from scalable.data.planned import Source
from scalable.data.shard import Shard
from scalable.errors import PlanError

MAX_ROWS = 2**31 - 1


def deal(source: Source, n_ranks: int) -> list[list[Shard]]:
    """Deal a source's rows to ranks in equal contiguous stretches, cutting shards where needed.

    Returns
    -------
    list of list of Shard
        Per rank, in dataset order; rank sizes differ by at most one row.
    """
    total = source.n_rows
    edges = [total * k // n_ranks for k in range(n_ranks + 1)]
    dealt: list[list[Shard]] = [[] for _ in range(n_ranks)]
    before = 0
    for shard in source.shards:
        for rank in range(n_ranks):
            low = max(edges[rank], before) - before
            high = min(edges[rank + 1], before + shard.n_rows) - before
            if low < high:
                dealt[rank].append(_part(shard, low, high))
        before += shard.n_rows
    return dealt


def _part(shard: Shard, low: int, high: int) -> Shard:
    return replace(
        shard,
        row_start=shard.row_start + low,
        row_stop=shard.row_start + high,
        first_row=shard.first_row + low,
    )


def check_rows(n_rows: int, n_ranks: int) -> None:
    """Refuse what LightGBM would mis-train: its row counts are 32 bits wide, over all ranks together.

    Raises
    ------
    PlanError
        With more than 2^31 - 1 rows, or fewer rows than ranks.
    """
    if n_rows > MAX_ROWS:
        raise PlanError(
            f"{n_rows:,} rows are more than LightGBM can count ({MAX_ROWS:,}, over all workers together): it would "
            'train constant trees without a word; train on fewer rows, or use boosting="rotate"'
        )
    if n_rows < n_ranks:
        raise PlanError(f"{n_rows:,} rows cannot be dealt to {n_ranks} workers; use fewer workers")
