"""Tables of target means are sent as their used cells, and arrive with the same bits."""

import pickle

import numpy as np
import pytest

from scalable.features.target_encoding.means import TargetSums

RNG = np.random.default_rng(0)


def sums(n_cells, n_rows, n_means, *, classes):
    found = TargetSums.zeros(n_cells, n_means, classes=classes)
    cells, folds = RNG.integers(0, n_cells + 1, n_rows), RNG.integers(0, 4, n_rows)
    np.add.at(found.counts, (cells, folds), 1)
    np.add.at(found.sums, (cells, folds), 1 if classes else RNG.normal(size=(n_rows, n_means)))
    return found


@pytest.mark.parametrize("n_rows", [0, 1, 5000, 400_000])
@pytest.mark.parametrize(("n_means", "classes"), [(1, True), (1, False), (3, True), (0, True)])
def test_tables_arrive_with_their_bits(n_rows, n_means, classes):
    sent = sums(2**16, n_rows, n_means, classes=classes)
    sent.sums[7] = 0 if classes else -0.0  # not the zero of other cells
    means, others = sent.finish(hide=True)
    for each, names in ((sent, ("counts", "sums")), (means, ("table",)), (others, ("table",))):
        bytes_sent = pickle.dumps(each)
        arrived = pickle.loads(bytes_sent)
        for name in names:
            before, after = getattr(each, name), getattr(arrived, name)
            assert (before.dtype, before.shape, before.tobytes()) == (
                after.dtype,
                after.shape,
                after.tobytes(),
            )
            assert after.flags.c_contiguous
            assert after.flags.writeable
        if n_rows <= 5000:
            assert 2 * len(bytes_sent) < sum(getattr(each, name).nbytes for name in names)
    arrived = pickle.loads(pickle.dumps(means))
    assert (arrived.prior, arrived.strength) == (means.prior, means.strength)


def test_sums_that_arrived_can_be_added_to():
    first, second = (sums(2**16, 3000, 1, classes=True) for _ in range(2))
    arrived = pickle.loads(pickle.dumps(first))
    arrived.add(pickle.loads(pickle.dumps(second)))
    np.testing.assert_array_equal(arrived.counts, first.counts + second.counts)
    np.testing.assert_array_equal(arrived.sums, first.sums + second.sums)
