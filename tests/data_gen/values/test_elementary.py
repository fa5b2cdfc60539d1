"""The vectorisable logarithm and exponential against NumPy's."""

import numpy as np
import pytest

from data_gen.values.elementary import exp2, exp2f, log2, log2f
from scalable.kernels.jit import kernel


@kernel()
def apply_log2f(x, out):
    for i in range(x.size):
        out[i] = log2f(x[i])


@kernel()
def apply_exp2f(x, out):
    for i in range(x.size):
        out[i] = exp2f(x[i])


@kernel()
def apply_log2(x, out):
    for i in range(x.size):
        out[i] = log2(x[i])


@kernel()
def apply_exp2(x, out):
    for i in range(x.size):
        out[i] = exp2(x[i])


def run(function, x):
    out = np.empty_like(x)
    function(x, out)
    return out


def test_log2f():
    x = np.concatenate([2.0 ** np.linspace(-126, 127, 100_001), 1 + np.linspace(-1e-3, 1e-3, 1001)])
    x = x.astype(np.float32)
    exact = np.log2(x.astype(np.float64))
    error = np.abs(run(apply_log2f, x) - exact)
    assert np.all(error <= 3e-7 + 1.2e-7 * np.abs(exact))


def test_exp2f():
    x = np.linspace(-125, 126, 200_001).astype(np.float32)
    exact = np.exp2(x.astype(np.float64))
    np.testing.assert_allclose(run(apply_exp2f, x), exact, rtol=2e-7)


def test_log2_double():
    x = np.concatenate([2.0 ** np.linspace(-1000, 1000, 100_001), 1 + np.linspace(-1e-3, 1e-3, 1001)])
    exact = np.log2(x)
    assert np.all(np.abs(run(apply_log2, x) - exact) <= 1e-13 * np.maximum(1, np.abs(exact)))


def test_exp2_double():
    x = np.linspace(-1000, 1000, 200_001)
    np.testing.assert_allclose(run(apply_exp2, x), np.exp2(x), rtol=1e-13)


@pytest.mark.parametrize(
    ("value", "expected"), [(-1e30, 2.0**-125), (1e30, 2.0**126), (0.0, 1.0), (3.0, 8.0)]
)
def test_exp2f_clamps(value, expected):
    assert run(apply_exp2f, np.array([value], np.float32))[0] == np.float32(expected)
