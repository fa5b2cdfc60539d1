"""Forest kernels against plain NumPy and Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.inference.forest.decisions import planes_of
from scalable.kernels.forest import links
from scalable.kernels.forest.bitplanes import PLANE, ROWS, mark, split, transpose8
from scalable.kernels.forest.category import category_class, transpose64
from scalable.kernels.forest.labels import label_trees
from scalable.kernels.forest.rank import (
    MAX_THRESHOLDS,
    RANK_NAN,
    RANK_ZERO,
    ZERO,
    ladder_of,
    rank_column,
    rounded_down,
    threshold_planes,
)
from scalable.kernels.forest.tables import COLUMN
from scalable.kernels.jit import kernel


def aligned(n_bytes):
    raw = np.zeros(n_bytes + 64, np.uint8)
    first = -raw.ctypes.data % 64
    return raw[first : first + n_bytes]


def one_column(**values):
    column = np.zeros(1, COLUMN)
    for name, value in values.items():
        column[name] = value
    return column[0]


def ranks_of(x, thresholds, kind, special, narrow=False):
    high, low = np.zeros(ROWS, np.uint8), np.zeros(ROWS, np.uint8)
    buffer = np.zeros(ROWS)
    buffer[: len(x)] = x
    column, ladders = (
        one_column(count=len(thresholds), kind=kind, missing=special),
        np.r_[0.0, ladder_of(thresholds)],
    )
    rank_column(buffer, len(x), rounded_down(ladders) if narrow else ladders, 1, column, high, low)
    return high[: len(x)].astype(int) * 16 + low[: len(x)]


@pytest.mark.parametrize("n", [1, 15, 16, 17, 255, 256, 257, 4079, MAX_THRESHOLDS])
def test_ranks_among_any_number_of_thresholds(n):
    t = np.unique(np.random.default_rng(n).normal(size=2 * n))[:n]
    t[-1] = np.inf if n % 2 else t[-1]
    near = np.random.default_rng(0).choice(t, 100)
    x = np.r_[near, np.nextafter(near, -np.inf), t[[0, -1]], -np.inf, np.inf, np.nan]
    expected = np.where(np.isnan(x), 5, np.searchsorted(t, x, "left"))
    np.testing.assert_array_equal(ranks_of(x, t, RANK_NAN, 5), expected)


doubles = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=60)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=200, unique=True),
    st.lists(doubles, min_size=1, max_size=40),
)
def test_rank_counts_thresholds_below(thresholds, values):
    t = np.unique(thresholds)
    with np.errstate(over="ignore"):
        x = np.r_[values, t, np.nextafter(t, np.inf), np.nextafter(t, -np.inf)][:ROWS]
    expected = np.where(np.isnan(x), 7, np.searchsorted(t, x, "left"))
    np.testing.assert_array_equal(ranks_of(x, t, RANK_NAN, 7), expected)
    expected = np.where(np.isnan(x) | (np.abs(x) <= ZERO), 3, np.searchsorted(t, x, "left"))
    np.testing.assert_array_equal(ranks_of(x, t, RANK_ZERO, 3), expected)
    with np.errstate(over="ignore"):
        x = x.astype(np.float32).astype(np.float64)
    expected = np.where(np.isnan(x), 7, np.searchsorted(t, x, "left"))
    np.testing.assert_array_equal(ranks_of(x, t, RANK_NAN, 7, narrow=True), expected)


@kernel()
def planes_kernel(high, low, count, planes):
    threshold_planes(np.uintp(high), np.uintp(low), count, np.uintp(planes))


@pytest.mark.parametrize("count", [1, 15, 16, 17, 255, 256, 1000])
def test_threshold_planes_are_rank_greater_than_k(count):
    rank = np.random.default_rng(count).integers(0, count + 1, ROWS)
    chunks = -(-count // 16)
    n_planes = int(planes_of(np.array([one_column(count=count, kind=RANK_NAN)]))[0])
    high, low, planes = aligned(ROWS), aligned(ROWS), aligned(n_planes * PLANE)
    high[:], low[:] = rank // 16, rank % 16
    planes_kernel(high.ctypes.data, low.ctypes.data, count, planes.ctypes.data)
    chunk, place = np.split(np.unpackbits(planes.reshape(-1, PLANE), axis=1, bitorder="little"), [chunks + 1])
    h, k = np.divmod(np.arange(count), 16)
    np.testing.assert_array_equal(
        chunk[h + 1] | (chunk[h] & place[k]), rank[None] > np.arange(count)[:, None]
    )


@kernel()
def split_kernel(memory):
    base, size = np.uintp(memory), np.uintp(PLANE)
    above, low = base + size, base + np.uintp(6) * size
    split(base, above, low, base + np.uintp(3) * size, base + np.uintp(4) * size, base + np.uintp(5) * size)
    mark(base, above, low, base + np.uintp(7) * size)


def test_split_and_mark_are_bit_algebra():
    memory = aligned(8 * PLANE)
    memory[:] = np.random.default_rng(0).integers(0, 256, len(memory))
    before = memory.reshape(8, PLANE).copy()
    split_kernel(memory.ctypes.data)
    here, at_least, beyond, _, _, code, low, other = before
    plane, after = beyond | (at_least & low), memory.reshape(8, PLANE)
    np.testing.assert_array_equal(after[3], here & ~plane)
    np.testing.assert_array_equal(after[4], here & plane)
    np.testing.assert_array_equal(after[5], code ^ (here & plane))
    np.testing.assert_array_equal(after[7], other ^ (here & plane))


@kernel()
def transpose_kernel(planes, out):
    for half in range(0, PLANE, 32):
        transpose8(np.uintp(planes + half), np.uintp(out + half))


def test_transpose8_gives_each_row_its_byte_and_clears_the_planes():
    planes, out = aligned(8 * PLANE), aligned(ROWS)
    planes[:] = np.random.default_rng(1).integers(0, 256, len(planes))
    bits = np.unpackbits(planes.reshape(8, PLANE), axis=1, bitorder="little")
    transpose_kernel(planes.ctypes.data, out.ctypes.data)
    label = np.packbits(bits.T, axis=1, bitorder="little")[:, 0]
    row = np.arange(ROWS)
    np.testing.assert_array_equal(out[(row & 7) * PLANE + (row >> 3)], label)
    assert not planes.any()


def test_transpose64_swaps_bits_and_words():
    m = np.random.default_rng(2).integers(0, 2**63, 64).astype(np.uint64) * np.uint64(2) + np.uint64(1)
    bits = np.unpackbits(m.view(np.uint8).reshape(64, 8), axis=1, bitorder="little")
    transpose64(m)
    turned = np.unpackbits(m.view(np.uint8).reshape(64, 8), axis=1, bitorder="little")
    np.testing.assert_array_equal(turned, bits.T)


@given(doubles)
def test_category_class_truncates_like_a_c_cast(value):
    table = np.arange(100, 120, dtype=np.uint32)
    known = not math.isnan(value) and not math.isinf(value) and 0 <= math.trunc(value) < 17
    column = one_column(first=3, count=17, missing=1)
    elsewhere = 1 if math.isnan(value) else 0
    assert category_class(value, table, column) == (103 + math.trunc(value) if known else elsewhere)


@pytest.mark.parametrize(("leaves", "spare"), [(2, 0), (5, 0), (63, 1), (64, 0), (255, 0), (700, 0)])
def test_labels_are_distinct_and_flips_lead_to_them(leaves, spare):
    rng = np.random.default_rng(leaves)
    left, right, parent_of = (
        np.full(leaves - 1, -1, np.int32),
        np.full(leaves - 1, -2, np.int32),
        {0: (0, 0), 1: (0, 1)},
    )
    for node in range(1, leaves - 1):  # split a random leaf, as LightGBM does
        leaf = int(rng.integers(node + 1))
        above, side = parent_of[leaf]
        (right if side else left)[above] = node
        left[node], right[node] = ~leaf, ~(node + 1)
        parent_of[leaf], parent_of[node + 1] = (node, 0), (node, 1)
    bits = math.ceil(math.log2(leaves)) + spare
    node_label, flip = np.zeros(leaves - 1, np.int64), np.zeros(leaves - 1, np.int64)
    leaf_label = np.zeros(leaves, np.int64)
    label_trees(
        np.array([0, leaves - 1]), np.array([0, leaves]), np.arange(leaves - 1), left, right, np.array([bits]),
        np.zeros(1 << bits, bool), node_label, flip, leaf_label,
    )  # fmt: skip
    assert len(set(leaf_label)) == leaves
    assert leaf_label.min() >= 0
    assert leaf_label.max() < 1 << bits
    for leaf in range(leaves):
        label, node = 0, 0
        path = []
        child = leaf
        above, side = parent_of[leaf]
        while True:
            path.append((above, side))
            if above == 0:
                break
            child = above
            above = next(k for k in range(leaves - 1) if child in (left[k], right[k]))
            side = int(right[above] == child)
        for node, side in reversed(path):
            label ^= flip[node] if side else 0
        assert label == leaf_label[leaf]


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        (links.IDENTITY, lambda v: v),
        (links.SIGMOID, lambda v: 1 / (1 + math.exp(-1.5 * v))),
        (links.EXP, math.exp),
        (links.LOG1P_EXP, lambda v: math.log1p(math.exp(v))),
        (links.SIGNED_SQUARE, lambda v: math.copysign(v * v, v) if v else 0.0),
    ],
)
def test_links_are_scalar_libm(kind, reference):
    scores = np.r_[0.0, -0.0, np.random.default_rng(0).uniform(-30, 30, 500)]
    got = scores.reshape(-1, 1).copy()
    links.link_rows(got, kind, 1.5)
    np.testing.assert_array_equal(got[:, 0], [reference(v) for v in scores])


def test_softmax_subtracts_the_largest():
    scores = np.random.default_rng(0).uniform(-800, 800, (200, 4))
    got = scores.copy()
    links.link_rows(got, links.SOFTMAX, 1.0)
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(got, shifted / shifted.sum(axis=1, keepdims=True), rtol=1e-14)
