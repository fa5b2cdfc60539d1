"""Order statistics by counting digits: exact, over rows of any number of holders, from integers that only add up."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel

DIGIT_BITS = 11  # six digits make 64 bits; a table of 2,048 counts a group stays in cache
SHIFTS = (55, 44, 33, 22, 11, 0)
_U = np.uint64
_SIGN = _U(2**63)
_DIGIT = _U(2**DIGIT_BITS - 1)
NOBODY = _U(2**64 - 1)
# Beside a key of a group: the largest key below (0 for none), the smallest above (`NOBODY`) and its lightest row, and
# the two lightest rows of the key itself; infinity for none.
NEAR = np.dtype([("below", "u8"), ("above", "u8"), ("above_weight", "f4"), ("least", "f4"), ("second", "f4")])


@kernel()
def ordered_bits(values: np.ndarray, keys: np.ndarray) -> None:
    """Write float64 `values` as uint64 `keys` in the same order; NaN has no place in it."""
    bits = values.view(np.uint64)
    for i in range(values.shape[0]):
        b = bits[i]
        keys[i] = ~b if b & _SIGN else b | _SIGN


@kernel()
def float_of(keys: np.ndarray, values: np.ndarray) -> None:
    """Undo `ordered_bits`."""
    bits = values.view(np.uint64)
    for i in range(keys.shape[0]):
        k = keys[i]
        bits[i] = k ^ _SIGN if k & _SIGN else ~k


@kernel()
def count_digits(
    keys: np.ndarray,
    groups: np.ndarray,
    units: np.ndarray,
    prefixes: np.ndarray,
    shift: int,
    counts: np.ndarray,
) -> None:
    """Count the next digit of every key that begins as its group's prefix says.

    Parameters
    ----------
    keys : uint64 array (n_rows,)
    groups : uint32 array (n_rows,)
        Rows of larger numbers than there are groups are passed over.
    units : int64 array (n_rows,) or (0,)
        What a row counts; one without.
    prefixes : uint64 array (n_groups,)
        The bits above the digit.
    shift : int
        Bits below the digit.
    counts : int64 array (n_groups, 2048)
        Added to.
    """
    n_groups = _U(prefixes.shape[0])
    low, high = _U(shift), _U(shift + DIGIT_BITS)
    for i in range(keys.shape[0]):
        g = _U(groups[_U(i)])
        if g >= n_groups:
            continue
        key = keys[_U(i)]
        above = key >> high if shift + DIGIT_BITS < 64 else _U(0)
        if above == prefixes[g]:
            counts[g, (key >> low) & _DIGIT] += units[_U(i)] if units.shape[0] else 1


@kernel()
def neighbours(
    keys: np.ndarray, weights: np.ndarray, groups: np.ndarray, found: np.ndarray, near: np.ndarray
) -> None:
    """Write what stands next to a key of each group.

    Parameters
    ----------
    keys, groups
        As for `count_digits`.
    weights : float32 array (n_rows,)
    found : uint64 array (n_groups,)
        The keys.
    near : record array (n_groups,) of `NEAR`
        Brought up to date.
    """
    n_groups = _U(found.shape[0])
    for i in range(keys.shape[0]):
        g = _U(groups[_U(i)])
        if g >= n_groups:
            continue
        key, weight, one = keys[_U(i)], weights[_U(i)], near[g]
        if key < found[g]:
            one.below = max(one.below, key)
        elif key > found[g]:
            if key < one.above or (key == one.above and weight < one.above_weight):
                one.above, one.above_weight = key, weight
        else:
            one.second = min(one.second, max(one.least, weight))
            one.least = min(one.least, weight)
