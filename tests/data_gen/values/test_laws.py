"""Uniform, normal, exponential and Zipf draws against their stated laws."""

import numpy as np
import pytest
from scipy import special, stats

from data_gen.values.laws import exponential, fill_normal, fill_uniform, fill_zipf, zipf_constants
from data_gen.values.random import Stream
from scalable.kernels.jit import kernel

N = 1 << 20


@kernel()
def fill_exponential(words, out):
    for i in range(words.size):
        out[i] = exponential(words[i])


def drawn(fill, name):
    out = np.empty(N, np.float32)
    fill(Stream.of(1, "laws", name).words(0, N), out)
    return out


@pytest.mark.parametrize(
    ("fill", "law"),
    [(fill_uniform, stats.uniform), (fill_normal, stats.norm), (fill_exponential, stats.expon)],
    ids=["uniform", "normal", "exponential"],
)
def test_kolmogorov_smirnov(fill, law):
    assert stats.kstest(drawn(fill, law.name).astype(float), law.cdf).pvalue > 1e-4


def test_uniform_is_the_top_24_bits():
    words = np.array([0, 255, 256, 2**31, 2**32 - 1], np.uint32)
    out = np.empty(5, np.float32)
    fill_uniform(words, out)
    assert out.tolist() == [0.0, 0.0, 2.0**-24, 0.5, 1 - 2.0**-24]


def test_normal_is_the_quantile_of_the_cell():
    """Against SciPy's inverse CDF on the whole range of words, tails included."""
    words = np.concatenate([np.arange(0, 2**32, 9973), 2**31 + np.arange(-4000, 4000), [0, 1, 2**32 - 1]])
    words = words.astype(np.uint32)
    out = np.empty(len(words), np.float32)
    fill_normal(words, out)
    centre = (words.view(np.int32).astype(np.float64) + 0.5) * 2.0**-31
    lower = np.where(centre < 0, (1 + centre) / 2, (1 - centre) / 2)
    exact = np.sign(centre) * -special.ndtri(lower)
    np.testing.assert_allclose(out, exact, rtol=8e-6, atol=1e-9)
    common = np.abs(exact) < 2.65  # the centre polynomial
    np.testing.assert_allclose(out[common], exact[common], rtol=1.5e-6)


def test_normal_moments_and_tails():
    z = drawn(fill_normal, "tails").astype(float)
    assert abs(z.mean()) < 4.5 / np.sqrt(N)
    assert abs(z.var() - 1) < 4.5 * np.sqrt(2 / N)
    assert abs((z**4).mean() - 3) < 4.5 * np.sqrt(96 / N)
    expected = N * 2 * stats.norm.sf(4.0)
    assert abs((np.abs(z) > 4).sum() - expected) < 4.5 * np.sqrt(expected)


@pytest.mark.parametrize("exponent", [0.5, 0.75, 1.0, 1.3])
@pytest.mark.parametrize("levels", [2, 1000, 10_000_000])
def test_zipf_follows_its_stated_law(exponent, levels):
    out = np.empty(N, np.int32)
    scale, power = zipf_constants(levels, exponent)
    fill_zipf(Stream.of(2, "laws", "zipf").bits(0, N), scale, power, np.int32(levels - 1), out)
    assert out.min() >= 0
    assert out.max() < levels
    edges = np.unique(
        np.concatenate([np.arange(0, 20), np.geomspace(20, levels, 30).astype(int), [0, levels]])
    )
    edges = edges[edges <= levels]
    a = 1 - exponent if exponent != 1 else 1e-6
    cdf = np.expm1(a * np.log(edges + 1.0)) / np.expm1(a * np.log(levels + 1.0))
    expected = np.diff(cdf) * N
    counts = np.histogram(out, edges)[0]
    assert counts.sum() == N
    keep = expected > 10
    statistic = ((counts - expected) ** 2 / expected)[keep].sum()
    assert stats.chi2.sf(statistic, keep.sum() - 1) > 1e-4


def test_zipf_of_exponent_one_half_reaches_the_last_level():
    out = np.empty(2, np.int32)
    scale, power = zipf_constants(10_000_000, 0.5)
    fill_zipf(np.array([0, 2**64 - 1], np.uint64), scale, power, np.int32(9_999_999), out)
    assert out.tolist() == [0, 9_999_999]
