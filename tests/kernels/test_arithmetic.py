"""What kernels promise of sums, NaN, division and options, and that calls find what is compiled."""

import numba
import numpy as np
import pytest

from scalable.kernels import jit
from scalable.kernels.jit import FAST, kernel


@kernel(fastmath=True)
def fast_sum(x):
    total = 0.0
    for value in x:
        total += value
    return total


@kernel()
def exact_sum(x):
    total = 0.0
    for value in x:
        total += value
    return total


@kernel(fastmath=True)
def count_bad(x):
    bad = 0
    for value in x:
        if np.isnan(value) or np.isinf(value):
            bad += 1
    return bad


@kernel()
def divide(a, b):
    return a / b


def test_fast_math_keeps_nan_and_infinity():
    assert "nnan" not in FAST
    assert "ninf" not in FAST
    assert count_bad(np.array([1.0, np.nan, np.inf, -np.inf, 0.0])) == 3
    assert np.isnan(fast_sum(np.array([1.0, np.nan])))


def test_without_fast_math_sums_run_in_order():
    x = np.random.default_rng(0).lognormal(0, 5, 10_001)
    total = 0.0
    for value in x:
        total += float(value)
    assert exact_sum(x) == total
    assert fast_sum(x) == pytest.approx(total, rel=1e-12)


def test_division_follows_numpy_and_the_gil_is_released():
    assert divide(1.0, 0.0) == np.inf
    assert divide.targetoptions["nogil"] is True
    assert divide.targetoptions["error_model"] == "numpy"


def test_what_two_threads_compiled_at_once_is_found_by_later_calls(monkeypatch):
    values = np.arange(3.0)
    values.flags.writeable = False
    for _ in range(2):  # as each of the threads does that has not found it
        exact_sum.compile((numba.typeof(values),))
    monkeypatch.setattr(jit._Kernel, "compile", lambda *_: pytest.fail("a call looked for its code anew"))
    assert exact_sum(values) == 3.0


def test_options_are_passed_on():
    @kernel(boundscheck=True)
    def third(x):
        return x[3]

    with pytest.raises(IndexError):
        third(np.zeros(3))
