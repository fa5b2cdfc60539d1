import numpy as np
import pytest

from scalable.kernels.linear import adaptive_optimizers as adaptive
from scalable.kernels.linear import optimizers as o


@pytest.mark.parametrize("name", ["normalized", "adagrad"])
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (1e-4, 0.0), (0.0, 0.3)])
def test_flushing_side_by_side_is_flushing_one_by_one(name, l1, l2):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(2, 1_500, o.FIELDS)).astype(np.float32)
    table[..., o.S0] = rng.random((2, 1_500)) * (rng.random((2, 1_500)) < 0.8)
    table[..., o.SEEN] = rng.integers(0, 42, (2, 1_500))
    table[..., o.RATE_CUT] = rng.random((2, 1_500)) / 2
    table[:, ::7, o.W] = 0.0
    code, rate = o.OPTIMIZERS[name]
    hyper, factors = o.hyper_parameters(rate, l1=l1, l2=l2), rng.random(1_500) * 2
    expected = table.copy()
    o.flush(code, hyper, expected, factors, 40.0)
    adaptive.flush_adaptive(hyper, table, factors, 40.0)
    np.testing.assert_allclose(table, expected, rtol=2e-6, atol=1e-7)
    again = table.copy()
    adaptive.flush_adaptive(hyper, again, factors, 40.0)
    np.testing.assert_array_equal(again, table)
