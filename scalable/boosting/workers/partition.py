"""Before training: how rows are partitioned to workers, and counts of rows that must be refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.errors import PlanError
from scalable.kernels.histogram.packing import MOST_ROWS

MAX_ROWS = 2**31 - 1


def even_edges(n_rows: int, n_workers: int) -> list[int]:
    """Return where each worker's rows begin, and where the last one's end: equal stretches up to one row."""
    return [n_rows * k // n_workers for k in range(n_workers + 1)]


def partition(shards: Sequence[Shard], edges: Sequence[int]) -> list[list[Shard]]:
    """Partition rows to workers in contiguous stretches, cutting shards where needed.

    Parameters
    ----------
    shards : sequence of Shard
        All rows.
    edges : sequence of int
        Where each worker's rows begin, and where the last one's end, see `even_edges`.

    Returns
    -------
    list of list of Shard
        Per worker, in dataset order.
    """
    n_workers = len(edges) - 1
    parts: list[list[Shard]] = [[] for _ in range(n_workers)]
    before = 0
    for shard in shards:
        for worker in range(n_workers):
            low = max(edges[worker], before) - before
            high = min(edges[worker + 1], before + shard.n_rows) - before
            if low < high:
                parts[worker].append(_part(shard, low, high))
        before += shard.n_rows
    return parts


def _part(shard: Shard, low: int, high: int) -> Shard:
    return replace(
        shard,
        row_start=shard.row_start + low,
        row_stop=shard.row_start + high,
        first_row=shard.first_row + low,
    )


def check_rows(n_rows: int, n_workers: int, engine: str = "lightgbm") -> None:
    """Refuse what LightGBM would mis-train: its row counts are 32 bits wide, over all workers together.

    The native engine counts up to 2^33 rows in all.

    Raises
    ------
    PlanError
        With more than 2^31 - 1 rows, or fewer rows than workers.
    """
    if engine == "native" and n_rows > MOST_ROWS:
        raise PlanError(
            f"{n_rows:,} rows are more than a histogram can sum ({MOST_ROWS:,}); use boosting='rotate'"
        )
    if engine == "lightgbm" and n_rows > MAX_ROWS:
        raise PlanError(
            f"{n_rows:,} rows are more than LightGBM can count ({MAX_ROWS:,}, over all workers together): it would "
            'train constant trees without a word; train on fewer rows, or use boosting="rotate"'
        )
    if n_rows < n_workers:
        raise PlanError(f"{n_rows:,} rows cannot be partitioned to {n_workers} workers; use fewer workers")


def check_selection(source: Source, role: str) -> None:
    """Refuse rows whose number is not known before they are read: LightGBM's dataset has a fixed size.

    Raises
    ------
    PlanError
        When the source has filters or is a part of `split_rows`.
    """
    if source.exact_rows is None:
        raise PlanError(
            f"{source.describe_place()}: the {role} rows are chosen by filters or split_rows, and boosting must know "
            "how many there are before it reads them; write these rows to Parquet first, or hold out whole shards "
            "by split(every=...)"
        )
