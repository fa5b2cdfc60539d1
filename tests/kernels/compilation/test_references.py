"""Kernels count references to what they make alone: nothing is lost, freed too early or kept."""

import sys
from typing import NamedTuple

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from scalable.kernels.jit import kernel


class Pair(NamedTuple):
    first: np.ndarray
    more: tuple


@kernel(cache=False)
def _views(pair, scale):
    rows = pair.first[1:]
    for part in (rows, pair.first[:1]):
        flat = part.reshape(part.size)
        for k in range(flat.size):
            flat[k] *= scale
    again = Pair(rows, pair.more)
    again.more[0][1:] = 3
    return again.more[1][0].count


@kernel(cache=False)
def _either(x, k):
    """A name that is a view in one turn and made in the next."""
    total, held = 0.0, x[:2]
    for turn in range(k):
        if turn % 3 == 1:
            held = np.zeros(3) + turn
        elif turn % 3 == 2:
            held = x[turn % 2 :]
        pair = (held, x)
        first, _ = pair
        first[0] += 1
        total += first.sum()
    return total


@kernel(cache=False)
def _returned(x, what):
    if what == 0:
        return x
    if what == 1:
        return x[1:]
    return x * 2.0


@kernel(cache=False)
def _passed_on(x, what):
    kept = (_returned(x, what), x)
    view = kept[0][1:]
    if what == 3:
        raise ValueError("three")
    return view, _returned(view, what)[0]


@kernel(cache=False)
def _first_bits(x):
    return (x.view(np.int64)[0] >> 52) + (x.reshape(-1).view(np.int64)[1:][0] >> 52)


@kernel(cache=False)
def _bits_of_made(x):
    made, total = x + 1.0, 0
    for _ in range(3):
        total += _first_bits(made) + _first_bits(x)
    return total


@pytest.fixture(autouse=True)
def _nothing_is_lost():
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats()
    yield
    after = rtsys.get_allocation_stats()
    _nrt_python.memsys_disable_stats()
    assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free
    assert after.alloc - before.alloc == after.free - before.free


def test_views_are_written_through_and_not_counted():
    record = np.array([(7,)], [("count", "i8")])
    pair = Pair(np.arange(6.0).reshape(3, 2), (np.zeros(4, np.int32), record))
    before = [sys.getrefcount(array) for array in (pair.first, pair.more[0], record)]
    for _ in range(3):
        assert _views(pair, 2.0) == 7
    np.testing.assert_array_equal(pair.first, 8 * np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(pair.more[0], [0, 3, 3, 3])
    assert [sys.getrefcount(array) for array in (pair.first, pair.more[0], record)] == before
    (compiled,) = _views.overloads.values()
    assert "NRT_" not in str(compiled.library._final_module)


def test_a_name_that_is_a_view_and_made_in_turns():
    x, y = np.arange(5.0), np.arange(5.0)
    assert _either(x, 20) == _either.py_func(y, 20)
    np.testing.assert_array_equal(x, y)
    (compiled,) = _either.overloads.values()
    assert "NRT_" in str(compiled.library._final_module)


@pytest.mark.parametrize("what", [0, 1, 2])
def test_what_is_returned_outlives_the_kernel(what):
    x = np.arange(1000.0)
    before = sys.getrefcount(x)
    found, (view, first) = _returned(x, what), _passed_on(x, what)
    expected = _returned.py_func(x, what).copy()
    assert first == _returned.py_func(expected[1:], what)[0]
    x = [x][: what < 1]  # from here on only results hold it
    other = [np.full(1000, np.nan) for _ in range(50)]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(view, expected[1:])
    del found, view, other
    after = sys.getrefcount(x[0]) if x else before
    assert after == before


def test_views_of_another_kind_of_what_the_caller_made():
    x = np.arange(5.0)
    assert _bits_of_made(x) == _bits_of_made.py_func(x)
