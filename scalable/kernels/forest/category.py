"""Category membership as planes, one bit per row.

A column of few categories has a plane for each, and a set is the intersection of one of 256 prepared planes for every
eight of them (the table method of Arlazarov, Dinic, Kronrod and Faradzev, 1970). In a column of many, each row's
signature, a bit a set, is looked up and the bit matrix transposed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.bitplanes import PLANE, ROWS, bits_equal, both, without
from scalable.kernels.jit import kernel
from scalable.kernels.memory import store_u64

OCTET = 8  # categories whose unions are tabulated together
TABLE_PLANES = (1 << OCTET) + 1  # scratch of `tabulated_planes`
MAX_TABULATED = 31 * OCTET  # categories: classes are bytes, and beyond this the transposition is faster


@kernel(inline=True)
def category_class(x: Any, to_class: Any, column: Any) -> Any:
    """Return the class of category `x`, truncated like a C cast; negative and unknown ones are class 0."""
    if not (x > -1.0 and x < column.count):
        return np.uint64(column.missing if np.isnan(x) else 0)
    return np.uint64(to_class[column.first + np.int64(x)])


@kernel(inline=True)
def transpose64(m: Any) -> None:
    """Transpose a 64 x 64 bit matrix in place: bit ``j`` of word ``i`` becomes bit ``i`` of word ``j``."""
    shift = 32
    mask = np.uint64(0x00000000FFFFFFFF)
    while shift:
        for top in range(0, 64, 2 * shift):
            for i in range(top, top + shift):
                turned = ((m[i] >> np.uint64(shift)) ^ m[i + shift]) & mask
                m[i + shift] ^= turned
                m[i] ^= turned << np.uint64(shift)
        shift >>= 1
        mask ^= mask << np.uint64(shift)


@kernel(inline=True)
def tabulated_planes(
    x: Any, n: Any, to_class: Any, column: Any, masks: Any, classes: Any, table: Any, planes: Any
) -> None:
    """Write the planes "goes right" of all distinct sets of a column of at most `MAX_TABULATED` used categories.

    Parameters
    ----------
    column : COLUMN
    masks : uint8
        For each octet of classes, for each set, which of them it holds.
    classes : uint8 (ROWS,)
        Scratch, on a cache line.
    table : uintp
        Address of `TABLE_PLANES` scratch planes.
    planes : uintp
        Address of the column's first plane.
    """
    size = np.uintp(PLANE)
    for i in range(n):
        classes[i] = np.uint8(category_class(x[i], to_class, column))
    rows = np.uintp(classes.ctypes.data)
    here = table + np.uintp(1 << OCTET) * size
    for octet in range(column.octets):
        for word in range(PLANE // 8):
            store_u64(table + np.uintp(8 * word), ~np.uint64(0))
        for bit in range(OCTET):
            for word in range(ROWS // 64):
                bits_equal(
                    rows + np.uintp(64 * word), np.uint8(octet * OCTET + bit + 1), here + np.uintp(8 * word)
                )
            for union in range(1 << bit):
                source = table + np.uintp(union) * size
                without(source, here, source + np.uintp(1 << bit) * size)
        out = planes
        for d in range(column.sets):
            chosen = table + np.uintp(masks[column.mask + octet * column.sets + d]) * size
            both(table if octet == 0 else out, chosen, out)
            out += size


@kernel(inline=True)
def category_planes(
    x: Any, n: Any, to_class: Any, column: Any, signatures: Any, matrix: Any, planes: Any
) -> None:
    """Write the planes "goes right" of all distinct category sets of one column.

    Parameters
    ----------
    column : COLUMN
    signatures : uint64
        For each class, bit ``d`` of its words is 1 when a row of that class goes right at set ``d``.
    matrix : uint64 (64,)
        Scratch.
    planes : uint64, flat
    """
    words = column.words
    for block in range((n + 63) // 64):
        for word in range(words):
            for j in range(64):
                row = block * 64 + j
                matrix[j] = np.uint64(0)
                if row < n:
                    at = column.signature + np.int64(category_class(x[row], to_class, column)) * words + word
                    matrix[j] = signatures[at]
            transpose64(matrix)
            for d in range(min(64, column.sets - 64 * word)):
                planes[(column.at + 64 * word + d) * (PLANE // 8) + block] = matrix[d]
