"""Moments within classes equal NumPy's, by rows and by masks."""

from __future__ import annotations

import numpy as np
import pytest

from scalable.kernels.linear.class_moments import TILE_ROWS, class_moments, masked_moments

N = 2 * TILE_ROWS + 77


def moments(x, weight):
    """Return weight, mean and squares about it of one column."""
    total = weight.sum()
    mean = (weight @ x) / total if total > 0.0 else 0.0
    return total, mean, weight @ (x - mean) ** 2


@pytest.mark.parametrize("weighted", [False, True])
def test_rows(weighted):
    random = np.random.default_rng(0)
    columns = 1e3 + random.normal(size=(3, N)) * np.array([[1.0], [10.0], [0.0]])
    columns[random.random(columns.shape) < 0.1] = np.nan
    label = random.integers(0, 3, N).astype(float)
    weight = random.random(N) if weighted else np.empty(0)
    out = np.full((3, 5, 3), np.nan)  # four classes, of which one has no row
    class_moments(columns, label, weight, out)
    for j, column in enumerate(columns):
        there = ~np.isnan(column)
        w = weight if weighted else np.ones(N)
        for c in range(4):
            rows = there & (label == c)
            np.testing.assert_allclose(out[:, c, j], moments(column[rows], w[rows]), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            out[:, 4, j], moments(column[there], np.ones(there.sum())), rtol=1e-9, atol=1e-9
        )


def test_masks():
    random = np.random.default_rng(0)
    columns = (1e3 + random.normal(size=(3, N))).astype(np.float32)
    columns[2] = 7.0
    masks = np.stack([random.random(N), (random.random(N) < 0.2).astype(float), np.zeros(N)])
    masks[0, :TILE_ROWS] = 0.0  # a whole tile that counts nothing
    addresses = np.array([column.ctypes.data for column in columns], np.uint64)
    out = np.zeros((3, 3, 3))
    assert masked_moments(addresses, masks, out)
    for k, mask in enumerate(masks):
        for j, column in enumerate(columns.astype(float)):
            np.testing.assert_allclose(out[:, k, j], moments(column, mask), rtol=1e-9, atol=1e-9)
    assert (out[2, :, 2] == 0.0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_told(value):
    column = np.ones(N, np.float32)
    column[-1] = value
    assert not masked_moments(np.array([column.ctypes.data], np.uint64), np.ones((1, N)), np.zeros((3, 1, 1)))
