"""Periods of rows: runs of neighbouring rows that fall into one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.values import numbers, read_only
from scalable.errors import DataError, UsageError
from scalable.kernels.encode.counting import find_runs

DAY = 86_400 * 10**9  # nanoseconds
WEEK, MONDAY = 7 * DAY, 4 * DAY  # 1970 began on a Thursday
MOST_PERIODS = 10_000  # some 30 KB each
MOST_RUNS = 4096  # of a block; rows that would fall into more are sorted
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class Runs(NamedTuple):
    """The rows of a block as runs of one period each.

    Attributes
    ----------
    periods : list of int
        Of all rows, ascending.
    begins : int64 (n_runs + 1,)
        First row of each run, and behind the last one the number of rows.
    places : int64 (n_runs,)
        Which of `periods` each run is of.
    order : int64 (n_rows,) or None
        Rows in order of their periods, where they do not come in that order; runs are then of those.
    """

    periods: list[int]
    begins: NDArray[np.int64]
    places: NDArray[np.int64]
    order: NDArray[np.int64] | None = None

    def arranged(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values of the block's rows in the order of the runs."""
        return values if self.order is None else values[self.order]

    def only(self, rows: NDArray[np.int64]) -> Runs:
        """Return the runs of some of the arranged rows, given ascending."""
        return self._replace(begins=np.searchsorted(rows, self.begins), order=None)

    def of_rows(self) -> NDArray[np.int64]:
        """Return of each arranged row which of `periods` it is of."""
        return np.repeat(self.places, np.diff(self.begins))


def one_period(n_rows: int) -> Runs:
    """Return the runs of rows that all are of one period, 0."""
    return Runs([0], np.array([0, n_rows]), np.zeros(1, np.int64))


def origin(every: int) -> int:
    """Return when period 0 begins, in nanoseconds since 1970 began: then, or where periods are weeks, on a Monday."""
    return 0 if every % WEEK else MONDAY


def runs_of(block: RawBlock, time: str, every: int) -> Runs:
    """Return the runs of a block.

    Parameters
    ----------
    block : RawBlock
    time : str
        Column of times.
    every : int
        Nanoseconds of a period, a whole number of the column's units or such a part of one.

    Raises
    ------
    DataError
        A row has no time.
    UsageError
        The rows fall into too many periods.
    """
    array = block.arrays[time]
    if array.null_count:
        wrong = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(f"{block.where(wrong)}: no time in column {time!r}; leave such rows out")
    values, unit = read_only(numbers(array)), time_unit(time, array.type)
    width, times = max(1, every // unit), max(1, unit // every)
    if shift := origin(every) // unit:
        values = np.maximum(values, np.iinfo(values.dtype).min + shift) - shift
    begins, found = np.empty(MOST_RUNS + 1, np.int64), np.empty(MOST_RUNS, np.int64)
    n = find_runs(values, width, begins, found)
    if n >= 0:
        names, places = np.unique(found[:n], return_inverse=True)
        return Runs((names * times).tolist(), begins[: n + 1], places)
    names, places = _few(values // width)
    check_periods(len(names), time)
    begins = np.concatenate([[0], np.cumsum(np.bincount(places))])
    order = np.argsort(places.astype(np.uint16), kind="stable")
    return Runs((names * times).tolist(), begins, np.arange(len(names)), order)


def _few(periods: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the different periods, ascending, and which of them each row is of."""
    low = int(periods.min())
    if int(periods.max()) - low >= 2**16:
        names, places = np.unique(periods, return_inverse=True)
        return names, places
    there = np.bincount(periods - low) > 0
    return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[periods - low]


def check_periods(n: int, time: str | None) -> None:
    """Raise UsageError where there are too many periods."""
    if n > MOST_PERIODS:
        raise UsageError(
            f"column {time!r} falls into more than {MOST_PERIODS:,} periods, all held in memory; give a longer --every"
        )


def time_unit(name: str, kind: pa.DataType) -> int:
    """Return the nanoseconds of a time column's unit.

    Raises
    ------
    UsageError
        It holds no dates or times of day.
    """
    if pt.is_timestamp(kind):
        return _UNITS[kind.unit]
    if pt.is_date32(kind):
        return DAY
    if pt.is_date64(kind):
        return _UNITS["ms"]
    raise UsageError(f"--time {name!r} is {kind}; give a column of timestamps or dates")
