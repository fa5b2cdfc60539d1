"""Borrowed arrays are the same memory, and who uses them counts no references."""

import sys
from typing import NamedTuple

import numpy as np

from scalable.kernels.atomics import borrowed
from scalable.kernels.jit import kernel


class Pair(NamedTuple):
    first: np.ndarray
    more: tuple


@kernel(cache=False)
def _double(pair, scale):
    mine = borrowed(pair)
    for part in range(3):
        rows = mine.first[part : part + 1]
        rows[:] *= scale
    mine.more[0][1:] += 1
    return mine.more[1][0].count


def test_borrowed_arrays_are_written_through_and_kept_by_their_owner():
    record = np.array([(7,)], [("count", "i8")])
    pair = Pair(np.arange(6.0).reshape(3, 2), (np.zeros(4, np.int32), record))
    before = [sys.getrefcount(array) for array in (pair.first, pair.more[0], record)]
    for _ in range(3):
        assert _double(pair, 2.0) == 7
    np.testing.assert_array_equal(pair.first, 8 * np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(pair.more[0], [0, 3, 3, 3])
    assert [sys.getrefcount(array) for array in (pair.first, pair.more[0], record)] == before
