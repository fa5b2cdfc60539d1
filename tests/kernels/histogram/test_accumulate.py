"""Histograms against NumPy, and packed sums at the bound where another row would overflow."""

import numpy as np
import pytest

from scalable.kernels.histogram.accumulate import (
    NARROW_SUMS,
    add_columns,
    add_rows,
    add_to,
    apart,
    flush,
    subtract,
)
from scalable.kernels.histogram.gain import FEATURE
from scalable.kernels.histogram.lists import Listed, RowLists
from scalable.kernels.histogram.packing import MOST_ROWS, Packing, packed, unpacked
from scalable.kernels.histogram.teamwork import JOB, Layout, Mine, Plane, Team, merge, sum_rows

PACKINGS = [
    Packing.of(bits, constant_hessian=constant) for bits in (4, 11, 13, 15) for constant in (False, True)
]


def pack(packing, gradient, hessian):
    high = gradient.astype(np.int64) << (packing.count_bits + packing.hessian_bits)
    middle = hessian.astype(np.int64) << packing.count_bits if packing.hessian_bits else 0
    return high + middle + 1


def words_of(bins):
    """The bins in rows that are filled with zeros to whole words of 32 bits."""
    a_word = 4 // bins.itemsize
    filled = np.zeros((len(bins), -(-bins.shape[1] // a_word) * a_word), bins.dtype)
    filled[:, : bins.shape[1]] = bins
    return filled.view(np.uint32)


def made(packing, dtype, n_rows=5000, widths=(3, 250, 17, 256, 1, 90), seed=0):
    rng = np.random.default_rng(seed)
    widths = np.array(widths if dtype == np.uint8 else [*widths, 1000])
    bins = np.column_stack([rng.integers(0, width, n_rows) for width in widths]).astype(dtype)
    gradient = rng.integers(-packing.gradient_most, packing.gradient_most, n_rows, endpoint=True)
    hessian = rng.integers(0, packing.hessian_most, n_rows, endpoint=True)
    hessian = hessian if packing.hessian_bits else np.ones(n_rows, np.int64)
    return bins, widths, gradient, hessian


def reference(bins, widths, gradient, hessian):
    out = np.zeros((3, widths.sum()), np.int64)
    for j, first in enumerate(np.cumsum(widths) - widths):
        for k, values in enumerate((gradient, hessian, np.ones_like(gradient))):
            np.add.at(out[k], first + bins[:, j], values)
    return out


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sums_of_a_block_are_numpys(packing, dtype):
    n = min(1234, packing.block_rows)
    bins, widths, gradient, hessian = made(packing, dtype)
    layout = (np.cumsum(widths) - widths, widths, packing.count_bits, packing.hessian_bits)
    sums = np.zeros((len(widths), apart(max(256, widths.max()))), np.int64)
    values, everything = pack(packing, gradient, hessian), np.arange(len(widths))
    rows = np.random.default_rng(1).permutation(len(bins))[: n + 7].astype(np.uint32)
    wanted = reference(*(bins[rows[7:]], widths, gradient[rows[7:]], hessian[rows[7:]]))
    out = np.full_like(wanted, 5)
    if dtype == np.uint8:
        add_rows(words_of(bins), values, rows, 7, n + 7, sums)
    else:
        add_columns(np.ascontiguousarray(bins), everything, values, rows, 7, n + 7, sums)
    flush(sums, everything, *layout, False, out)
    np.testing.assert_array_equal(out, wanted)
    assert not sums.any()
    some = np.array([1, 4])
    add_columns(np.ascontiguousarray(bins), some, values, rows, 7, n + 7, sums)
    flush(sums, some, *layout, True, out)  # added to what is there
    for j, first in enumerate(np.cumsum(widths) - widths):
        own = slice(first, first + widths[j])
        np.testing.assert_array_equal(out[:, own], wanted[:, own] * (2 if j in some else 1))
    assert not sums.any()


@pytest.mark.parametrize("n_columns", [1, 3, 4, 9, 28, 31, 32, 50, 67])
def test_every_number_of_columns_is_added_once(n_columns):
    packing = Packing.of(13, constant_hessian=False)
    bins, widths, gradient, hessian = made(packing, np.uint8, 300, [256] * n_columns)
    sums = np.zeros((n_columns, NARROW_SUMS), np.int64)
    add_rows(words_of(bins), pack(packing, gradient, hessian), np.arange(300, dtype=np.uint32), 0, 300, sums)
    out = np.zeros((3, 256 * n_columns), np.int64)
    bits = packing.count_bits, packing.hessian_bits
    flush(sums, np.arange(n_columns), np.cumsum(widths) - widths, widths, *bits, False, out)
    np.testing.assert_array_equal(out, reference(bins, widths, gradient, hessian))


def test_histograms_are_added_and_subtracted_between_two_bins():
    a, b = np.random.default_rng(0).integers(-50, 50, (2, 3, 40))
    for change, sign in ((add_to, 1), (subtract, -1)):
        changed = a.copy()
        change(changed, b, 5, 30)
        wanted = a.copy()
        wanted[:, 5:30] += sign * b[:, 5:30]
        np.testing.assert_array_equal(changed, wanted)


def team_of(bins, widths, packing, n_threads):
    """A team that can sum and merge, of two planes: the bins, and no columns of two bytes."""
    n, features = len(widths), np.zeros(len(widths), FEATURE)
    features["first"], features["n_bins"] = np.cumsum(widths) - widths, widths
    job, nothing = np.zeros(1, JOB), np.zeros(0, np.int64)
    job["count_bits"], job["hessian_bits"], job["small"], job["large"] = (
        packing.count_bits, packing.hessian_bits, 0, 1,
    )  # fmt: skip
    narrow = Layout(
        np.arange(n), features["first"].copy(), widths, np.zeros((n_threads, n, NARROW_SUMS), np.int64)
    )
    wide = Layout(nothing, nothing, nothing, np.zeros((n_threads, 0, NARROW_SUMS), np.int64))
    zeros, cuts = np.zeros(n_threads, np.int64), np.array([n * k // n_threads for k in range(n_threads + 1)])
    unused = dict.fromkeys(Team._fields, np.zeros(1, np.int64))
    shared = {
        "job": job, "counts": zeros, "flushed": zeros.copy(), "narrow": narrow, "wide": wide, "chosen": np.arange(n),
        "listed": Listed(np.full(n, -1), *[nothing] * 3, np.zeros((n_threads, 0), np.int64)),
        "place": np.column_stack([np.zeros(n, np.int64), np.arange(n)]),
        "runs": np.column_stack([np.arange(n), widths]), "run_cuts": cuts,
        "sums": narrow.sums.reshape(-1), "at": np.column_stack([np.arange(n), np.full(n, n)]) * NARROW_SUMS,
        "lefts": zeros.copy(), "features": features, "own": np.full((n_threads, 3, widths.sum()), 9),
        "pool": np.full((2, 3, widths.sum()), 9),
    }  # fmt: skip
    return Team(**(unused | shared))


def mine_of(bins, values):
    n, none = len(bins), np.zeros(0, np.uint32)
    narrow = Plane(bins, words_of(bins), np.ascontiguousarray(bins.T))
    wide = Plane(np.zeros((n, 0), np.uint16), np.zeros((n, 0), np.uint32), np.zeros((0, n), np.uint16))
    return Mine(narrow, wide, RowLists(np.zeros(1, np.int64), np.zeros(0, np.uint16)), values, none, none)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_no_sum_overflows_at_the_bound(packing, sign):
    """A whole block of rows whose every field is the largest there may be: the sums are exact, no field runs over."""
    n = packing.block_rows
    most = packed(
        sign * packing.gradient_most, packing.hessian_most, packing.count_bits, packing.hessian_bits
    )
    total = n * int(most)  # in Python's own integers, which have no bound
    assert -(2**63) <= total < 2**63
    gradient, hessian, count = unpacked(np.int64(total), packing.count_bits, packing.hessian_bits)
    assert (gradient, count) == (sign * n * packing.gradient_most, n)
    assert hessian == (n * packing.hessian_most if packing.hessian_bits else n)
    assert max(packing.gradient_most, packing.hessian_most) * MOST_ROWS < 2**63


@pytest.mark.parametrize("packing", [p for p in PACKINGS if p.count_bits == 11])
def test_blocks_are_flushed_before_they_overflow(packing):
    """Two threads' rows, all in one bin with the largest fields, over several blocks and a part of one."""
    sizes = 3 * packing.block_rows + 5, packing.block_rows
    most = packed(-packing.gradient_most, packing.hessian_most, packing.count_bits, packing.hessian_bits)
    widths = np.array([2])
    team = team_of(np.zeros((1, 1), np.uint8), widths, packing, 2)
    for k, n in enumerate(sizes):
        mine = mine_of(np.zeros((n, 1), np.uint8), np.full(n, most))
        team.counts[k], team.flushed[k] = n, sum_rows(k, team, mine, np.arange(n, dtype=np.uint32))
    assert team.flushed.tolist() == [1, 0]
    merge(0, team)
    merge(1, team)
    n, hessian = sum(sizes), packing.hessian_most if packing.hessian_bits else 1
    np.testing.assert_array_equal(team.pool[0], [[-n * packing.gradient_most, 0], [n * hessian, 0], [n, 0]])
    for k in range(2):  # the next job begins anew
        mine = mine_of(np.zeros((1, 1), np.uint8), np.full(1, most))
        team.counts[k], team.flushed[k] = 1, sum_rows(k, team, mine, np.zeros(1, np.uint32))
    merge(0, team)
    merge(1, team)
    assert team.pool[0][2].tolist() == [2, 0]


def test_one_more_bit_would_overflow():
    """The packing uses all 64 bits: the bound is not met by leaving precision unused."""
    for packing in PACKINGS:
        if packing.hessian_bits:
            used = packing.count_bits + packing.hessian_bits
            used += packing.gradient_most.bit_length() - 1 + packing.count_bits + 1
            assert used == 64
