"""Raw values to what the linear kernels take: standardised float32 and hash buckets."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.elementary import log, log_single
from scalable.kernels.jit import kernel

NEAR = 8.0
LEAST_SPREAD = 0.125  # of logarithms, below which single precision would lose digits that matter
FAR = 2.0**51  # days from which a float64 no longer tells one from the next
_CHUNK = 1024
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


@kernel(fastmath=True)
def standardize(x: np.ndarray, offset: float, scale: float, out: np.ndarray) -> int:
    """Write ``(x - offset) / scale``, the difference taken in float64.

    Parameters
    ----------
    x : array of shape (n,), any real dtype
        Raw values.
    offset, scale : float
        What is subtracted, then divided by.
    out : array of shape (n,), float32 or float64
        Output.

    Returns
    -------
    int
        How many results are NaN or infinite.
    """
    inverse = 1.0 / scale
    bad = 0
    for i in range(x.size):
        value = (np.float64(x[i]) - offset) * inverse
        out[i] = value
        bad += 0 if abs(value) <= 1e30 else 1
    return bad


@kernel(fastmath=True)
def standardize_single(x: np.ndarray, offset: float, scale: float, out: np.ndarray) -> int:
    """Do `standardize` in single precision, at twice the speed.

    For float32 values within `NEAR` deviations of zero, where the difference loses no digit that matters.
    """
    per_unit = np.float32(1.0 / scale)
    shift = np.float32(offset)
    zero = np.float32(0.0)
    trouble = zero  # stays zero unless a value is NaN or infinite: cheaper in vectors than counting
    for i in range(x.size):
        value = (x[i] - shift) * per_unit
        out[i] = value
        trouble += value * zero
    if trouble == zero:
        return 0
    bad = 0
    for i in range(x.size):
        bad += 1 if out[i] - out[i] != zero else 0
    return bad


@kernel()
def standardize_floats(x: np.ndarray, offset: float, scale: float, out: np.ndarray) -> int:
    """Do `standardize` for float32 values and results, in the precision their offset asks for."""
    if abs(offset) <= NEAR * scale:
        return int(standardize_single(x, offset, scale, out))
    return int(standardize(x, offset, scale, out))


@kernel(fastmath=True)
def log_standardize(x: np.ndarray, unit: float, offset: float, scale: float, out: np.ndarray) -> int:
    """Write ``(log(1 + max(x, 0) / unit) - offset) / scale``; otherwise like `standardize`."""
    per_unit = 1.0 / unit
    inverse = 1.0 / scale
    bad = 0
    for i in range(x.size):
        raw = np.float64(x[i])
        value = (log(1.0 + max(raw, 0.0) * per_unit) - offset) * inverse
        value = raw if raw - raw != 0.0 else value  # NaN and infinity stay what they are
        out[i] = value
        bad += 0 if abs(value) <= 1e30 else 1
    return bad


@kernel(fastmath=True)
def log_standardize_single(x: np.ndarray, unit: float, offset: float, scale: float, out: np.ndarray) -> int:
    """Do `log_standardize` in single precision, at four times the speed.

    For float32 values whose logarithms are spread over `LEAST_SPREAD` or more, and within `NEAR` deviations of zero.
    """
    per_unit = np.float32(1.0 / unit)
    inverse = np.float32(1.0 / scale)
    shift = np.float32(offset)
    zero, one = np.float32(0.0), np.float32(1.0)
    trouble = zero  # stays zero unless a value is NaN or infinite, or too many units for single precision
    for i in range(x.size):
        raw = x[i]
        units = max(raw, zero) * per_unit
        value = (log_single(one + units) - shift) * inverse
        value = raw if raw - raw != zero else value
        out[i] = value
        trouble += (value + units) * zero
    if trouble == zero:
        return 0
    return int(log_standardize(x, unit, offset, scale, out))


@kernel()
def encode_floats(x: np.ndarray, unit: float, offset: float, scale: float, out: np.ndarray) -> int:
    """Do `log_standardize` where `unit` is positive, else `standardize_floats`, of float32 values and results."""
    if unit > 0.0:
        if scale >= LEAST_SPREAD and abs(offset) <= NEAR * scale:
            return int(log_standardize_single(x, unit, offset, scale, out))
        return int(log_standardize(x, unit, offset, scale, out))
    return int(standardize_floats(x, offset, scale, out))


@kernel()
def mark_missing(out: np.ndarray, fill: float, indicator: np.ndarray, present: float, missing: float) -> int:
    """Replace NaN by `fill` and write the indicator of missing values.

    Parameters
    ----------
    out : array of shape (n,)
        Standardised values, updated.
    fill : float
        The standardised mean.
    indicator : array of shape (n,) or (0,)
        Output: `missing` where a value was NaN, else `present`; empty when there is no indicator.
    present, missing : float
        The indicator's two values.

    Returns
    -------
    int
        How many values were NaN.
    """
    n_missing = 0
    if indicator.size:
        for i in range(out.size):
            indicator[i] = missing if out[i] != out[i] else present
    for i in range(out.size):
        nan = out[i] != out[i]
        n_missing += 1 if nan else 0
        out[i] = fill if nan else out[i]
    return n_missing


@kernel(inline=True)
def mix(x: Any) -> Any:
    """Return the finalizer of SplitMix64 (Steele, Lea & Flood, 2014) of a uint64."""
    x = (x ^ (x >> np.uint64(30))) * _MIX1
    x = (x ^ (x >> np.uint64(27))) * _MIX2
    return x ^ (x >> np.uint64(31))


@kernel(inline=True)
def integer_hash(value: Any, salt: Any) -> Any:
    """Return the hash of an int64, a uint64."""
    return mix((np.uint64(value) + _GOLDEN) ^ salt)


@kernel(inline=True)
def text_hash(data: Any, start: Any, stop: Any, salt: Any) -> Any:
    """Return the hash of the bytes from `start` to `stop`, by FNV-1a and a final mix: a uint64."""
    h = _FNV_OFFSET
    for p in range(start, stop):
        h = (h ^ np.uint64(data[p])) * _FNV_PRIME
    return mix(h ^ salt)


@kernel()
def hash_integers(x: np.ndarray, salt: np.uint64, base: int, n_buckets: int, out: np.ndarray) -> None:
    """Write the bucket ``base + hash(x, salt) % n_buckets`` of integers.

    Parameters
    ----------
    x : array of shape (n,), int64
        Values.
    salt : uint64
        Tells features apart that share buckets.
    base, n_buckets : int
        First feature index, and number of buckets (a power of two).
    out : array of shape (n,), int32
        Output.
    """
    mask = np.uint64(n_buckets - 1)
    for i in range(x.size):
        out[i] = base + np.int64(integer_hash(x[i], salt) & mask)


@kernel()
def look_up(table: np.ndarray, indices: np.ndarray, low: int, out: np.ndarray) -> None:
    """Write ``table[indices - low]`` to `out`; the places are within the table."""
    for i in range(indices.size):
        out[i] = table[np.uint64(np.int64(indices[i]) - low)]


@kernel()
def look_up_known(table: np.ndarray, indices: np.ndarray, out: np.ndarray) -> int:
    """Write ``table[indices]``, of floats, to `out`; return the first place where that is NaN, or -1."""
    unknown = 0
    for i in range(indices.size):
        value = table[np.uint64(indices[i])]
        out[i] = value
        unknown += np.isnan(value)
    if unknown:
        for i in range(out.size):
            if np.isnan(out[i]):
                return i
    return -1


@kernel()
def calendar(ticks: np.ndarray, day: int, hour_base: int, weekday_base: int, out: np.ndarray) -> None:
    """Write the feature indices of hour and weekday of epoch counts (UTC; Monday is 0).

    Parameters
    ----------
    ticks : array of shape (n,), int64
        Counts since 1970.
    day : int
        Counts a day, at most those of nanoseconds.
    hour_base, weekday_base : int
        First feature index of each part; -1 for a part that is not wanted.
    out : array of shape (n_parts, n), int32
        Output: the hour, then the weekday, as far as wanted.
    """
    to_days = 1.0 / day
    numbers = np.empty(_CHUNK, np.int64)
    for start in range(0, ticks.size, _CHUNK):
        some = ticks[start : start + _CHUNK]
        # Dividing integers takes three times as long; rounding is at most one day off.
        for i in range(some.size):
            place = some[i] * to_days
            number = np.int64(np.floor(place)) if abs(place) < FAR else some[i] // day
            rest = some[i] - number * day
            numbers[i] = number + np.int64(rest >= day) - np.int64(rest < 0)
        if hour_base >= 0:
            hours = out[0, start : start + _CHUNK]
            for i in range(some.size):
                hours[i] = hour_base + np.int32(np.float64(some[i] - numbers[i] * day) * 24.0 / day)
        if weekday_base >= 0:
            weekdays = out[1 if hour_base >= 0 else 0, start : start + _CHUNK]
            for i in range(some.size):
                weekdays[i] = weekday_base + (numbers[i] + 3) % 7  # the epoch began on a Thursday


@kernel()
def hash_texts(
    offsets: np.ndarray, data: np.ndarray, salt: np.uint64, base: int, n_buckets: int, out: np.ndarray
) -> None:
    """Write the buckets of texts, by FNV-1a over their bytes and a final mix.

    Parameters
    ----------
    offsets : array of shape (n + 1,), int32 or int64
        Where each text starts in `data`.
    data : array of uint8
        UTF-8.
    salt, base, n_buckets, out
        As for `hash_integers`.
    """
    mask = np.uint64(n_buckets - 1)
    for i in range(offsets.size - 1):
        out[i] = base + np.int64(text_hash(data, offsets[i], offsets[i + 1], salt) & mask)
