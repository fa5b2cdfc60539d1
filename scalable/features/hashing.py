"""Columns of many categories, text or integers that identify something, and the bucket of each of their values."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.values import buffers_of, dictionary_codes, numbers
from scalable.kernels.encode import encoding
from scalable.kernels.parquet.missing import fill_missing

MANY = 64  # a column of fewer is left a number, whatever its name
_NAME = re.compile(r"(^|_)(id|ids|uid|uuid|key|zip|zipcode|postcode)$", re.I)
INTEGER = pa.int64()
_EXACT = 2.0**53  # beyond, a float need not be the integer that it was made of
_TWO_63, _TWO_64 = 2.0**63, 2.0**64
LEAST_BUCKETS, MOST_BUCKETS = 2**16, 2**20
_ROWS_A_BUCKET = 64
_BUCKETS_A_CATEGORY = (
    32  # a new category then lands among those of another, as if it were that, in three of 100 cases
)


@dataclass(frozen=True, slots=True)
class HashedCategories:
    """A column whose categories share buckets by a hash.

    Attributes
    ----------
    name : str
        The column.
    n_buckets : int
        A power of two.
    """

    name: str
    n_buckets: int

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return (self.name,)

    def cells(self, arrays: Mapping[str, pa.Array]) -> NDArray[np.int32]:
        """Return the bucket of each row, see `buckets_of`."""
        return buckets_of(arrays[self.name], self.n_buckets)

    @property
    def n_cells(self) -> int:
        """Buckets of values that are not missing."""
        return self.n_buckets


def buckets_for(n_rows: int, n_categories: int) -> int:
    """Return how many buckets suit a column: seldom shared, by known categories or by new ones, as memory allows.

    Parameters
    ----------
    n_rows : int
        Rows of the training data: a category of fewer rows than a bucket has tells hardly anything.
    n_categories : int
        Categories, as far as is known; see `n_values`.
    """
    wanted = 1 << max(0, max(n_rows // _ROWS_A_BUCKET, n_categories * _BUCKETS_A_CATEGORY) - 1).bit_length()
    return min(MOST_BUCKETS, max(LEAST_BUCKETS, wanted))


def buckets_of(
    array: pa.Array,
    n_buckets: int,
    *,
    salt: int = 0,
    base: int = 0,
    missing: int | None = None,
    crc: bool = False,
    out: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """Return the bucket of each value.

    Parameters
    ----------
    array : pyarrow.DictionaryArray or numeric pyarrow.Array
        Text, or integers of any width; equal numbers of different types share a bucket. Of fractions the bits are
        hashed.
    n_buckets : int
        A power of two.
    salt : int
        Tells columns apart that share buckets.
    base : int
        Added to every bucket.
    missing : int, optional
        What null and NaN become; by default the number after the last bucket.
    crc : bool
        Whether texts are hashed by CRC-32, as in older models.
    out : int32 array of shape (n_rows,), optional
        Where to write.

    Returns
    -------
    int32 array of shape (n_rows,)
        In ``[base, base + n_buckets)``, or `missing`.
    """
    out = np.empty(len(array), np.int32) if out is None else out
    empty = base + n_buckets if missing is None else missing
    where = (np.uint64(salt), base, n_buckets)
    if pt.is_dictionary(array.type):
        values = array.dictionary
        if not pt.is_string(values.type):
            values = values.cast(pa.string())
        table = np.full(len(values) + 1, empty, np.int32)
        if crc:
            table[:-1] = [zlib.crc32(text.encode()) % n_buckets for text in values.to_pylist()]
        else:
            _hash_texts(values, where, table[:-1])
        encoding.look_up(table, dictionary_codes(array), 0, out)
        return out
    if pt.is_integer(array.type) and array.null_count:
        held, valid = buffers_of(array)
        found = np.empty(len(array), np.int32)
        encoding.hash_integers(_wide(held), *where, found)
        fill_missing(found, valid, array.offset, empty, out)
        return out
    held = numbers(array)
    whole = _integers(held) if held.dtype.kind == "f" else _wide(held)
    encoding.hash_integers(whole, *where, out)
    if held.dtype.kind == "f":
        out[np.isnan(held)] = empty
    return out


def _wide(values: NDArray[Any]) -> NDArray[np.int64]:
    return values.view(np.int64) if values.dtype == np.uint64 else values.astype(np.int64, copy=False)


def _integers(values: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return floats, which a frame makes of integers with nulls, as integers; of what is none, the bits."""
    wide = values.astype(np.float64)
    out = wide.copy().view(np.int64)
    whole = wide == np.floor(wide)
    signed = whole & (wide >= -_TWO_63) & (wide < _TWO_63)
    out[signed] = wide[signed].astype(np.int64)
    large = whole & (wide >= _TWO_63) & (wide < _TWO_64)
    out[large] = wide[large].astype(np.uint64).view(np.int64)
    return out


