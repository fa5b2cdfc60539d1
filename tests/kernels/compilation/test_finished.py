"""What is compiled for arrays that may be written to serves those that may not, where nothing is written."""

import numpy as np
import pytest
from numba.core.errors import TypingError

from scalable.kernels.jit import kernel


def add_up(x, y):
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


def double(x, out):
    for i in range(x.size):
        out[i] = 2.0 * x[i]


def protected(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def test_reading_is_compiled_once_for_both_kinds_of_arrays():
    total = kernel(cache=False)(add_up)
    x = np.arange(5.0)
    for _ in range(2):
        for a in (x, protected(x)):
            for b in (x, protected(x)):
                assert total(a, b) == 30.0
    assert len(total.overloads) == 1
    assert total(x.astype(np.float32), protected(x)) == 30.0
    assert len(total.overloads) == 2


def test_writing_to_what_is_protected_is_refused():
    twice = kernel(cache=False)(double)
    x, out = np.arange(5.0), np.empty(5)
    twice(protected(x), out)
    np.testing.assert_array_equal(out, 2.0 * x)
    for _ in range(2):
        with pytest.raises(TypingError, match="readonly"):
            twice(x, protected(out))
    assert len(twice.overloads) == 1


def test_only_what_takes_arguments_apart_is_not_optimised():
    total = kernel(cache=False)(add_up)
    total(np.arange(5.0), np.arange(5.0))
    (found,) = total.overloads.values()
    left = {
        function.name.startswith("_ZN7cpython"): b"optnone" in b" ".join(function.attributes)
        for function in found.library._final_module.functions
        if not function.is_declaration
    }
    assert left == {True: True, False: False}
