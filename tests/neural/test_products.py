"""A row's scores do not depend on the rows beside it."""

import numpy as np
import pytest

from scalable.kernels.neural.products import rows_times
from scalable.neural.network import Network, Shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("d", "m"), [(0, 3), (1, 1), (7, 5), (40, 16), (64, 1), (129, 67)])
def test_a_product(d, m, dtype):
    random = np.random.default_rng(d)
    h, weights = random.normal(size=(53, d)).astype(dtype), random.normal(size=(d, m)).astype(dtype)
    out, summed = np.empty((53, m), dtype), np.zeros((53, m), dtype)
    rows_times(h, weights, out)
    for k in range(d):
        summed += h[:, k : k + 1] * weights[k]
    np.testing.assert_array_equal(out, summed)


@pytest.mark.parametrize(("pieces", "frequencies"), [((), 0), ((4,) * 20, 0), ((), 3)])
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_neighbours_change_nothing(norm, pieces, frequencies):
    network = Network(
        Shape(20, 2, 30, (33, 33), 3, norm=norm, residual=True, pieces=pieces, frequencies=frequencies)
    )
    random = np.random.default_rng(0)
    network.initialise(random)
    if pieces:
        network.edges[:] = np.tile(np.linspace(-1.0, 1.0, 5), 20)
    x = random.normal(size=(300, 20)).astype(np.float32)
    ids = random.integers(0, 30, (300, 2)).astype(np.int32)
    whole = network.forward(x, ids).copy()
    order = random.permutation(300)
    np.testing.assert_array_equal(network.forward(x[order], ids[order]), whole[order])
    for i in range(0, 300, 37):
        np.testing.assert_array_equal(network.forward(x[i : i + 1], ids[i : i + 1])[0], whole[i])
