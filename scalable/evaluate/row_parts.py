"""Parts of a source's rows beyond a share of a hash: all others, a share of each class, a span of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.selection import BUCKETS, Part, RowPart
from scalable.errors import DataError, UsageError

TICKS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True)
class Others:
    """All rows that are not in a part."""

    part: RowPart

    @property
    def by(self) -> str | None:
        """Column that it looks at."""
        return self.part.by

    def mask(self, block: RawBlock) -> NDArray[np.bool_]:
        """Return which rows of a block belong to it."""
        return ~self.part.mask(block)


@dataclass(frozen=True)
class ClassPart:
    """In each class, the rows whose hash is within bounds of the class's own.

    Attributes
    ----------
    by : str
        Column of the classes.
    bounds : tuple of (class, low, high)
        Hashes in ``[low, high)``, of all `scalable.data.selection.BUCKETS`.
    seed : int
        Of the hash of the row's index.
    """

    by: str
    bounds: tuple[tuple[Any, int, int], ...]
    seed: int = 0

    def mask(self, block: RawBlock) -> NDArray[np.bool_]:
        """Return which rows of a block belong to it."""
        places = Part(0.0, 1.0, None, self.seed).places(block)
        codes, values = coded(block, self.by)
        own = {value: (low, high) for value, low, high in self.bounds}
        table = np.array([own.get(value, (BUCKETS, BUCKETS)) for value in values], np.int64).reshape(-1, 2)
        return np.asarray((places >= table[codes, 0]) & (places < table[codes, 1]))


@dataclass(frozen=True)
class Span:
    """Rows of ``low <= time < high``, in the column's own ticks; None is without end."""

    by: str
    low: int | None
    high: int | None

    def mask(self, block: RawBlock) -> NDArray[np.bool_]:
        """Return which rows of a block belong to it."""
        ticks = ticks_of(block, self.by)
        inside = np.ones(len(ticks), bool)
        if self.low is not None:
            inside &= ticks >= self.low
        if self.high is not None:
            inside &= ticks < self.high
        return inside


def coded(block: RawBlock, name: str) -> tuple[NDArray[np.int64], list[Any]]:
    """Return the code of each row's value of a column, and the values.

    Raises
    ------
    DataError
        When a row has none.
    """
    array = block.arrays[name]
    if array.null_count:
        row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise DataError(f"{block.where(row)}: column {name!r} has no value; fill it or filter the row")
    whole = array if pt.is_dictionary(array.type) else array.dictionary_encode()
    return whole.indices.to_numpy(zero_copy_only=False).astype(np.int64), whole.dictionary.to_pylist()


def ticks_of(block: RawBlock, name: str) -> NDArray[np.int64]:
    """Return a column of times or integers as int64 of its own unit; a DataError where a row has none."""
    array = block.arrays[name]
    if array.null_count:
        row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise DataError(f"{block.where(row)}: time column {name!r} has no value; fill it or filter the row")
    if pt.is_integer(array.type):
        return np.asarray(array.cast(pa.int64()))
    if not pt.is_timestamp(array.type) and not pt.is_date(array.type):
        raise UsageError(f"time column {name!r} is {array.type}; times are timestamps, dates or integers")
    width = pa.int32() if pt.is_date32(array.type) else pa.int64()
    return np.asarray(array.view(width).cast(pa.int64()))


def nanoseconds_a_tick(kind: pa.DataType) -> int | None:
    """Return the nanoseconds of a tick of a time column; None of integers, whose unit nobody knows."""
    if pt.is_timestamp(kind):
        return TICKS[kind.unit]
    if pt.is_date(kind):
        return 86_400 * 10**9 if pt.is_date32(kind) else 10**6
    return None
