"""The slot of each value of a column with many levels, text or integer, by a hash."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.values import buffers_of, dictionary_codes, numbers
from scalable.kernels.encode import encoding
from scalable.kernels.parquet.missing import fill_missing

_SALT = np.uint64(0)
_TWO_63, _TWO_64 = 2.0**63, 2.0**64
LEAST_SLOTS, MOST_SLOTS = 2**16, 2**20
_ROWS_A_SLOT = 64


@dataclass(frozen=True, slots=True)
class HashedLevels:
    """A column whose levels share slots by a hash.

    Attributes
    ----------
    name : str
        The column.
    n_slots : int
        A power of two.
    """

    name: str
    n_slots: int

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return (self.name,)

    def slots(self, arrays: Mapping[str, pa.Array]) -> NDArray[np.int32]:
        """Return the slot of each row, see `slots_of`."""
        return slots_of(arrays[self.name], self.n_slots)


def slots_for(n_rows: int) -> int:
    """Return how many slots suit `n_rows` rows: a level of fewer rows than a slot has tells hardly anything."""
    wanted = 1 << max(0, n_rows // _ROWS_A_SLOT - 1).bit_length()
    return min(MOST_SLOTS, max(LEAST_SLOTS, wanted))


def slots_of(array: pa.Array, n_slots: int, *, crc: bool = False) -> NDArray[np.int32]:
    """Return the slot of each value.

    Parameters
    ----------
    array : pyarrow.DictionaryArray or numeric pyarrow.Array
        Text, or integers of any width; equal numbers of different types share a slot. Fractions, which no integer
        column has, share one.
    n_slots : int
        A power of two.
    crc : bool
        Whether texts are hashed by CRC-32, as in older models.

    Returns
    -------
    int32 array of shape (n_rows,)
        In ``[0, n_slots)``, and `n_slots` for null and NaN.
    """
    out = np.empty(len(array), np.int32)
    if pt.is_dictionary(array.type):
        hashed = _crc_slots if crc else _text_slots
        encoding.look_up(hashed(array.dictionary, n_slots), dictionary_codes(array), 0, out)
        return out
    if pt.is_integer(array.type) and array.null_count:
        values, valid = buffers_of(array)
        slots = np.empty(len(array), np.int32)
        _hash(values, n_slots, slots)
        fill_missing(slots, valid, array.offset, n_slots, out)
        return out
    values = numbers(array)
    if values.dtype.kind == "f":
        _hash(_integers(values), n_slots, out)
        out[np.isnan(values)] = n_slots
    else:
        _hash(values, n_slots, out)
    return out


def _hash(values: NDArray[Any], n_slots: int, out: NDArray[np.int32]) -> None:
    wide = values.view(np.int64) if values.dtype == np.uint64 else values.astype(np.int64, copy=False)
    encoding.hash_integers(wide, _SALT, 0, n_slots, out)


def _integers(values: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return floats, which a frame makes of integers with nulls, as integers; what is none as the smallest one."""
    wide = values.astype(np.float64)
    out = np.full(len(wide), np.iinfo(np.int64).min)
    whole = wide == np.floor(wide)
    signed = whole & (wide >= -_TWO_63) & (wide < _TWO_63)
    out[signed] = wide[signed].astype(np.int64)
    large = whole & (wide >= _TWO_63) & (wide < _TWO_64)
    out[large] = wide[large].astype(np.uint64).view(np.int64)
    return out


def _text_slots(values: pa.Array, n_slots: int) -> NDArray[np.int32]:
    """Return the slot of each text of a dictionary, and `n_slots` after them."""
    texts = values.cast(pa.large_string())
    n = len(texts)
    _, offsets, data = texts.buffers()
    table = np.full(n + 1, n_slots, np.int32)
    if n:
        starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + n + 1]
        content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
        encoding.hash_texts(starts, content, _SALT, 0, n_slots, table[:n])
    return table


def _crc_slots(values: pa.Array, n_slots: int) -> NDArray[np.int32]:
    found = [zlib.crc32(text.encode()) % n_slots for text in values.to_pylist()]
    return np.array([*found, n_slots], np.int32)
