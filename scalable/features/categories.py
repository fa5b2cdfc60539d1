"""Slots of categorical values: known levels, hashed ones, and the calendar parts of times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.values import dictionary_codes, numbers
from scalable.features.linear_columns import ColumnPlan
from scalable.kernels.encode import encoding

_MISSING_SALT = 0x5C0FFEE  # a missing value of a hashed feature is a category of its own


def level_slots(plan: ColumnPlan, array: pa.Array, base: int, out: NDArray[np.int32]) -> None:
    """Write the slot of each value: its level's, then one for unseen levels, then one for missing."""
    n = len(plan.levels)
    slot_of = {level: base + k for k, level in enumerate(plan.levels)}
    other, missing = base + n, base + n + 1
    if pa.types.is_dictionary(array.type):
        values = array.dictionary.to_pylist()
        table = np.array([*(slot_of.get(value, other) for value in values), missing], np.int32)
        encoding.look_up(table, dictionary_codes(array), 0, out)
        return
    values = numbers(array)
    levels = np.array(plan.levels, np.float64)
    place = np.minimum(np.searchsorted(levels, values), n - 1)
    out[:] = np.where(levels[place] == values, base + place, other)
    if values.dtype.kind == "f":
        out[np.isnan(values)] = missing


def hashed_slots(
    plan: ColumnPlan, array: pa.Array, salt: int, base: int, n_bins: int, out: NDArray[np.int32]
) -> None:
    """Write the hashed slot of each value."""
    seed = np.uint64(salt)
    empty = np.empty(1, np.int32)
    encoding.hash_integers(np.array([_MISSING_SALT], np.int64), ~seed, base, n_bins, empty)
    if pa.types.is_dictionary(array.type):
        texts = array.dictionary.cast(pa.large_string())
        n = len(texts)
        _, offsets, data = texts.buffers()
        starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + n + 1]
        content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
        table = np.empty(n + 1, np.int32)
        encoding.hash_texts(starts, content, seed, base, n_bins, table[:n])
        table[n] = empty[0]
        encoding.look_up(table, dictionary_codes(array), 0, out)
        return
    nulls = np.asarray(array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else None
    values = np.asarray(
        array.fill_null(0).to_numpy(zero_copy_only=False) if nulls is not None else numbers(array)
    )
    encoding.hash_integers(values.astype(np.int64, copy=False), seed, base, n_bins, out)
    if nulls is not None:
        out[nulls] = empty[0]


def calendar_slots(plan: ColumnPlan, values: NDArray[Any], base: int, out: NDArray[np.int32]) -> None:
    """Write hour and weekday slots (UTC; Monday is 0) of epoch counts, shape (n_parts, n_rows)."""
    if values.dtype == np.int64 and plan.day_ticks == int(plan.day_ticks):
        after = base + 25 if "hour" in plan.calendar else base
        places = [at if part in plan.calendar else -1 for part, at in (("hour", base), ("weekday", after))]
        encoding.calendar(values, int(plan.day_ticks), *places, out)
        return
    missing = np.isnan(values) if values.dtype.kind == "f" else None
    ticks = np.where(missing, 0.0, values) if missing is not None else values
    days = np.floor_divide(ticks, plan.day_ticks)
    for k, part in enumerate(plan.calendar):
        if part == "hour":
            size = 24
            slots = np.floor_divide((ticks - days * plan.day_ticks) * 24.0, plan.day_ticks)
        else:
            size = 7
            slots = (days + 3.0) % 7.0  # the epoch began on a Thursday
        out[k] = base + np.minimum(slots, size - 1).astype(np.int32)
        if missing is not None:
            out[k][missing] = base + size
        base += size + 1
