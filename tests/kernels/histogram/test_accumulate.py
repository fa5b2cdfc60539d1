"""Histograms against NumPy, and packed sums at the bound where another row would overflow."""

import numpy as np
import pytest

from scalable.kernels.histogram.accumulate import add_all_rows, add_histograms, add_rows, subtract_histogram
from scalable.kernels.histogram.packing import MOST_ROWS, Packing, packed, unpacked

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
def test_histograms_are_numpys(packing, dtype):
    bins, widths, gradient, hessian = made(packing, dtype)
    rest = (np.cumsum(widths) - widths, widths, packing.count_bits, packing.hessian_bits)
    sums = np.zeros((len(widths), max(256, widths.max())), np.int64)
    values = pack(packing, gradient, hessian)
    out = np.zeros((3, widths.sum()), np.int64)
    add_all_rows(words_of(bins), values, *rest, sums, out)
    np.testing.assert_array_equal(out, reference(bins, widths, gradient, hessian))
    assert not sums.any()
    chosen = np.random.default_rng(1).permutation(len(bins))[:1234].astype(np.uint32)
    some = np.zeros_like(out)
    add_rows(words_of(bins), values, chosen, *rest, sums, some)
    np.testing.assert_array_equal(some, reference(bins[chosen], widths, gradient[chosen], hessian[chosen]))
    others = np.setdiff1d(np.arange(len(bins)), chosen)
    subtract_histogram(out, some, 0, out.shape[1])
    np.testing.assert_array_equal(out, reference(bins[others], widths, gradient[others], hessian[others]))
    merged = np.full_like(out, 7)
    add_histograms(np.stack([out, some, some]), 3, 300, merged)
    np.testing.assert_array_equal(merged[:, 3:300], (out + 2 * some)[:, 3:300])
    assert (merged[:, :3] == 7).all()
    assert (merged[:, 300:] == 7).all()


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
    """Every row in one bin with the largest fields, over several blocks and a part of one."""
    n = 3 * packing.block_rows + 5
    values = np.full(
        n, packed(-packing.gradient_most, packing.hessian_most, packing.count_bits, packing.hessian_bits)
    )
    bins, widths = np.zeros((n, 1), np.uint8), np.array([2])
    for add in (add_all_rows, add_rows):
        out = np.zeros((3, 2), np.int64)
        rows = () if add is add_all_rows else (np.arange(n, dtype=np.uint32),)
        rest = (np.array([0]), widths, packing.count_bits, packing.hessian_bits)
        add(words_of(bins), values, *rows, *rest, np.zeros((1, 256), np.int64), out)
        hessian = packing.hessian_most if packing.hessian_bits else 1
        np.testing.assert_array_equal(out, [[-n * packing.gradient_most, 0], [n * hessian, 0], [n, 0]])


def test_one_more_bit_would_overflow():
    """The packing uses all 64 bits: the bound is not met by leaving precision unused."""
    for packing in PACKINGS:
        if packing.hessian_bits:
            used = packing.count_bits + packing.hessian_bits
            used += packing.gradient_most.bit_length() - 1 + packing.count_bits + 1
            assert used == 64
