import numpy as np
import pyarrow as pa
import pytest

from scalable.data.raw_block import float_columns
from scalable.kernels.linear import coordinate
from scalable.kernels.linear.losses import LOSSES
from scalable.kernels.moments import expansion
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


@pytest.mark.parametrize(("loss", "dtype"), [("log_loss", np.float32), ("poisson", np.float64)])
def test_an_expansion_sums_gradient_and_hessian_with_the_same_bits_from_raw_columns(loss, dtype):
    columns, _, _, weight = rows(5000, dtype)
    design = np.vstack([columns, np.ones(5000)]).astype(np.float64)
    y = (weight < 0.3).astype(np.float64)
    coef = np.linspace(-0.5, 0.5, 6).astype(dtype)
    how = LOSSES[loss].code, 1.0, None if loss == "log_loss" else 0, coef
    room = expansion.room_of(5, dtype)
    gradient, hessian = np.ones(6), np.ones((6, 6))
    total = expansion.expand(columns, y, weight, *how, gradient, hessian, room, 1.0)
    z = coef @ design
    mean = np.exp(z) if loss == "poisson" else 1 / (1 + np.exp(-z))
    value, bend = (
        (mean - y * z, mean) if loss == "poisson" else (np.logaddexp(0, z) - y * z, mean * (1 - mean))
    )
    np.testing.assert_allclose(total - 1, weight @ value, rtol=1e-6)
    np.testing.assert_allclose(gradient - 1, design @ (weight * (mean - y)), rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(hessian - 1, (design * weight * bend) @ design.T, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(hessian, hessian.T)
    if dtype == np.float32:
        raw = float_columns([pa.array(column) for column in columns])
        tile = np.empty((5, expansion.TILE_ROWS), np.float32), np.empty(expansion.TILE_ROWS, np.float32)
        again = np.ones(6), np.ones((6, 6))
        assert expansion.expand_raw(raw, None, y, weight, *how, *again, room, 1.0, *tile) == (total, 5000)
        np.testing.assert_array_equal(again[0], gradient)
        np.testing.assert_array_equal(again[1], hessian)
        columns[3, 4500] = np.nan  # the encoder's to fill
        _, stopped = expansion.expand_raw(raw, None, y, weight, *how, *again, room, 1.0, *tile)
        assert stopped == 2 * expansion.TILE_ROWS


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
