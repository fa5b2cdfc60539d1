"""Blocks whose numbers are read and standardised by whoever uses them, a piece at a time in the nearest cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.kernels.linear.records import FloatColumns
from scalable.kernels.parquet.tiles import TileColumns


@dataclass(frozen=True, slots=True)
class RawFloats:
    """Float32 columns as they are, and what keeps their memory, or their file open; compressed ones as `tiles`."""

    columns: FloatColumns
    owner: Any
    tiles: TileColumns | None = None


class LazyBlock(Block):
    """A block of plain float32 features, encoded on first use of `columns`.

    Parameters
    ----------
    raw : RawFloats
        The columns as they are in the file.
    encode : callable
        Returns the encoded columns; raises DataError where they hold what they must not.
    label, weight, first_row
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
    ) -> None:
        self.raw = raw
        self._encode = encode
        self._columns: NDArray[Any] | None = None
        self._n_rows = n_rows
        self.ids = np.empty((0, n_rows), np.int32)
        self.label = label
        self.weight = weight
        self.first_row = first_row

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
