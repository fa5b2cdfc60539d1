"""Leaving out shards whose row groups, by their statistics, hold no row that a filter wants, and not believing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from scalable.data.footer_check import cut_off
from scalable.data.footers import Footer
from scalable.data.readers.layout import file_layout, file_metadata
from scalable.data.selection import Selection
from scalable.data.shard import Shard
from scalable.errors import StatisticsError

Rows = tuple[int, int]
Doubts = dict[int, tuple[int, list[tuple[Footer, Rows]]]]
FILES = 32  # that are looked into, one of each writer's at least, where nothing of any is kept


def possible_shards(
    selection: Selection, shards: Sequence[Shard], footers: Mapping[int, Footer]
) -> tuple[tuple[Shard, ...], dict[int, Rows], Doubts]:
    """Leave out row groups in which no row may match.

    Returns
    -------
    kept : tuple of Shard
        The parts of the shards that lie in the others, numbered anew.
    left_out : dict
        Of some files of which nothing is kept, the rows of one row group: of one of each writer's, and a spread.
    doubts : dict
        By file the row at which the first part that is kept begins, and what is to be looked into with it: what was
        left out of that file, and, with the first of all, a file of each writer's of which nothing is kept.
    """
    kept: list[Shard] = []
    ranges: dict[int, list[Rows]] = {}
    left_out: dict[int, Rows] = {}
    firsts: dict[int, int] = {}
    writers: dict[str, int] = {}
    for shard in shards:
        if shard.file not in ranges:
            ranges[shard.file], other, writer = _possible_rows(selection, footers[shard.file])
            if other is not None:
                left_out[shard.file] = other
                if not ranges[shard.file]:
                    writers.setdefault(writer, shard.file)
        for low, high in ranges[shard.file]:
            start, stop = max(low, shard.row_start), min(high, shard.row_stop)
            if start < stop:
                first = shard.first_row + start - shard.row_start
                kept.append(Shard(len(kept), shard.file, start, stop, first))
                firsts.setdefault(shard.file, start)
    doubts: Doubts = {}
    for file, row in firsts.items():
        looked_into = [file] if file in left_out else []
        looked_into += writers.values() if file == kept[0].file else ()
        if looked_into:
            doubts[file] = row, [(footers[other], left_out[other]) for other in looked_into]
    spread = list(left_out)[:: -(-len(left_out) // FILES) or 1] if not kept else []
    return tuple(kept), {file: left_out[file] for file in {*writers.values(), *spread}}, doubts


def check_statistics(footer: Footer, names: Sequence[str], row: int, arrays: Mapping[str, pa.Array]) -> None:
    """Refuse rows, from row `row` of a file on, that hold values beyond what its statistics say.

    Raises
    ------
    StatisticsError
        When they do: whoever left out row groups by these statistics left out the wrong ones.
    """
    layout = file_layout(footer.path, footer.version)
    places, cut = layout.columns, cut_off(layout.tables)
    metadata, stop = file_metadata(footer.path, footer.version), row + len(arrays[names[0]])
    end = 0
    for group, size in enumerate(footer.row_groups):
        begin, end = end, end + size
        low, high = max(begin, row), min(end, stop)
        for name in names if low < high else ():
            place = places[name].place if name in places else None
            unknown = place is None or cut[group, place]
            told = None if unknown else _extremes(metadata.row_group(group).column(place).statistics)
            if told is None:
                continue
            if (value := _beyond(arrays[name].slice(low - row, high - low), *told)) is not None:
                raise StatisticsError(
                    f"{footer.path}: row group {group}, column {name!r} holds {value!r}, but its statistics say "
                    f"{told[0]!r} to {told[1]!r}: row groups were left out that may hold what is asked for; write "
                    "the file again, or read it with statistics=False"
                )


def _extremes(statistics: Any) -> tuple[Any, Any] | None:
    """Return the least and greatest value that statistics tell; None where they tell none, or none of Python's."""
    if statistics is None or not statistics.has_min_max:
        return None
    try:
        return statistics.min, statistics.max
    except (ValueError, OverflowError, pa.ArrowException):  # text cut within a letter, days after 9999
        return None


def _beyond(array: pa.Array, low: Any, high: Any) -> Any:
    """Return a value that is not within a range; None where there is none, or values are not compared so."""
    try:
        found = pc.min_max(array.dictionary_decode() if pa.types.is_dictionary(array.type) else array).as_py()
        if found["min"] is None:
            return None
        return found["min"] if found["min"] < low else found["max"] if found["max"] > high else None
    except (TypeError, ValueError, OverflowError, pa.ArrowNotImplementedError):
        return None


def _possible_rows(selection: Selection, footer: Footer) -> tuple[list[Rows], Rows | None, str]:
    """Return the ranges of rows that may match, neighbours joined, the rows of one other row group, and the writer."""
    layout = file_layout(footer.path, footer.version)
    places, cut = layout.columns, cut_off(layout.tables)
    metadata = file_metadata(footer.path, footer.version)
    found: list[Rows] = []
    other: Rows | None = None
    held = dict(footer.partition)
    end = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        end += row_group.num_rows

        def extremes(name: str, row_group: Any = row_group, group: int = group) -> tuple[Any, Any] | None:
            if name in held:
                return None if held[name] is None else (held[name], held[name])
            if name not in places or cut[group, places[name].place]:
                return None
            told = _extremes(row_group.column(places[name].place).statistics)
            return told if told is not None and told[0] <= told[1] else None  # NaN bounds nothing

        if selection.possible(extremes):
            start = end - row_group.num_rows
            start = found.pop()[0] if found and found[-1][1] == start else start
            found.append((start, end))
        elif row_group.num_rows:
            other = (end - row_group.num_rows, end)
    return found, other, metadata.created_by
