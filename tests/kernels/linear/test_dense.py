import numpy as np
import pytest

from scalable.kernels.linear import dense


@pytest.mark.parametrize("n", [0, 1, 3, 4, 7, 8, 9, 12, 13, 28])
@pytest.mark.parametrize(("start", "m"), [(0, 1), (5, 37), (3, 256)])
def test_sweeps_are_matrix_products(n, start, m):
    rng = np.random.default_rng(n)
    columns = rng.normal(size=(n, 300)).astype(np.float32)
    w = rng.normal(size=n).astype(np.float32)
    z = rng.normal(size=m).astype(np.float32)
    expected = z + w.astype(float) @ columns[:, start : start + m]
    dense.add_linear(columns, start, w, z)
    np.testing.assert_allclose(z, expected, rtol=1e-5, atol=2e-5)
    r = rng.normal(size=m).astype(np.float32)
    out = np.full(n, np.nan, np.float32)
    dense.dot_columns(columns, start, r, out)
    np.testing.assert_allclose(out, columns[:, start : start + m] @ r.astype(float), rtol=1e-5, atol=2e-4)


def test_float64_columns_keep_their_digits():
    rng = np.random.default_rng(0)
    columns, w, z = rng.normal(size=(11, 64)), rng.normal(size=11), np.zeros(64)
    dense.add_linear(columns, 0, w, z)
    np.testing.assert_allclose(z, w @ columns, rtol=1e-12, atol=1e-14)
