"""Blocks: the bounded pieces in which rows travel from a file to a kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BLOCK_ROWS = 2**17


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of a block come from, for messages.

    Attributes
    ----------
    place : str
        A file, or another name of the data.
    first_row : int
        Index, within it, of the first row that was read.
    kept : bool or integer array, or None
        Which of the rows that were read are in the block: a truth of each, or their places; None for all.
    """

    place: str
    first_row: int
    kept: NDArray[Any] | None = None

    def where(self, i: int) -> str:
        """Return how messages call row `i` of the block."""
        at = i if self.kept is None else int(self._places[i])
        return f"{self.place}, row {self.first_row + at:,}"

    def taken(self, at: NDArray[np.int64]) -> Origin:
        """Return where some rows of the block come from."""
        return Origin(self.place, self.first_row, at if self.kept is None else self._places[at])

    @property
    def _places(self) -> NDArray[Any]:
        assert self.kept is not None
        return np.flatnonzero(self.kept) if self.kept.dtype == np.bool_ else self.kept


@dataclass(slots=True)
class RawBlock:
    """Decoded rows of one shard, as Arrow columns.

    Attributes
    ----------
    arrays : dict of str to pyarrow.Array
        One array of `n_rows` values a column; text columns are dictionary arrays.
    first_row : int
        Index of the first row within the whole dataset.
    n_rows : int
        Number of rows, at most ``BLOCK_ROWS`` unless the caller asked for more.
    origin : Origin or None
        Where they come from.
    """

    arrays: dict[str, pa.Array]
    first_row: int
    n_rows: int
    origin: Origin | None = None

    @property
    def place(self) -> str:
        """The beginning of messages on all its rows: the file with a colon, or nothing where none is known."""
        return "" if self.origin is None else f"{self.origin.place}: "

    def where(self, i: int) -> str:
        """Return how messages call row `i` of the block, counted from 0."""
        return f"row {self.first_row + i:,}" if self.origin is None else self.origin.where(i)


@dataclass(slots=True)
class Block:
    """Encoded rows, ready for the kernels.

    Attributes
    ----------
    columns : float32 or float64 array of shape (n_columns, n_rows)
        C-contiguous: one feature is one contiguous row of this array.
    ids : int32 array of shape (n_hashed, n_rows)
        Slots in the sparse weight table, each in ``[0, n_slots)``.
    label : float64 array of shape (n_rows,) or None
        Class index or target value.
    weight : float64 array of shape (n_rows,) or None
        Non-negative sample weights.
    first_row : int
        Index of the first row within the whole dataset.
    origin : Origin or None
        Where they come from.
    """

    columns: NDArray[np.float32] | NDArray[np.float64]
    ids: NDArray[np.int32]
    label: NDArray[np.float64] | None
    weight: NDArray[np.float64] | None
    first_row: int
    origin: Origin | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.columns.shape[1])

    def where(self, i: int) -> str:
        """Return how messages call row `i` of the block, counted from 0."""
        return f"row {self.first_row + i:,}" if self.origin is None else self.origin.where(i)
