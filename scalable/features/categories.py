"""Codes of known categories, buckets of hashed ones, calendar parts of times: the feature indices of linear models."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.values import dictionary_codes, numbers
from scalable.features.hashing import buckets_of
from scalable.kernels.encode import encoding

_MISSING_SALT = 0x5C0FFEE  # a missing value of a hashed feature is a category of its own
HOURS, WEEKDAYS = 24, 7
PARTS = {"hour": HOURS, "weekday": WEEKDAYS}


def category_codes(
    array: pa.DictionaryArray,
    categories: Sequence[Any],
    out: NDArray[Any],
    *,
    unknown: float,
    missing: float,
    base: int = 0,
) -> NDArray[Any]:
    """Write the place of each value among `categories`, counted from `base`.

    Parameters
    ----------
    array : pyarrow.DictionaryArray
        Values.
    categories : sequence
        Known ones.
    unknown, missing : float
        What is written for any other value, and for null.
    out : array of shape (n_rows,)
        Output, which is returned too.
    """
    table = category_table(array, categories, base, unknown, missing, out.dtype)
    encoding.look_up(table, dictionary_codes(array), 0, out)
    return out


def category_table(
    array: pa.DictionaryArray,
    categories: Sequence[Any],
    base: int,
    unknown: float,
    missing: float,
    dtype: Any = np.int32,
) -> NDArray[Any]:
    """Return the place of each entry of a dictionary, see `category_codes`, and of null as one entry more."""
    place = _places(tuple(categories), base)
    return np.array([*map(place.get, array.dictionary.to_pylist(), repeat(unknown)), missing], dtype)


@functools.lru_cache(256)
def _places(categories: tuple[Any, ...], base: int) -> dict[Any, int]:
    return {category: code for code, category in enumerate(categories, base)}


def number_codes(array: pa.Array, categories: Sequence[float], out: NDArray[np.int32], base: int) -> None:
    """Do `category_codes` for a column of numbers: `categories` ascend, then come others, then missing ones."""
    values, known = numbers(array), np.array(categories, np.float64)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    out[:] = np.where(known[place] == values, base + place, base + len(known))
    if values.dtype.kind == "f":
        out[np.isnan(values)] = base + len(known) + 1


def hashed_codes(array: pa.Array, salt: int, base: int, n_buckets: int, out: NDArray[np.int32]) -> None:
    """Write the feature index of the bucket of each value; missing values have one too.

    Parameters
    ----------
    array : pyarrow.DictionaryArray or integer pyarrow.Array
        Values.
    salt : int
        Tells columns apart that share buckets.
    base, n_buckets : int
        First feature index of the buckets, and how many: a power of two.
    out : int32 array of shape (n_rows,)
        Output.
    """
    missing = missing_bucket(salt, base, n_buckets)
    buckets_of(array, n_buckets, salt=salt, base=base, missing=missing, out=out)


def calendar_codes(
    array: pa.Array, parts: Sequence[str], day_ticks: float, base: int, out: NDArray[np.int32]
) -> None:
    """Write the feature indices of hour and weekday (UTC; Monday is 0) of times.

    Parameters
    ----------
    array : timestamp or date pyarrow.Array of shape (n_rows,)
        Times.
    parts : sequence of str
        ``"hour"``, ``"weekday"``, or both in this order.
    day_ticks : float
        Units of the column a day.
    base : int
        Index of the first hour, or weekday; each part has one more for missing values.
    out : int32 array of shape (n_parts, n_rows)
        Output.
    """
    places = calendar_bases(parts, base)
    # As integers, whether some are missing or not: float64 does not tell nanoseconds apart.
    whole = array.fill_null(_epoch(array.type)) if array.null_count else array
    encoding.calendar(numbers(whole), int(day_ticks), *places, out)
    if array.null_count:
        missing = numbers(array.is_null()).view(np.bool_)
        for k, part in enumerate(parts):
            out[k][missing] = places[0 if part == "hour" else 1] + PARTS[part]


def calendar_bases(parts: Sequence[str], base: int) -> tuple[int, int]:
    """Return the first feature index of hours and of weekdays; -1 for a part that is not wanted."""
    after = base + HOURS + 1 if "hour" in parts else base
    return base if "hour" in parts else -1, after if "weekday" in parts else -1


def missing_bucket(salt: int, base: int, n_buckets: int) -> int:
    """Return the feature index of a missing value of a hashed column."""
    out = np.empty(1, np.int32)
    encoding.hash_integers(np.array([_MISSING_SALT], np.int64), ~np.uint64(salt), base, n_buckets, out)
    return int(out[0])


def _epoch(kind: pa.DataType) -> pa.Scalar:
    narrow = pa.int32() if kind.bit_width == 32 else pa.int64()
    return pa.scalar(0, narrow).cast(kind)
