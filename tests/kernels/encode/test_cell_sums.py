"""Sums by cells equal NumPy's: searches from both sides of the edges, and counts with weights."""

from __future__ import annotations

import numpy as np
import pytest

from scalable.kernels.encode.cell_sums import STRIP, add_to_cells, cells_of_numbers

MISSING = 99


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_edges", [1, 2, 17, 31])
def test_cells_of_numbers(n_edges, dtype):
    rng = np.random.default_rng(n_edges)
    edges = np.unique(rng.integers(-40, 40, n_edges)).astype(np.float64)
    x = np.round(rng.normal(size=3 * STRIP + 7) * 20.0).astype(dtype)
    x[:3] = np.nan, np.inf, -np.inf
    padded = np.full(32, np.nan)
    padded[: len(edges)] = edges
    cells = np.empty(len(x), np.int32)
    cells_of_numbers(x, padded, 5, MISSING, cells)
    expected = np.searchsorted(edges, x, "left") + np.searchsorted(edges, x, "right")
    np.testing.assert_array_equal(cells, np.where(np.isnan(x), MISSING, expected))
    assert len(set(cells.tolist())) > 2


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [0, 3])
def test_add_to_cells(n_classes, weighted):
    rng = np.random.default_rng(0)
    n, n_cells = 1_000, 7
    cells, halves = rng.integers(0, n_cells, n).astype(np.int32), rng.integers(0, 2, n).astype(np.uint8)
    y = rng.integers(0, n_classes, n).astype(np.float64) if n_classes else rng.normal(size=n)
    weight = rng.random(n) if weighted else np.empty(0)
    sums = np.ones((2, n_cells, 1 + 2 * max(1, n_classes)))
    add_to_cells(cells, halves, y, weight, n_classes > 0, sums)
    w = weight if weighted else np.ones(n)
    outputs = [(y == k).astype(float) for k in range(n_classes)] or [y]
    columns = [w, *(w * o for o in outputs), *(w * o * o for o in outputs)]
    expected = [np.bincount(halves * n_cells + cells, each, 2 * n_cells) for each in columns]
    np.testing.assert_allclose(sums, 1.0 + np.stack(expected, axis=-1).reshape(sums.shape), rtol=1e-12)