def _hash_texts(values: pa.Array, where: tuple[np.uint64, int, int], out: NDArray[np.int32]) -> None:
    texts = values.cast(pa.large_string())
    n = len(texts)
    if not n:
        return
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + n + 1]
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    encoding.hash_texts(starts, content, *where, out)


def named_identifier(name: str) -> bool:
    """Return whether a column's name says that it identifies something, as ``card_id`` and ``zip`` do."""
    return _NAME.search(name) is not None


def may_be_integers(field: pa.Field) -> bool:
    """Return whether a column may be an identifier that became float64 for its nulls: its name says so."""
    return bool(field.type == pa.float64()) and named_identifier(field.name)


def as_integers(array: pa.Array) -> pa.Array | None:
    """Return float64 numbers as int64, NaN as null; None where one is not a whole number that floats tell apart."""
    values = numbers(array)
    missing = np.isnan(values)
    held = np.where(missing, 0.0, values)
    if not np.all((np.floor(held) == held) & (np.abs(held) <= _EXACT)):
        return None
    return pa.array(held.astype(np.int64), mask=missing)


def with_integers(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    """Return a schema in which some columns are int64."""
    for at, field in enumerate(schema):
        if field.name in names:
            schema = schema.set(at, field.with_type(INTEGER))
    return schema


def has_identifier(frame: Any) -> bool:
    """Return whether a pandas frame of numbers has a column that is an identifier by its name and many integers."""
    for name, kind in frame.dtypes.items():
        if not isinstance(name, str) or not named_identifier(name) or kind.kind not in "iuf":
            continue
        values = frame[name].to_numpy()
        if kind.kind == "f":
            values = values[~np.isnan(values)]
            if kind != np.float64 or as_integers(pa.array(values)) is None:
                continue
        if len(np.unique(values)) > MANY:
            return True
    return False


def identifiers_of(schema: pa.Schema, sample: Iterable[RawBlock]) -> tuple[str, ...]:
    """Return the integer columns that are named like identifiers and show more than ``MANY`` values in a sample."""
    named = [f.name for f in schema if pt.is_integer(f.type) and named_identifier(f.name)]
    sample = list(sample)
    return tuple(name for name in named if len(_times_seen(sample, name)) > MANY)


def n_values(sample: Iterable[RawBlock], name: str, n_rows: int) -> int:
    """Return about how many values a column has in `n_rows` rows, from a sample: exact where that is all of them.

    Values seen once stand for those not seen: the guaranteed-error estimator (Charikar et al., 2000).
    """
    times = _times_seen(sample, name)
    once, sampled = int((times == 1).sum()), int(times.sum())
    behind_them: float = once * max(1.0, n_rows / max(1, sampled)) ** 0.5
    return len(times) - once + round(behind_them)


def _times_seen(sample: Iterable[RawBlock], name: str) -> NDArray[np.int64]:
    """Return how often each value that is not missing is seen in a sample, in no order."""
    parts = [block.arrays[name].drop_null() for block in sample]
    if not parts:
        return np.empty(0, np.int64)
    whole = pa.chunked_array(parts)
    if pt.is_dictionary(whole.type):
        whole = pa.chunked_array([part.dictionary_decode() for part in parts])
    if pt.is_floating(whole.type):
        whole = whole.filter(pc.invert(pc.is_nan(whole)))
    return np.asarray(whole.value_counts().field("counts"))
