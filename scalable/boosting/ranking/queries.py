"""The queries of the rows, which no worker has a part of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.boosting.workers.partition import even_edges
from scalable.data.roles import GROUP
from scalable.data.source import Source
from scalable.data.table import TableSource
from scalable.errors import DataError, PlanError, UsageError
from scalable.evaluate.groups import group_sizes
from scalable.execution.executors import Executor

MOST_ROWS = 10_000  # of a query, for LightGBM's objectives (kMaxPosition of its DCG tables)


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries of the rows of a source.

    Attributes
    ----------
    sizes : int64 array (n_queries,)
        Rows of each, in order.
    """

    sizes: NDArray[np.int64]

    def edges(self, n_workers: int, place: str) -> list[int]:
        """Return where each worker's rows begin, and the last one's end: where queries do, as evenly as that allows.

        Raises
        ------
        PlanError
            When there are fewer queries than workers.
        """
        n = len(self.sizes)
        if n < n_workers:
            raise PlanError(
                f"{place}: {n:,} queries cannot be partitioned to {n_workers} workers; use fewer workers"
            )
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        chosen = [0]
        for k, wanted in enumerate(even_edges(int(ends[-1]), n_workers)[1:-1], 1):
            at = int(np.searchsorted(ends, wanted))
            at -= at > 0 and wanted - ends[at - 1] < ends[at] - wanted
            chosen.append(min(max(at, chosen[-1] + 1), n - n_workers + k))
        return [int(ends[at]) for at in (*chosen, n)]

    def part(self, start: int, stop: int) -> tuple[int, NDArray[np.int32]]:
        """Return the number of the first query from row `start` on, and the sizes of those up to row `stop`."""
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        first, last = (int(at) for at in np.searchsorted(ends, [start, stop]))
        return first, self.sizes[first:last].astype(np.int32)


def find_queries(source: Source, executor: Executor, *, n_gains: int = 0, most: int | None = None) -> Queries:
    """Go through the group column of a source.

    Parameters
    ----------
    source : Source
        With a group column.
    executor : Executor
        Who reads it.
    n_gains : int
        Labels must be whole numbers below; 0 leaves them alone.
    most : int, optional
        Rows a query may have.

    Raises
    ------
    DataError
        When a row is of no query, the rows of a query do not lie together, a query is too large, or a label cannot be
        ranked by.
    UsageError
        When no group column is named.
    """
    sizes = group_sizes(source, executor, n_gains=n_gains)
    if most is not None and len(large := np.flatnonzero(sizes > most)):
        at = large[0]
        raise DataError(
            f"{source.describe_place()}: the query that begins in row {sizes[:at].sum():,} has {sizes[at]:,} rows, "
            f"more than the {most:,} that LightGBM ranks at most; split it, or leave out its least promising rows"
        )
    return Queries(sizes)


def with_sizes(source: Source, sizes: Any, called: str = "group") -> Source:
    """Return rows in memory with a group column made from the sizes of their queries.

    Parameters
    ----------
    source : Source
        Rows.
    sizes : array-like of int of shape (n_queries,)
        Rows of each query, in order.
    called : str
        Name for messages.

    Raises
    ------
    UsageError
        When the sizes do not add up to the rows, or the rows are not in memory.
    """
    if not isinstance(source, TableSource):
        raise UsageError(
            f"{called} gives the sizes of queries, but rows of files name them by a column: {called}=COLUMN"
        )
    try:
        given = np.asarray(sizes)
        whole = given.astype(np.int64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{called} holds no whole numbers ({error}); give the rows of each query") from error
    if given.ndim != 1 or not np.array_equal(whole, given) or (len(whole) and whole.min() < 1):
        at = int(np.argmax((whole != given) | (whole < 1))) if given.ndim == 1 else 0
        found = (
            f"{called}[{at}] is {given[at]!r}" if given.ndim == 1 else f"{called} has {given.ndim} dimensions"
        )
        raise UsageError(f"{found}; give the number of rows of each query, in order, at least 1 each")
    if whole.sum() != source.n_rows:
        hint = (
            " (as many values as rows: name the column of queries instead)"
            if len(whole) == source.n_rows
            else ""
        )
        raise UsageError(f"{called} adds up to {whole.sum():,} rows, but there are {source.n_rows:,}{hint}")
    numbers = np.repeat(np.arange(len(whole)), whole)
    table = source.table.append_column(GROUP, pa.array(numbers))
    roles = source.roles
    return TableSource(table, roles.target, source.feature_names, roles.weight, group=GROUP)


def with_queries(source: Source, group: Any, called: str = "group", *, named: bool = True) -> Source:
    """Return a source that knows its queries.

    Parameters
    ----------
    source : Source
        Rows; of files they may name the column themselves.
    group : str or array-like of int
        Name of a column, which is no feature then, or the sizes of the queries.
    called : str
        Name for messages.
    named : bool
        Whether the columns have names of the user's.
    """
    if isinstance(group, str) and not named:
        raise UsageError(
            f"{called}={group!r} names a column, but an array has no names: give the sizes of its queries"
        )
    return source.with_group(group) if isinstance(group, str) else with_sizes(source, group, called)
