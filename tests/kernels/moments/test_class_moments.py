"""Moments within classes equal NumPy's, by rows and by masks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.raw_block import float_columns
from scalable.kernels.moments.class_moments import TILE_ROWS, class_moments, masked_moments

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


def masked(columns, label, weight, n_classes):
    """Return whether it went well, and the moments of columns in memory."""
    raw = float_columns([pa.array(column) for column in columns])
    out = np.zeros((3, n_classes + bool(weight.size), len(columns)))
    like = np.empty(0, columns.dtype)
    return masked_moments(raw, None, like, label, weight, np.empty(TILE_ROWS, np.float32), out), out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_masks(dtype, weighted):
    random = np.random.default_rng(0)
    label = random.integers(0, 3, N).astype(float)
    label[:TILE_ROWS][label[:TILE_ROWS] == 1.0] = 0.0  # a class that is not in the first tile
    columns = (1e3 + random.normal(size=(4, N))).astype(dtype)
    columns[1] += (1e5 * label).astype(dtype)  # classes are far from each other
    columns[2] = 7.0
    columns[3] = np.arange(N)
    weight = random.random(N) if weighted else np.empty(0)
    well, out = masked(columns, label, weight, 4)
    assert well
    for j, column in enumerate(columns.astype(float)):
        for c in range(4):
            mask = (label == c) * (weight if weighted else 1.0)
            np.testing.assert_allclose(out[:, c, j], moments(column, mask), rtol=1e-9, atol=1e-9)
        if weighted:
            np.testing.assert_allclose(out[:, 4, j], moments(column, np.ones(N)), rtol=1e-9, atol=1e-9)
    assert (out[2, :, 2] == 0.0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_told(value):
    column = np.ones((1, N), np.float32)
    column[0, -1] = value
    assert not masked(column, np.zeros(N), np.empty(0), 2)[0]
