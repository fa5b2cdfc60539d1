"""The metric kernels against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.kernels import metrics

BITS = 6
unit = st.floats(0.0, 1.0, allow_subnormal=True) | st.integers(-1074, 0).map(lambda power: 2.0**power)


def reference_bin(p: float, bits: int) -> int:
    """The definition by logarithms of powers of two, without looking at bit patterns."""
    coarse, rest = 2 ** max(bits - 5, 0), 2 ** max(bits - 10, 0)
    octaves = 1023 - 65  # below 2**-65; the first of them holds all subnormal numbers
    half = 1 + octaves * rest + 40 * coarse + 24 * 2**bits
    q = 1.0 - p if p > 0.5 else p
    mantissa, exponent = np.frexp(q)  # q = mantissa * 2**exponent, mantissa in [0.5, 1)
    inside, octave = 2 * mantissa - 1, int(exponent) - 1
    if q == 0.0:
        index = 0
    elif octave < -1022:
        index = 1 + int(q * 2.0**1022 * rest)
    elif octave < -65:
        index = 1 + (octave + 1023) * rest + int(inside * rest)
    elif octave < -25:
        index = 1 + octaves * rest + (octave + 65) * coarse + int(inside * coarse)
    else:
        index = half - 24 * 2**bits + (octave + 25) * 2**bits + int(inside * 2**bits)
    return 2 * half - index if p > 0.5 else index


def reference_binary(y, p, w, bits):
    bins = np.zeros((metrics.n_score_bins(bits), 4))
    widths, sums = np.zeros((15, 3)), np.zeros(3)
    seen: dict[int, set[float]] = {}
    for label, score, weight in zip(y, p, w, strict=True):
        if weight == 0:
            continue
        b = reference_bin(score, bits)
        seen.setdefault(b, set()).add(score)
        for table, row in ((bins, b), (widths, min(int(score * 15), 14))):
            table[row, int(label)] += weight
            table[row, 2] += weight * score
        clipped = np.clip(score if label else 1 - score, 2.0**-52, 1 - 2.0**-52)
        sums += weight * np.array([1.0, -np.log(clipped), (score - label) ** 2])
    for b, scores in seen.items():
        bins[b, 3] = scores.pop() if len(scores) == 1 else np.nan
    return bins, widths, sums


def run_binary(y, p, w, bits=BITS):
    bins, widths, sums = np.zeros((metrics.n_score_bins(bits), 4)), np.zeros((15, 3)), np.zeros(3)
    bad = metrics.binary_step(
        np.asarray(y, float), np.asarray(p, float), np.asarray(w, float), bits, bins, widths, sums
    )
    return bad, bins, widths, sums


@given(unit, st.integers(0, 12))
def test_bin_is_the_documented_one(p, bits):
    b = metrics.score_bin(p, bits)
    assert b == reference_bin(p, bits)
    assert 0 <= b < metrics.n_score_bins(bits)


@given(unit, unit)
def test_bins_keep_the_order_of_scores(p, q):
    low, high = sorted((p, q))
    assert metrics.score_bin(low, BITS) <= metrics.score_bin(high, BITS)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_certainty_has_a_bin_of_its_own(p):
    assert metrics.score_bin(p, BITS) != metrics.score_bin(
        abs(p - 1e-300) if p == 0 else np.nextafter(1, 0), BITS
    )


rows = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), unit, st.sampled_from([0.0, 0.5, 1.0, 3.0])),
    min_size=1,
    max_size=60,
)


@given(rows, st.booleans())
def test_binary_step_equals_numpy(table, weighted):
    y, p, w = np.array(table).T
    expected = reference_binary(y, p, w if weighted else np.ones_like(w), BITS)
    bad, *found = run_binary(y, p, w if weighted else np.empty(0))
    assert bad == -1
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)


@given(rows, st.integers(0, 60))
def test_merged_halves_equal_the_whole(table, cut):
    y, p, w = np.array(table).T
    _, whole, *_ = run_binary(y, p, w)
    _, left, *_ = run_binary(y[:cut], p[:cut], w[:cut])
    _, right, *_ = run_binary(y[cut:], p[cut:], w[cut:])
    metrics.merge_bins(left, right)
    np.testing.assert_allclose(left, whole, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("y", "p", "w"),
    [
        (2, 0.5, 1),
        (np.nan, 0.5, 1),
        (1, np.nan, 1),
        (1, -0.1, 1),
        (1, 1.1, 1),
        (1, 0.5, -1),
        (1, 0.5, np.inf),
    ],
)
def test_binary_step_names_the_first_unusable_row(y, p, w):
    assert run_binary([0, 1, y, y], [0.1, 0.2, p, p], [1, 1, w, w])[0] == 2


@given(st.integers(2, 5), st.integers(0, 2**32 - 1), st.booleans())
def test_multiclass_step_equals_numpy(k, seed, weighted):
    random = np.random.default_rng(seed)
    n = 40
    p = random.multinomial(20, random.dirichlet(np.full(k, 0.3), n)) / 20  # ties, zeros and ones
    y = random.integers(0, k, n).astype(float)
    w = random.integers(0, 3, n).astype(float) if weighted else np.ones(n)
    bins = np.zeros((k, metrics.n_score_bins(BITS), 4))
    confusion, sums = np.zeros((k, k)), np.zeros(3)
    assert metrics.multiclass_step(y, p, w if weighted else np.empty(0), BITS, bins, confusion, sums) == -1
    truth = y.astype(int)
    expected = np.zeros((k, k))
    np.add.at(expected, (truth, p.argmax(axis=1)), w)
    np.testing.assert_allclose(confusion, expected)
    likelihood = p[np.arange(n), truth].clip(2.0**-52, 1 - 2.0**-52)
    squared = ((p - np.eye(k)[truth]) ** 2).sum(axis=1)
    np.testing.assert_allclose(
        sums, [w.sum(), -(w * np.log(likelihood)).sum(), (w * squared).sum()], rtol=1e-12
    )
    for c in range(k):
        single, *_ = reference_binary(truth == c, p[:, c], w, BITS)
        np.testing.assert_allclose(bins[c], single, rtol=1e-12)


@pytest.mark.parametrize(
    ("y", "p"),
    [
        (3, [0.2, 0.3, 0.5]),
        (0.5, [0.2, 0.3, 0.5]),
        (-1, [0.2, 0.3, 0.5]),
        (0, [0.5, 0.5, 0.5]),
        (0, [np.nan, 0, 1]),
    ],
)
def test_multiclass_step_names_the_first_unusable_row(y, p):
    bins, confusion, sums = np.zeros((3, metrics.n_score_bins(BITS), 4)), np.zeros((3, 3)), np.zeros(3)
    labels, scores = np.array([0.0, y]), np.array([[0.2, 0.3, 0.5], p])
    assert metrics.multiclass_step(labels, scores, np.empty(0), BITS, bins, confusion, sums) == 1


finite = st.floats(-1e6, 1e6)
pairs = st.lists(st.tuples(finite, finite, st.sampled_from([0.0, 0.5, 2.0])), min_size=1, max_size=40)


@given(pairs, st.booleans())
def test_regression_step_equals_numpy(table, weighted):
    y, p, w = np.array(table).T
    sums = np.full(metrics.REGRESSION_SUMS, 7.0)
    assert metrics.regression_step(y, p, w if weighted else np.empty(0), sums) == -1
    w = w if weighted else np.ones_like(w)
    if w.sum() == 0:
        assert not sums.any()
        return
    mean = np.average(y, weights=w)
    error = (p - y)[w > 0]
    expected = [w.sum(), mean, (w * (y - mean) ** 2).sum(), (w * (p - y)).sum() / w.sum()]
    expected += [(w * (p - y) ** 2).sum(), (w * abs(p - y)).sum(), abs(error).max()]
    np.testing.assert_allclose(sums[:7], expected, rtol=1e-9, atol=1e-6)


def test_poisson_deviance_needs_its_domain():
    sums = np.zeros(metrics.REGRESSION_SUMS)
    metrics.regression_step(np.array([0.0, 2.0]), np.array([1.0, 3.0]), np.empty(0), sums)
    assert sums[metrics.DEVIANCE] == pytest.approx(2 * (1 + 2 * np.log(2 / 3) + 1))
    metrics.regression_step(np.array([0.0, 2.0]), np.array([0.0, 3.0]), np.empty(0), sums)
    assert np.isnan(sums[metrics.DEVIANCE])


def test_regression_step_names_the_first_unusable_row():
    sums = np.zeros(metrics.REGRESSION_SUMS)
    assert metrics.regression_step(np.array([0.0, np.nan]), np.zeros(2), np.empty(0), sums) == 1
    assert metrics.regression_step(np.zeros(2), np.array([0.0, np.inf]), np.empty(0), sums) == 1
