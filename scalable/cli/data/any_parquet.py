"""A description of any Parquet that is read here: what `scalable describe` shows of data that was not generated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data_gen import Description
from data_gen.describing.description import (
    EMPTY,
    STRETCHES,
    ColumnSummary,
    column_summary,
    label_sums,
    stretches,
)
from data_gen.describing.summary import Summary, edges_for, frequent, fresh, is_text
from scalable.data.block import RawBlock
from scalable.data.columns import column_kind, require_column
from scalable.data.files.find import find_files
from scalable.data.footers import read_footers
from scalable.data.parquet import ParquetSource
from scalable.data.shard import Shard
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import FEW_LEAVES, run_reduction
from scalable.execution.sampling import spread_shards

SHOWN, LONGEST = 3, 20  # values of text, and their letters
SAMPLE_ROWS, END_ROWS = 2**17, 2**10  # that histograms are laid out from, and more at either end
State = tuple[dict[str, Summary], NDArray[np.float64]]


@dataclass(frozen=True)
class Columns:
    """Reduction from raw blocks to a summary a column, and sums of the target by stretches of the rows.

    Attributes
    ----------
    empty : mapping of str to Summary
        Of no rows.
    target : str or None
        A column of numbers.
    rows : int
        Of the whole dataset.
    """

    empty: Mapping[str, Summary]
    target: str | None
    rows: int

    def init(self) -> State:
        """Return the state of no rows."""
        return {name: fresh(summary) for name, summary in self.empty.items()}, np.zeros((2, STRETCHES))

    def step(self, state: State, block: RawBlock) -> State:
        """Add a block."""
        summaries, label = state
        for name, summary in summaries.items():
            summary.add(block.arrays[name])
        if self.target is not None:
            y = block.arrays[self.target].cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            label = label + label_sums(y, block.first_row, self.rows)
        return summaries, label

    def merge(self, left: State, right: State) -> State:
        """Return the state of both."""
        for name, summary in left[0].items():
            summary.merge(right[0][name])
        return left[0], left[1] + right[1]

    def finish(self, state: State) -> State:
        """Return the state."""
        return state


def describe_parquet(
    data: str, executor: Executor, target: str | None = None, rows: int | None = None
) -> Description:
    """Summarise every column of Parquet files in one pass.

    Parameters
    ----------
    data : str
        A file, a directory, a glob or a Delta table.
    target : str, optional
        Column whose mean is shown along the rows, where it is a number.
    rows : int, optional
        Read about so many rows, in spread pieces; by default all.

    Raises
    ------
    DataError
        When there is no such file or column, or one is damaged.
    """
    source = every_column(data)
    schema = source.full_schema
    if target is not None:
        require_column(schema, target, source.describe_place(), "target")
    if rows is not None and rows < 1:
        raise UsageError(f"--rows {rows}: expected a whole number from 1")
    names = source.feature_names
    sample: dict[str, list[pa.Array]] = {name: [] for name in names}
    for shard in [*spread_shards(source, SAMPLE_ROWS), *_ends(source)]:
        for block in source.raw_blocks(shard, names):
            for name, arrays in sample.items():
                arrays.append(block.arrays[name])
    empty = {name: _laid_out(pa.chunked_array(arrays)) for name, arrays in sample.items()}
    along = target if target in names and column_kind(schema.field(target).type) in NUMBERS else None
    reader = BlockReader(source, columns=tuple(names))
    chosen = None if rows is None else spread_shards(source, rows)
    found, label = run_reduction(
        executor, Columns(empty, along, source.n_rows), reader, chosen, label="describe", leaves=FEW_LEAVES
    )
    columns = []
    for name in schema.names:
        kind = schema.field(name).type
        summary = found.get(name, Summary(None, True))
        column = column_summary(summary, name=name, type=str(kind), unit="", law="")
        column.missing = column.missing if name in found else 0.0
        column.law = (
            "the target" if name == target else _remark(column, kind, summary.present, summary.infinite)
        )
        columns.append(column)
    read = max((summary.rows for summary in found.values()), default=0)
    size = sum(footer.version.size for footer in source.footers.values())
    return Description(
        data, source.n_rows, len(source.paths), size, read, columns, target,
        [] if along is None else stretches(label, 0, source.n_rows),
    )  # fmt: skip


NUMBERS = ("boolean", "integer", "float")


def _ends(source: ParquetSource) -> list[Shard]:
    """Return the first and the last rows: columns may follow the order of rows, and bins begin and end with them."""
    pieces = []
    ends = (*source.shards[:1], *source.shards[-1:])  # none of no rows
    for shard, behind in zip(ends, (0, 1), strict=False):
        rows = min(shard.n_rows, END_ROWS)
        start = behind * (shard.n_rows - rows)
        at = shard.row_start + start
        pieces.append(replace(shard, row_start=at, row_stop=at + rows, first_row=shard.first_row + start))
    return pieces


def every_column(data: str) -> ParquetSource:
    """Return the source of all columns that can be summarised."""
    try:
        return ParquetSource(data)
    except DataError:
        _, schemas = read_footers(find_files([data]))
        unusable = [each.name for each in schemas[0] if column_kind(each.type) is None]
        if not unusable or len(unusable) == len(schemas[0]):
            raise
    return ParquetSource(data, exclude=unusable)  # columns of the paths stay


def _laid_out(sample: pa.ChunkedArray) -> Summary:
    if is_text(sample.type):
        return Summary(None, True, frequent(sample))
    return Summary(edges_for(sample))


def _remark(column: ColumnSummary, kind: pa.DataType, present: int, infinite: int) -> str:
    """Return what whoever trains on a column should know of it."""
    if column_kind(kind) is None:
        return "nothing here learns from this type"
    if infinite:
        return f"{infinite:,} infinite values: learners refuse them"
    if column.distinct < 2:
        return "constant" if column.distinct else "no value at all"
    countable = column_kind(kind) in ("integer", "text")
    if (
        countable
        and column.distinct > 100
        and column.distinct > (1.0 if column.distinct_exact else 0.97) * present - 1
    ):
        return "every value another: an identifier?"
    most = zip(column.edges, column.counts, strict=True) if column_kind(kind) == "text" else ()
    return ", ".join(
        f"{value[:LONGEST] or EMPTY} {count / present:.0%}" for value, count in list(most)[:SHOWN]
    )
