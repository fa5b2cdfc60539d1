"""Cross-validation over sources: pairs of a training and a held-out source, of the same files, which nobody copies.

Rows are picked while they are read, so a fold costs a read of all columns it needs. What a row belongs to depends on
its index, group or time and on the seed, never on the executor.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.columns import require_column
from scalable.data.selection import BUCKETS, Part, divide
from scalable.data.source import Source
from scalable.data.table import as_source
from scalable.errors import DataError, UsageError, whole_number
from scalable.evaluate.post_hoc.score_table import Key, TableReduction, Tables, integer_keys, integer_of
from scalable.evaluate.row_parts import ClassPart, Others, Span, coded, nanoseconds_a_tick, ticks_of
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import FEW_LEAVES, run_reduction
from scalable.execution.threads import Threads

Fold = tuple[Source, Source]
Width = int | dt.timedelta


def folds(source: Source, n: int = 5, *, by: str | None = None, seed: int = 0) -> Iterator[Fold]:
    """Yield `n` folds of about equal size; with `by`, equal values of that column stay together (grouped).

    Raises
    ------
    UsageError, DataError
        When `n` is below 2, or there is no column `by`.

    Examples
    --------
    >>> import data_gen
    >>> from scalable import ParquetSource
    >>> from scalable.bayes import GaussianNB
    >>> from scalable.evaluate import folds
    >>> manifest = data_gen.generate("physics", rows=20_000, out="physics")
    >>> source = ParquetSource("physics/", target="signal")
    >>> sum(len(GaussianNB().fit(train).predict(held_out)) for train, held_out in folds(source, 2))
    20000
    """
    source = _checked(source, n, by)
    for part in divide([1.0] * n, by, seed):
        yield source.with_part(Others(part)), source.with_part(part)


def stratified_folds(
    source: Source, n: int = 5, *, by: str | None = None, seed: int = 0, executor: Executor | None = None
) -> Iterator[Fold]:
    """Yield `n` folds that each hold the same share of every class, from one pass over the classes.

    A class of up to 65,536 rows is divided evenly to the row, a larger one to about a 65,536th of its rows.

    Parameters
    ----------
    by : str, optional
        Column of the classes, or of other strata; by default the target.

    Raises
    ------
    DataError
        When a class has fewer than `n` rows.
    """
    source = as_source(source)
    name = source.roles.require_target() if by is None else by
    _checked(source, n, name)
    tables: Tables = _passed(source, _Hashes(name, seed), name, executor)
    cuts = {}
    for value, table in tables.items():
        if table.rows < n:
            raise DataError(
                f"column {name!r}: {value!r} has {table.rows} rows, fewer than {n} folds; ask for fewer"
            )
        ranks = [table.rows * k // n for k in range(1, n)]
        cuts[value] = [0, *(integer_of(table.top(rank)) + 1 for rank in ranks), BUCKETS]
    for k in range(n):
        part = ClassPart(name, tuple((value, cut[k], cut[k + 1]) for value, cut in cuts.items()), seed)
        yield source.with_part(Others(part)), source.with_part(part)


def time_folds(
    source: Source,
    n: int = 5,
    *,
    time: str | None = None,
    gap: Width = 0,
    window: Width | None = None,
    executor: Executor | None = None,
) -> Iterator[Fold]:
    """Yield `n` folds that learn from the past and are held out ahead of it, each of about as many rows.

    Parameters
    ----------
    time : str, optional
        Column of timestamps, dates or integers; by default the source's time.
    gap : timedelta, or int in the column's unit
        Left out between the last row that is learned from and the first held out.
    window : timedelta, or int, optional
        How far back is learned from; by default all the way.
    """
    whole_number("n", n)
    source = as_source(source)
    name, edges, (gap, back) = _edges(source, n + 1, time, executor, gap, window)
    for low, high in pairwise(edges[1:]):
        start = None if back is None else low - gap - back
        yield source.with_part(Span(name, start, low - gap)), source.with_part(Span(name, low, high))


def purged_folds(
    source: Source,
    n: int = 5,
    *,
    time: str | None = None,
    before: Width = 0,
    after: Width = 0,
    executor: Executor | None = None,
) -> Iterator[Fold]:
    """Yield `n` spans of time held out, each learned from both sides but for rows too near (Lopez de Prado, 2018).

    Parameters
    ----------
    time
        As of `time_folds`.
    before, after : timedelta, or int in the column's unit
        What is left out before a span, so long as labels look ahead (purged), and behind it (embargo).
    """
    whole_number("n", n, 2)
    source = as_source(source)
    name, edges, (early, late) = _edges(source, n, time, executor, before, after)
    for low, high in pairwise([None, *edges[1:-1], None]):
        near = Span(name, None if low is None else low - early, None if high is None else high + late)
        yield source.with_part(Others(near)), source.with_part(Span(name, low, high))


def _checked(source: Source, n: int, by: str | None) -> Source:
    whole_number("n", n, 2)
    source = as_source(source)
    if by is not None:
        require_column(source.full_schema, by, source.describe_place(), "fold")
    return source


def _edges(
    source: Source, n: int, time: str | None, executor: Executor | None, *widths: Width | None
) -> tuple[str, list[Any], list[Any]]:
    """Return the time column, the bounds of `n` spans of about as many rows, without ends, and widths in ticks."""
    name = source.roles.time if time is None else time
    if name is None:
        raise UsageError(
            f"{source.describe_place()}: a split by time needs a time; give time=COLUMN or ParquetSource(..., time=)"
        )
    require_column(source.full_schema, name, source.describe_place(), "time")
    unit = nanoseconds_a_tick(source.field_type(name))
    ticks = [None if width is None else _ticks(name, width, unit) for width in widths]
    table = _passed(source, _Times(name), name, executor).get(None)
    if table is None or table.rows < n:
        raise DataError(f"{source.describe_place()}: fewer rows than {n} spans of time; ask for fewer folds")
    inner = [integer_of(table.top(table.rows * k // n)) + 1 for k in range(1, n)]
    if len(set(inner)) < n - 1 or inner[-1] > integer_of(table.top(table.rows)):
        raise DataError(
            f"{source.describe_place()}: time column {name!r} has too few different values for {n} spans; ask for "
            "fewer folds"
        )
    return name, [None, *inner, None], ticks


def _ticks(name: str, width: Any, unit: int | None) -> int:
    if isinstance(width, dt.timedelta):
        if unit is None:
            raise UsageError(f"time column {name!r} holds integers: give widths as integers of its unit")
        spanned = (width.days * 86_400 + width.seconds) * 10**9 + width.microseconds * 1_000
        width = -(-spanned // unit)
    if not isinstance(width, (int, np.integer)):
        raise UsageError(
            f"widths of time are timedeltas, or whole numbers in the column's unit, not {width!r}"
        )
    if width < 0:
        raise UsageError(f"widths of time must not be negative, not {width!r}")
    return int(width)


@dataclass(frozen=True)
class _Hashes(TableReduction):
    """Of the hash of each row's index, by class."""

    by: str
    seed: int

    def rows(self, block: RawBlock) -> tuple[NDArray[np.int64] | None, list[Any], Key, NDArray[np.float64]]:
        codes, values = coded(block, self.by)
        places = Part(0.0, 1.0, None, self.seed).places(block).astype(np.int64)
        return codes, values, integer_keys(places), _once(block)


@dataclass(frozen=True)
class _Times(TableReduction):
    """Of times."""

    time: str
    by = None

    def rows(self, block: RawBlock) -> tuple[NDArray[np.int64] | None, list[Any], Key, NDArray[np.float64]]:
        return None, [], integer_keys(ticks_of(block, self.time)), _once(block)


def _once(block: RawBlock) -> NDArray[np.float64]:
    return np.repeat([[1.0, 0.0, 0.0]], block.n_rows, axis=0)


def _passed(source: Source, work: TableReduction, name: str, executor: Executor | None) -> Tables:
    reader = BlockReader(source, columns=(name,))
    return run_reduction(executor or Threads(), work, reader, label="fold", leaves=FEW_LEAVES)
