import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scalable.kernels.linear.few_categories import MOST_CATEGORIES, SUMS, gather_narrow, narrow_features


def ranges_of(ids):
    ranges = np.full((len(ids), 2), -1, np.int64)
    narrow_features(np.array(ids, np.int32), ranges)
    return ranges.tolist()


def test_features_of_few_categories_that_share_none_are_found():
    wide = [200, 200 + MOST_CATEGORIES, 300]
    assert ranges_of([[0, 3, 2], [4, 4, 4], wide]) == [[0, 4], [4, 5], [0, 0]]
    assert ranges_of([[0, 3, 2], [3, 4, 4], [9, 9, 8]]) == [[0, 0], [0, 0], [8, 10]]
    assert ranges_of([[7, 7 + MOST_CATEGORIES - 1, 7]]) == [[7, 7 + MOST_CATEGORIES]]


def test_no_rows_and_no_features():
    assert ranges_of(np.empty((0, 5))) == []
    narrow_features(np.empty((2, 0), np.int32), np.zeros((2, 2), np.int64))


@given(st.lists(st.tuples(st.integers(5, 9), st.integers(-3, 3)), max_size=40))
def test_gradients_are_summed_by_level(rows):
    slots = np.array([slot for slot, _ in rows], np.int32)
    r = np.array([value for _, value in rows], np.float32)
    touched, copies = np.empty(MOST_CATEGORIES + 1, np.uint32), np.empty((7, MOST_CATEGORIES + 1))
    n = gather_narrow(slots, 5, 10, r, np.empty((SUMS, MOST_CATEGORIES), np.float32), touched, copies)
    expected = np.bincount(slots - 5, r, 5) if rows else np.zeros(5)
    assert touched[:n].tolist() == [5 + k for k in np.flatnonzero(expected)]
    np.testing.assert_array_equal(copies[0, :n], expected[expected != 0])
