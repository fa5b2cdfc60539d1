import numpy as np
import pytest

from scalable.kernels.linear import coordinate
from scalable.kernels.moments import gram as moments
from scalable.linear.solvers.gram import add_gradient, add_gram


def rows(n: int = 5000, dtype=np.float64):
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(5, n)).astype(dtype)
    ids = np.stack([rng.integers(0, 3, n), rng.integers(3, 7, n)]).astype(np.int32)
    design = np.vstack(
        [columns, np.ones((1, n)), (ids[0] == np.arange(7)[:, None]) | (ids[1] == np.arange(7)[:, None])]
    )
    return columns, ids, design.astype(np.float64), rng.random(n)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-11), (np.float32, 1e-5)])
@pytest.mark.parametrize("n", [1, 2047, 2048, 5000])
def test_gram_and_gradient_are_matrix_products(dtype, rtol, n):
    columns, ids, design, weight = rows(n, dtype)
    out, gradient = np.zeros((13, 13)), np.zeros(13)
    add_gram(columns, ids, weight, out)
    np.testing.assert_allclose(out, (design * weight) @ design.T, rtol=rtol, atol=rtol * n)
    add_gradient(columns, ids, weight - 0.5, gradient)
    np.testing.assert_allclose(gradient, design @ (weight - 0.5), rtol=1e-9, atol=1e-10 * n)


def test_weighted_rows_end_with_the_root_of_the_weights():
    columns, _, _, weight = rows(10)
    out = np.empty((6, 4))
    moments.weighted_rows(columns, 3, weight[3:7], out)
    np.testing.assert_allclose(out, np.vstack([columns[:, 3:7], np.ones(4)]) * np.sqrt(weight[3:7]))


def test_coordinate_descent_meets_the_optimality_conditions():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(40, 8))
    hessian, linear = a.T @ a / 40 + np.diag(np.full(8, 0.1)), rng.normal(size=8)
    l1 = np.full(8, 0.3)
    free = np.ones(8, bool)
    free[2] = False
    w = np.zeros(8)
    sweeps = coordinate.minimize_quadratic(hessian, linear, l1, free, 10_000, 1e-24, w)
    gradient = hessian @ w + linear
    assert 1 < sweeps < 10_000
    assert w[2] == 0.0
    active = free & (w != 0.0)
    np.testing.assert_allclose(gradient[active], -0.3 * np.sign(w[active]), atol=1e-9)
    assert (np.abs(gradient[free & (w == 0.0)]) <= 0.3 + 1e-12).all()
    assert active.any()
    assert (free & ~active).any()


@pytest.mark.parametrize("n", [1, 7, 5000])
def test_columns_are_summarized_as_one_by_one(n):
    rng = np.random.default_rng(0)
    x = rng.normal(loc=[[0], [-3], [1e6], [0]], size=(4, n)).astype(np.float32)
    x[3] = -np.abs(x[3])
    x = np.concatenate([x, x[:2]])
    x[4, n // 2], x[5, n // 3] = np.nan, np.inf
    found, expected = np.empty((6, 6)), np.empty((6, 6))
    moments.summarize_columns(np.array([row.ctypes.data for row in x], np.uint64), n, found)
    for row, out in zip(x, expected, strict=True):
        moments.summarize(row, out)
    np.testing.assert_array_equal(found[:, [0, 1, 4, 5]], expected[:, [0, 1, 4, 5]])
    np.testing.assert_allclose(found[:, [2, 3]], expected[:, [2, 3]], rtol=1e-12, atol=1e-12)
    assert found[3, 5] == x[3].max()
