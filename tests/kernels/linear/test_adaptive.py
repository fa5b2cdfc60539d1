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


@pytest.mark.parametrize("name", ["normalized", "adagrad"])
def test_merging_is_settling_every_replica_and_summing_what_each_learned(name):
    rng, n, steps = np.random.default_rng(1), 1_300, np.array([40.0, 37.0, 44.0])
    tables = rng.normal(size=(4, n, o.FIELDS)).astype(np.float32)
    tables[..., o.SEEN] = rng.integers(0, 38, (4, n))
    tables[..., o.S0], tables[..., o.RATE_CUT] = rng.random(n), 0.25
    tables[1:, : n // 2, o.S0] += rng.random((3, n // 2), np.float32)  # the others learned nothing
    hyper, factors = o.hyper_parameters(o.OPTIMIZERS[name][1], l1=1e-4, l2=0.1), rng.random(n) * 2
    prior = rng.random(n) * (rng.random(n) < 0.5)
    before, last = tables[0].astype(np.float64), steps.max() + 1

    def still(t):
        return before[:, o.W] + (before[:, o.AVERAGE] - before[:, o.W]) * (before[:, o.SEEN] / t) ** 4

    learned, moved, averages = prior.copy(), np.zeros(n), np.zeros(n)
    for table, t in zip(tables[1:], steps, strict=True):
        settled = table[None].copy()
        adaptive.flush_adaptive(hyper, settled, factors, t)
        grown = (settled[0] - before)[:, o.S0]
        learned += grown
        moved += (prior + grown) * (settled[0, :, o.W] - before[:, o.W])
        averages += (prior + grown) * (settled[0, :, o.AVERAGE] - still(t + 1))
    learned[learned == 0.0] = 1.0
    expected = before.copy()
    expected[:, o.W] += moved / learned
    expected[:, o.AVERAGE] = still(last) + averages / learned
    expected[:, o.S0] += (tables[1:, :, o.S0] - before[:, o.S0]).sum(axis=0)
    expected[:, o.SEEN] = last

    addresses = np.array([table.__array_interface__["data"][0] for table in tables[1:]], np.uint64)
    adaptive.merge_adaptive(hyper, tables[0], addresses, steps, prior, factors, tables[1])
    np.testing.assert_allclose(tables[1], expected, rtol=2e-5, atol=1e-6)
    assert tables[0].tobytes() == before.astype(np.float32).tobytes()
