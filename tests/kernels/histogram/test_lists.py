"""Histograms of listed rows are those of every value visited: bit for bit, in every packing and block."""

import numpy as np
import pytest

from scalable.kernels.histogram.lists import Listed, RowLists, add_lists, complete, count_others, list_others
from scalable.kernels.histogram.packing import Packing, packed, unpacked

WIDTHS, USUAL = np.array([2, 9, 256, 1, 2, 700]), np.array([0, 8, 31, 0, 1, 699])
FIRST = np.concatenate([[0], np.cumsum(WIDTHS)])
N = 3000


def columns():
    """Bins, most of them the usual ones; one column has one bin, the next is never usual."""
    rng = np.random.default_rng(0)
    out = np.array(
        [np.where(rng.random(N) < 0.1, rng.integers(0, n, N), u) for n, u in zip(WIDTHS, USUAL, strict=True)]
    )
    out[4] = 0
    return out


def lists_of(bins, dtype):
    ends, narrow, wide = np.zeros(N + 1, np.int64), bins[:5].astype(np.uint8), bins[5:].astype(np.uint16)
    count_others(narrow, USUAL[:5], ends[1:])
    count_others(wide, USUAL[5:], ends[1:])
    np.cumsum(ends, out=ends)
    places, entries = ends[:-1].copy(), np.empty(ends[-1], dtype)
    list_others(narrow, USUAL[:5], FIRST[:5], places, entries)
    list_others(wide, USUAL[5:], FIRST[5:6], places, entries)
    np.testing.assert_array_equal(places, ends[1:])
    return RowLists(ends, entries)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_rows_list_the_bins_that_are_not_usual(dtype):
    bins = columns()
    lists = lists_of(bins, dtype)
    for row in (0, 1, 511, 512, N - 1):
        wanted = [FIRST[j] + bins[j, row] for j in range(6) if bins[j, row] != USUAL[j]]
        assert lists.entries[lists.ends[row] : lists.ends[row + 1]].tolist() == wanted


@pytest.mark.parametrize("chosen", [[0, 1, 2, 3, 4, 5], [1, 4], []])
@pytest.mark.parametrize("packing", [Packing.of(bits, constant_hessian=bits == 11) for bits in (4, 11, 13)])
def test_sums_are_those_of_all_values_at_the_bound(packing, chosen):
    """The largest fields of either sign, a whole block: what is left for the usual bin borrows from no field."""
    rng = np.random.default_rng(1)
    bins, rows = columns(), rng.permutation(N)[: min(N, packing.block_rows)].astype(np.uint32)
    gradient = rng.choice([-packing.gradient_most, packing.gradient_most], N)
    hessian = rng.choice([0, packing.hessian_most], N)
    values = np.array(
        [
            packed(g, h, packing.count_bits, packing.hessian_bits)
            for g, h in zip(gradient, hessian, strict=True)
        ]
    )
    sums, chosen = np.zeros(FIRST[-1], np.int64), np.array(chosen, np.int64)
    total = add_lists(lists_of(bins, np.uint16), values, rows, 0, len(rows), sums)
    complete(total, Listed(np.arange(6), chosen, USUAL, FIRST, sums[None]), sums)
    if not packing.hessian_bits:
        hessian = np.ones(N, int)
    for j in chosen:
        for b in range(WIDTHS[j]):
            own = rows[bins[j, rows] == b]
            found = unpacked(sums[FIRST[j] + b], packing.count_bits, packing.hessian_bits)
            assert found == (gradient[own].sum(), hessian[own].sum(), len(own))
