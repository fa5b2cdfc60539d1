import numpy as np

from scalable.kernels import elementary
from scalable.kernels.jit import kernel


@kernel()
def apply_exp(x, out):
    for i in range(x.size):
        out[i] = elementary.exp(x[i])


@kernel()
def apply_log1p(x, out):
    for i in range(x.size):
        out[i] = elementary.log1p_unit(x[i])


@kernel()
def apply_single(x, out):
    for i in range(x.size):
        out[0, i] = elementary.exp_negative(x[i])
        out[1, i] = elementary.log1p_unit_single(np.float32(-x[i] / np.float32(88.0)))


@kernel()
def apply_log_single(x, out):
    for i in range(x.size):
        out[i] = elementary.log_single(x[i])


def test_exponential_is_numpys_and_clips():
    x = np.concatenate([np.linspace(-700, 700, 200_001), [0.0, -0.0, 1e-300, 0.5 * np.log(2)]])
    out = np.empty_like(x)
    apply_exp(x, out)
    np.testing.assert_allclose(out, np.exp(x), rtol=2e-15)
    edge = np.array([1e300, -1e300, 701.0, -np.inf, np.inf])
    out = np.empty(5)
    apply_exp(edge, out)
    np.testing.assert_allclose(out, np.exp(np.clip(edge, -700, 700)), rtol=2e-15)


def test_log1p_on_the_unit_interval():
    x = np.linspace(0.0, 1.0, 100_001)
    out = np.empty_like(x)
    apply_log1p(x, out)
    np.testing.assert_allclose(out, np.log1p(x), rtol=2e-11)


def test_logarithm_in_single_precision():
    one = np.float32(1.0)
    near = np.nextafter(one, np.float32([0.0, 2.0]))
    x = np.concatenate([np.geomspace(1.2e-38, 3.4e38, 200_001), np.linspace(0.5, 2.0, 50_001)]).astype(
        np.float32
    )
    x = np.concatenate([x, [one], near, np.finfo(np.float32).max * np.ones(1, np.float32)])
    out = np.empty_like(x)
    apply_log_single(x, out)
    np.testing.assert_allclose(out, np.log(x.astype(float)), rtol=3e-7, atol=1e-7)


def test_single_precision_versions():
    x = np.linspace(-88.0, 0.0, 100_001).astype(np.float32)
    out = np.empty((2, x.size), np.float32)
    apply_single(x, out)
    np.testing.assert_allclose(out[0], np.exp(np.maximum(x, -87.0).astype(float)), rtol=4e-7)
    np.testing.assert_allclose(out[1], np.log1p(-x.astype(float) / 88.0), rtol=4e-7, atol=1e-12)
