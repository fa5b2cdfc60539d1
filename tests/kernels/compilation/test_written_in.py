"""What is written into kernels is what Python and NumPy would do, and nothing else is compiled for it."""

import math

import numpy as np
import pytest
from numba.core import event

from scalable.kernels.compilation.written_in import empty, largest, smallest, whole, zeros
from scalable.kernels.jit import kernel


def both_ways(a, b, c):
    return max(a, b), min(a, b), max(a, b, c), min(a, b, c)


def cut(x):
    return int(x), int(True)


def shapes(n):
    total = 0.0
    for array in (np.zeros(n), np.zeros(n, np.float64)):
        total += array.sum()
    table = np.zeros((n, 3), np.int16)
    block = np.empty((2, n, 4), np.uint8)
    block[:] = 1
    flags = np.empty(n, np.bool_)
    flags[:] = False
    return total + np.empty(0).size, table, block, flags


def of_tuple(x):
    return max((x, 2)), min((x, 2))


@pytest.mark.parametrize(
    "numbers",
    [(1, 2, 3), (3, 1, 2), (2.5, 1, 7), (-0.0, 0.0, -1), (np.float32(0.1), 0.1, 5), (np.int8(-3), 2, 2**40)],
)
def test_choices_are_those_of_python(numbers):
    found = kernel(cache=False)(both_ways)(*numbers)
    assert found == both_ways(*numbers)
    assert [math.copysign(1, each) for each in found] == [
        math.copysign(1, each) for each in both_ways(*numbers)
    ]


@pytest.mark.parametrize("numbers", [(math.nan, 1.0, 2.0), (1.0, math.nan, 2.0), (2.0, 1.0, math.nan)])
def test_nan_goes_where_python_lets_it(numbers):
    np.testing.assert_array_equal(kernel(cache=False)(both_ways)(*numbers), both_ways(*numbers))


@pytest.mark.parametrize("x", [2.9, -2.9, 7, np.int16(-5), np.float32(1e9), False])
def test_whole_numbers_are_those_of_python(x):
    assert kernel(cache=False)(cut)(x) == cut(x)


def test_arrays_are_those_of_numpy():
    found, expected = kernel(cache=False)(shapes)(5), shapes(5)
    assert found[0] == 0.0
    for ours, numpys in zip(found[1:], expected[1:], strict=True):
        assert (ours.dtype, ours.shape, ours.strides) == (numpys.dtype, numpys.shape, numpys.strides)
        np.testing.assert_array_equal(ours, numpys)


def test_what_numpy_refuses_is_refused():
    of = kernel(cache=False)(lambda n: np.zeros((n, 2**40)))
    with pytest.raises(ValueError, match="negative dimensions"):
        of(-1)
    with pytest.raises(ValueError, match="too big"):
        of(2**30)
    with pytest.raises(MemoryError):
        of(2**14)


def test_only_the_kernel_itself_is_compiled():
    def odd(n, x):  # types that nothing else is compiled for
        table = np.zeros((n, n, n, n), np.complex64)
        return (
            max(np.int8(n), np.uint16(3), np.float32(x))
            + min(x, np.int16(2))
            + int(x)
            + table.size
            + np.empty(n, np.int8).size
        )

    with event.install_recorder("numba:compile") as recorder:
        assert kernel(cache=False)(odd)(2, 1.5) == 3 + 1.5 + 1 + 16 + 2
    assert {each.data["dispatcher"].py_func.__name__ for _, each in recorder.buffer} == {"odd"}


def test_other_calls_are_numbas_own():
    assert kernel(cache=False)(of_tuple)(3) == (3, 2)


def test_the_forms_are_called_as_what_they_stand_for():
    assert (largest(1, 2), smallest(1, 2), whole(2.5)) == (2, 1, 2)
    assert empty((2, 3)).shape == (2, 3)
    assert zeros(2, np.int8).tolist() == [0, 0]
