"""Partitions, leaf marks, leaf sums and walks against NumPy."""

import numpy as np
import pytest

from scalable.kernels.histogram.leaf_sums import add_leaf_values, leaf_sums
from scalable.kernels.histogram.objectives import L2, OBJECTIVE
from scalable.kernels.histogram.partition import (
    NO_LEAF,
    chosen_rows,
    mark_leaves,
    number_rows,
    partition,
    transpose,
    walk,
)


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 1000])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_partition_is_stable(n, dtype):
    rng = np.random.default_rng(n)
    column = rng.integers(0, 200, 2000).astype(dtype)
    table = rng.integers(0, 2, 200).astype(np.uint8)
    rows = rng.permutation(2000)[:n].astype(np.uint32)
    wanted = np.concatenate([rows[table[column[rows]] == 1], rows[table[column[rows]] == 0]])
    n_left = partition(column, table, rows, np.empty(2000, np.uint32))
    np.testing.assert_array_equal(rows, wanted)
    assert n_left == table[column[wanted]].sum()


def test_rows_are_numbered_chosen_and_transposed():
    rows = np.empty(1000, np.uint32)
    number_rows(rows)
    np.testing.assert_array_equal(rows, np.arange(1000))
    flags = (np.arange(1000) % 7 == 0).astype(np.uint8) * 2
    n = chosen_rows(flags, rows)
    np.testing.assert_array_equal(rows[:n], np.flatnonzero(flags))
    columns = np.random.default_rng(0).integers(0, 255, (5, 300)).astype(np.uint8)
    bins = np.zeros((300, 5), np.uint8)
    transpose(columns, 17, 290, bins)
    np.testing.assert_array_equal(bins[17:290], columns.T[17:290])
    assert not bins[:17].any()
    assert not bins[290:].any()


def test_leaf_sums_are_those_of_float64_to_the_unit():
    rng = np.random.default_rng(0)
    n = 5000
    order, edges = rng.permutation(n).astype(np.uint32), np.array([0, 1200, 1200, 4000])
    counts = np.array([1200, 0, 2500, 900])
    leaf = np.full(n, NO_LEAF)
    mark_leaves(order, edges, counts, leaf)
    inside = leaf != NO_LEAF
    assert inside.sum() == counts.sum()
    objective = np.zeros(1, OBJECTIVE)
    objective["code"] = L2
    score, label = rng.normal(size=n), rng.normal(size=n).astype(np.float32)
    scale, out = 2.0**40, np.zeros((5, 2), np.int64)
    nothing = np.empty(0, np.float32), np.empty(0, np.uint8), np.empty((2, 0), np.float32)
    leaf_sums(objective, score, label, *nothing, leaf, scale, 2.0**10, out)
    residual = score - label
    for k in range(4):
        assert abs(out[k, 0] / scale - residual[leaf == k].sum()) < n / scale
        assert out[k, 1] == counts[k] * 2**10
    values = rng.normal(size=4)
    leaf[~inside] = 0
    wanted = score + values[leaf]
    add_leaf_values(values, leaf, score)
    np.testing.assert_array_equal(score, wanted)


def test_rows_walk_over_columns_of_two_widths():
    rng = np.random.default_rng(0)
    narrow, wide = (
        rng.integers(0, 4, (500, 2)).astype(np.uint8),
        rng.integers(0, 600, (500, 1)).astype(np.uint16),
    )
    goes_left = np.zeros((3, 600), np.uint8)
    goes_left[0, :2] = goes_left[1, :300] = goes_left[2, [0, 3]] = 1
    children = np.array([[1, ~0], [2, ~1], [~2, ~3]])
    leaf, node = np.full(500, NO_LEAF), np.zeros(500, np.uint32)
    leaf[5] = 2  # has arrived already
    for _ in range(2):
        walk(narrow, np.array([1, -1, 0]), goes_left, children, leaf, node)
        walk(wide, np.array([-1, 0, -1]), goes_left, children, leaf, node)
    last = np.where(np.isin(narrow[:, 0], [0, 3]), 2, 3)
    wanted = np.where(narrow[:, 1] < 2, np.where(wide[:, 0] < 300, last, 1), 0)
    wanted[5] = 2
    np.testing.assert_array_equal(leaf, wanted)
