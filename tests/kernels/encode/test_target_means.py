import numpy as np
import pytest

from scalable.kernels.encode.target_means import N_FOLDS, add_targets, folds_of, take_cross_fitted, take_means


def some_rows(n=5000, n_slots=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_slots, n).astype(np.int32), rng.integers(0, 4, n).astype(np.float64)


def folds(first, n):
    out = np.empty(n, np.int64)
    folds_of(first, out)
    return out


def test_folds_belong_to_rows_and_are_even():
    whole = folds(0, 100_000)
    assert np.array_equal(folds(70_000, 100), whole[70_000:70_100])
    assert (np.abs(np.bincount(whole, minlength=N_FOLDS) - 100_000 / N_FOLDS) < 600).all()
    assert folds(2**62, 10).min() >= 0


@pytest.mark.parametrize("dtype", [np.uint32, np.float64])
def test_targets_are_counted_by_slot_and_fold(dtype):
    slots, target = some_rows()
    counts, sums = np.zeros((41, N_FOLDS), np.uint32), np.zeros((41, N_FOLDS, 1), dtype)
    add_targets(slots[:1234], target[:1234], 77, counts, sums)
    add_targets(slots[1234:], target[1234:], 77 + 1234, counts, sums)
    expected, total = np.zeros((41, N_FOLDS)), np.zeros((41, N_FOLDS))
    np.add.at(expected, (slots, folds(77, 5000)), 1)
    np.add.at(total, (slots, folds(77, 5000)), target)
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_array_equal(sums[..., 0], total)


def test_classes_are_counted_apart_and_those_without_a_mean_not_at_all():
    slots, target = some_rows()
    counts, sums = np.zeros((41, N_FOLDS), np.uint32), np.zeros((41, N_FOLDS, 3), np.uint32)
    add_targets(slots, target, 0, counts, sums)
    for k in range(3):
        expected = np.zeros((41, N_FOLDS))
        np.add.at(expected, (slots, folds(0, 5000)), target == k)
        np.testing.assert_array_equal(sums[..., k], expected)
    none = np.zeros((41, N_FOLDS, 0), np.uint32)
    add_targets(slots, target, 0, counts, none)
    assert counts.sum() == 10_000


@pytest.mark.parametrize("n_means", [0, 1, 3])
def test_rows_are_taken_with_and_without_their_fold(n_means):
    slots, _ = some_rows()
    rng = np.random.default_rng(1)
    table = rng.random((41, n_means + 1)).astype(np.float32)
    out = np.empty((n_means + 1, 5000), np.float32)
    take_means(slots, table, out)
    np.testing.assert_array_equal(out, table[slots].T)
    means, share = rng.random((41, N_FOLDS, n_means)), rng.random((41, 1))
    joined = np.concatenate([means.reshape(41, -1), share], axis=1).astype(np.float32)
    take_cross_fitted(slots, 9, joined, out)
    np.testing.assert_array_equal(out[:n_means], means[slots, folds(9, 5000)].T.astype(np.float32))
    np.testing.assert_array_equal(out[n_means], share[slots, 0].astype(np.float32))
