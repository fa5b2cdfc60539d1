"""The counter hash: published vectors, and no dependence between columns, seeds and counters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from data_gen.values.random import Stream

# The first outputs of SplitMix64 from the states 0 and 1234567, as published with the reference
# implementation of Vigna (prng.di.unimi.it/splitmix64.c) and in Rosetta Code's task.
VECTORS = {
    0: [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC, 0x1B39896A51A8749B],
    1234567: [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ],
}
MASK = (1 << 64) - 1


def reference_word(key0, key1, counter):
    """The hash in Python integers."""
    z = (key0 + (counter + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z ^= key1
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


@pytest.mark.parametrize("state", VECTORS)
def test_published_vectors(state):
    stream = Stream(np.uint64(state), np.uint64(0))
    assert stream.bits(0, 5).tolist() == VECTORS[state]


@given(st.integers(0, MASK), st.integers(0, MASK), st.integers(0, 2**63), st.integers(1, 70))
def test_matches_integer_reference(key0, key1, start, n):
    stream = Stream(np.uint64(key0), np.uint64(key1))
    assert stream.bits(start, n).tolist() == [reference_word(key0, key1, start + i) for i in range(n)]


@given(st.integers(0, 2**40), st.integers(1, 200))
def test_words_are_the_halves_of_bits_wherever_one_starts(start, n):
    stream = Stream.of(3, "d", "c")
    pairs = stream.bits(start // 2, n // 2 + 2)
    halves = np.stack([pairs & np.uint64(0xFFFFFFFF), pairs >> np.uint64(32)], axis=1).ravel()
    assert stream.words(start, n).tolist() == halves[start % 2 :][:n].tolist()


def test_streams_differ_by_seed_dataset_and_column():
    names = [(s, d, c) for s in (0, 1, 11) for d in ("a", "b") for c in ("x", "y", "1/x")]
    keys = {(int(k.key0), int(k.key1)) for k in (Stream.of(*name) for name in names)}
    assert len(keys) == len(names)


def adjacent():
    bits = Stream.of(0, "d", "x").bits(0, 1 << 20)
    return bits[:-1], bits[1:]


def of(seed, column, n=1 << 20):
    return Stream.of(seed, "d", column).bits(0, n)


@pytest.mark.parametrize(
    "pair",
    [
        adjacent,
        lambda: (of(0, "x"), of(1, "x")),
        lambda: (of(0, "x"), of(0, "y")),
        lambda: (of(0, "x"), of(0, "x") << np.uint64(32)),
    ],
    ids=["adjacent counters", "seeds", "columns", "halves of a word"],
)
def test_pairs_are_independent(pair):
    """16 x 16 contingency tables of the top bits, and the exclusive-or's bit counts."""
    a, b = pair()
    table = np.bincount((a >> np.uint64(60)) * np.uint64(16) + (b >> np.uint64(60)), minlength=256)
    assert stats.chisquare(table).pvalue > 1e-4
    u, v = a.astype(float), b.astype(float)
    assert abs(np.corrcoef(u, v)[0, 1]) < 4.5 / np.sqrt(len(a))
    ones = np.bitwise_count((a ^ b) >> np.uint64(32))
    counts = np.bincount(ones, minlength=33)
    expected = stats.binom.pmf(np.arange(33), 32, 0.5) * len(a)
    use = expected > 20
    assert stats.chisquare(counts[use] * expected[use].sum() / counts[use].sum(), expected[use]).pvalue > 1e-4


def test_every_output_bit_is_balanced():
    bits = of(5, "z")
    for position in range(64):
        ones = int(((bits >> np.uint64(position)) & np.uint64(1)).sum())
        assert abs(ones - len(bits) / 2) < 5 * np.sqrt(len(bits) / 4)


def test_one_key_bit_flips_half_of_the_output():
    base = Stream(np.uint64(99), np.uint64(77))
    for bit in range(0, 64, 7):
        flip = np.uint64(1 << bit)
        for other, least in (
            (Stream(base.key0 ^ flip, base.key1), 30.5),
            (Stream(base.key0, base.key1 ^ flip), 10),
        ):
            flipped = np.bitwise_count(base.bits(0, 4096) ^ other.bits(0, 4096)).mean()
            assert least < flipped < 35  # the second key enters late: its high bits reach fewer
