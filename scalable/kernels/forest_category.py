"""Category membership as planes, one bit per row: table look-up and bit-matrix transposition."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.lanes import PLANE


@kernel(inline=True)
def category_class(x: Any, to_class: Any, first: Any, count: Any) -> Any:
    """Return the class of category `x`: truncated like a C cast; negative, NaN and unknown ones are class 0."""
    if not (x > -1.0 and x < count):
        return np.uint64(0)
    return np.uint64(to_class[first + np.int64(x)])


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
def category_planes(
    x: Any,
    n: Any,
    to_class: Any,
    spec: Any,
    signatures: Any,
    matrix: Any,
    planes: Any,
) -> None:
    """Write the planes "goes right" of all distinct category sets of one column.

    Parameters
    ----------
    spec : (first class, number of categories, first signature word, words per class, first plane, planes)
    signatures : uint64
        For each class, bit ``d`` of its words is 1 when a row of that class goes right at set ``d``.
    matrix : uint64 (64,)
        Scratch.
    planes : uint64, flat
    """
    first, count, signature, words, plane, sets = spec
    for block in range((n + 63) // 64):
        for word in range(words):
            for j in range(64):
                row = block * 64 + j
                matrix[j] = np.uint64(0)
                if row < n:
                    at = signature + np.int64(category_class(x[row], to_class, first, count)) * words + word
                    matrix[j] = signatures[at]
            transpose64(matrix)
            for d in range(min(64, sets - 64 * word)):
                planes[(plane + 64 * word + d) * (PLANE // 8) + block] = matrix[d]
