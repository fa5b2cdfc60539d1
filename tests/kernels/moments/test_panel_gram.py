"""Second moments of columns equal NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from scalable.kernels.buffers import aligned
from scalable.kernels.moments.panel_gram import FOUR, PANEL, TILE_ROWS, second_moments


def found(columns):
    d, n = columns.shape
    panels, mean = aligned((-(-d // PANEL), TILE_ROWS, PANEL), float), np.empty(d)
    square = aligned((-(-d // FOUR) * FOUR, len(panels) * PANEL), float)
    addresses = np.array([column.ctypes.data for column in columns], np.uint64)
    finite = second_moments(addresses, np.empty(0, columns.dtype), n, panels, mean, square)
    return finite, mean, square[:d, :d]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("d", "n"), [(1, 1), (3, 2), (28, 1_000), (77, 207), (5, 3 * TILE_ROWS)])
def test_they_are_numpys(dtype, d, n):
    random = np.random.default_rng(0)
    columns = (random.normal(size=(d, n)) + 1e3 * np.arange(d)[:, None]).astype(dtype)
    columns[-1] = np.arange(n)  # a trend: the first rows are far from the mean
    finite, mean, square = found(columns)
    wide = columns.astype(float)
    apart = wide - wide.mean(axis=1, keepdims=True)
    assert finite
    np.testing.assert_allclose(mean, wide.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(
        square[np.triu_indices(d)], (apart @ apart.T)[np.triu_indices(d)], rtol=1e-10, atol=1e-8
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_told(value):
    columns = np.ones((3, 700))
    columns[1, 650] = value
    assert not found(columns)[0]
