"""Blocks whose numbers are read and standardised by whoever uses them, a piece at a time in the nearest cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import Block, Origin
from scalable.data.readers.stored import StoredColumns
from scalable.data.readers.tiles import TileReader
from scalable.kernels.linear.records import FloatColumns
from scalable.kernels.parquet.tiles import TileColumns

NOT_IN_A_FILE = -1, np.empty((0, 3), np.int64), np.zeros(1, np.int64)  # descriptor, pages, bounds
_NOWHERE = np.empty(0, np.uint64)
Plan = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class RawFloats:
    """Columns as they are, and what keeps their memory, or their file open; compressed ones as `tiles`.

    They are of `dtype`, which is float32 but for columns in memory that are all float64.
    """

    columns: FloatColumns
    owner: Any
    tiles: TileColumns | None = None
    dtype: Any = np.float32


def float_columns(arrays: Sequence[pa.Array], plan: Plan | None = None) -> FloatColumns:
    """Return where columns without nulls, of one type, are in memory.

    Parameters
    ----------
    arrays : sequence of pyarrow.Array
        The columns; they must be kept while the result is used.
    plan : (offsets, scales, units), optional
        What standardises them; by default nothing does.
    """
    width = arrays[0].type.bit_width // 8 if arrays else 4
    addresses = np.array([a.buffers()[1].address + width * a.offset for a in arrays], np.uint64)
    return FloatColumns(addresses, *NOT_IN_A_FILE, 0, *(_as_is(len(addresses)) if plan is None else plan))


def stored_floats(
    stored: StoredColumns | TileReader, row: int, n_columns: int, plan: Plan | None = None
) -> RawFloats:
    """Return float32 columns that are still in their file, from a row of it on; see `float_columns`."""
    plan = _as_is(n_columns) if plan is None else plan
    if isinstance(stored, TileReader):
        return RawFloats(FloatColumns(_NOWHERE, *NOT_IN_A_FILE, row, *plan), stored, stored.tiles)
    place = stored.descriptor, stored.places, stored.bounds
    return RawFloats(FloatColumns(_NOWHERE, *place, row, *plan), stored)


def _as_is(n_columns: int) -> Plan:
    return np.zeros(n_columns), np.ones(n_columns), np.zeros(n_columns)


class LazyBlock(Block):
    """A block of plain features of one type, encoded on first use of `columns`.

    Parameters
    ----------
    raw : RawFloats
        The columns as they are in the file.
    encode : callable
        Returns the encoded columns; raises DataError where they hold what they must not.
    label, weight, first_row, origin
        As of `Block`.
    n_rows : int
        Number of rows.
    """

    __slots__ = ("_columns", "_encode", "_n_rows", "raw")

    def __init__(
        self,
        raw: RawFloats,
        encode: Callable[[], NDArray[Any]],
        label: NDArray[np.float64] | None,
        weight: NDArray[np.float64] | None,
        first_row: int,
        n_rows: int,
        origin: Origin | None = None,
    ) -> None:
        self.raw = raw
        self._encode = encode
        self._columns: NDArray[Any] | None = None
        self._n_rows = n_rows
        self.ids = np.empty((0, n_rows), np.int32)
        self.label = label
        self.weight = weight
        self.first_row = first_row
        self.origin = origin

    @property
    def columns(self) -> NDArray[Any]:  # type: ignore[override]  # computed once, where Block holds it
        """Encoded columns, shape (n_columns, n_rows)."""
        if self._columns is None:
            self._columns = self._encode()
        return self._columns

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self._n_rows
