"""Leaving out shards whose row groups, by their statistics, hold no row that a filter wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq

from scalable.data.footers import Footer
from scalable.data.selection import Selection
from scalable.data.shard import Shard
from scalable.storage.files import arrow_input


def possible_shards(
    selection: Selection, shards: Sequence[Shard], footers: Mapping[int, Footer]
) -> tuple[Shard, ...]:
    """Return the parts of the shards that lie in row groups in which rows may match, numbered anew."""
    kept: list[Shard] = []
    ranges: dict[int, list[tuple[int, int]]] = {}
    for shard in shards:
        if shard.file not in ranges:
            ranges[shard.file] = _possible_rows(selection, footers[shard.file])
        for low, high in ranges[shard.file]:
            start, stop = max(low, shard.row_start), min(high, shard.row_stop)
            if start < stop:
                first = shard.first_row + start - shard.row_start
                kept.append(Shard(len(kept), shard.file, start, stop, first))
    return tuple(kept)


def _possible_rows(selection: Selection, footer: Footer) -> list[tuple[int, int]]:
    """Return the row ranges of the row groups in which rows may match, neighbours joined."""
    metadata = pq.read_metadata(arrow_input(footer.path, footer.version))
    shapes = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    places = {
        shape.name: i for i, shape in enumerate(shapes) if shape.name == shape.path
    }  # a{b} is no column a.b
    found: list[tuple[int, int]] = []
    held = dict(footer.partition)
    end = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        end += row_group.num_rows

        def extremes(name: str, row_group: Any = row_group) -> tuple[Any, Any] | None:
            if name in held:
                return None if held[name] is None else (held[name], held[name])
            if name not in places:
                return None
            statistics = row_group.column(places[name]).statistics
            if statistics is None or not statistics.has_min_max:
                return None
            low, high = statistics.min, statistics.max
            return (low, high) if low <= high else None  # NaN bounds nothing

        if selection.possible(extremes):
            start = end - row_group.num_rows
            start = found.pop()[0] if found and found[-1][1] == start else start
            found.append((start, end))
    return found
