"""Kernels of events in time against NumPy; the windows are held to brute force in tests/feature_store."""

from itertools import pairwise

import numpy as np
import pytest

from scalable.kernels.timeline import group, words


def test_words_sort_like_floats_and_come_back():
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [rng.normal(0, 10.0 ** rng.integers(-300, 300, 500)), [0.0, -0.0, np.inf, -np.inf, 5e-324]]
    )
    found, back = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
    words.float_words(values.view(np.int64), found)
    words.word_floats(found, back)
    assert back.tobytes() == values.tobytes()
    order = np.argsort(found)
    assert np.all(np.diff(values[order]) >= 0)
    nan = np.array([np.nan, -np.nan, np.frombuffer(b"\xff" * 8, np.float64)[0]])
    words.float_words(nan.view(np.int64), found[:3])
    assert found[:3].tolist() == [words.NAN_WORD] * 3
    assert words.MISSING not in found


def test_fixed_point_rounds_half_to_even_and_refuses_what_does_not_fit():
    values = np.array([1.005, -2.5, 0.125, 1e300, np.nan, np.inf])
    wordy, fixed = np.empty(6, np.int64), np.empty(6, np.int64)
    words.float_words(values.view(np.int64), wordy)
    assert words.fixed_floats(values, 100.0, wordy, fixed) == 3
    assert fixed[:3].tolist() == np.rint(values[:3] * 100.0).tolist()
    assert wordy[4] == fixed[4] == words.MISSING


def test_hashes_of_numbers_differ_and_one_is_as_many():
    numbers = np.concatenate([np.arange(-5000, 5000), [2**63 - 1, -(2**63)]]).astype(np.int64)
    found = np.empty(len(numbers), np.int64)
    words.hash_entities(numbers, found)
    assert len(np.unique(found)) == len(numbers)
    assert [int(words.hash_entity(int(number))) for number in numbers[:9]] == found[:9].view(
        np.uint64
    ).tolist()


def test_text_hashes_are_independent():
    texts = [f"{i:x}".encode() for i in range(3000)] + [b"", b"\x00", b"\x00\x00"]
    offsets = np.cumsum([0, *map(len, texts)])
    first, second = np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)
    words.hash_texts_twice(offsets, np.frombuffer(b"".join(texts), np.uint8), first, second)
    assert len(np.unique(first)) == len(np.unique(second)) == len(texts)
    assert abs(np.corrcoef(first.astype(float), second.astype(float))[0, 1]) < 0.1


def test_the_sum_finds_every_changed_bit_and_swap():
    rng = np.random.default_rng(1)
    data = rng.integers(-(2**62), 2**62, 40)
    whole = words.checksum(data)
    for place in range(len(data)):
        for bit in (0, 13, 31, 32, 62):
            other = data.copy()
            other[place] ^= np.int64(1) << bit
            assert words.checksum(other) != whole
    for bit in (1, 40, 50, 62):  # one more here and one less there
        one, other = (np.flatnonzero((data >> bit & 1) == k)[:2] for k in (0, 1))
        for a in one:
            for b in other:
                changed = data.copy()
                changed[[a, b]] ^= np.int64(1) << bit
                assert words.checksum(changed) != whole
    assert words.checksum(data[::-1].copy()) != whole
    assert words.checksum(data[:-1]) != whole


@pytest.mark.parametrize("shape", ["random", "sorted", "reversed", "equal"])
def test_groups_are_sorted_stably(shape):
    rng = np.random.default_rng(2)
    n = 2000
    entity = np.where(rng.random(n) < 0.5, 7, rng.integers(0, 30, n))
    first = {
        "random": rng.integers(0, 50, n),
        "sorted": np.arange(n),
        "reversed": -np.arange(n),
        "equal": np.zeros(n, int),
    }[shape]
    second = rng.integers(0, 3, n) if shape == "random" else np.zeros(n, int)
    table, checks, groups = np.full((4096, 2), -1), np.empty(n, np.int64), np.empty(n, np.int32)
    n_groups = group.assign_groups(entity, entity, table, checks, groups)
    _, places, expected = np.unique(entity, return_index=True, return_inverse=True)
    assert n_groups == len(places)
    assert np.array_equal(np.argsort(np.argsort(places))[expected], groups)  # numbered by first appearance
    starts, order = np.zeros(n_groups + 2, np.int64), np.empty(n, np.int64)
    group.group_rows(groups, starts, order)
    group.sort_runs(order, starts[:-1], first, second, np.empty(n, np.int64))
    assert np.array_equal(order, np.lexsort((np.arange(n), second, first, groups)))
    assert group.is_sorted(starts[:-1], first[order], second[order])
    asked, found = np.array([7, 99, entity[0]]), np.empty(3, np.int32)
    group.find_groups(asked, asked, table, checks, found)
    assert found.tolist() == [groups[entity == 7][0], -1, groups[0]]


@pytest.mark.parametrize("spread", ["even", "first far away", "all but one together", "equal"])
@pytest.mark.parametrize("n_groups", [1, 2, 3, 41, 700])
def test_rows_are_divided_wherever_groups_begin(n_groups, spread):
    rng, ends = np.random.default_rng(n_groups), np.array([-(2**63), 2**63 - 1])
    firsts = np.sort(rng.integers(0, 10**6, n_groups))
    if spread == "first far away":
        firsts[0] = ends[0]
    elif spread == "all but one together":
        firsts = np.append(np.sort(rng.integers(0, 30, n_groups - 1)), ends[1])
    elif spread == "equal":
        firsts[:] = 7
    rows = np.concatenate(
        [ends, firsts, firsts[1:] - 1, rng.integers(-100, 2 * 10**6, 5000), rng.integers(0, 40, 200)]
    )
    rows.flags.writeable = False  # as those that are divided are
    found, within = np.empty(len(rows), np.int32), np.empty(len(rows), np.int64)
    group.divide_rows(rows, firsts, found, within)
    expected = np.searchsorted(firsts, rows, side="right") - 1
    assert np.array_equal(found, expected)
    with np.errstate(over="ignore"):
        assert np.array_equal(within, rows - np.where(expected < 0, 0, firsts[expected]))
    found[:] = -9
    group.divide_rows(rows, firsts, found, within[:0])
    assert np.array_equal(found, expected)


def test_values_are_numbered_within_their_run():
    rng = np.random.default_rng(3)
    starts, values = np.array([0, 0, 40, 41, 200]), rng.integers(-5, 5, 200)
    out = np.empty(200, np.int64)
    group.value_numbers(starts, values, np.empty(512, np.int64), out)
    for a, b in pairwise(starts):
        pairs = set(zip(values[a:b].tolist(), out[a:b].tolist(), strict=True))
        assert len(pairs) == len(set(values[a:b])) == len(set(out[a:b]))
        assert set(out[a:b]) == set(range(len(pairs)))


def test_repeated_events_are_marked():
    rng = np.random.default_rng(4)
    n = 300
    event, created = np.sort(rng.integers(0, 9, n)), np.zeros(n, np.int64)
    values, rows, marked = rng.integers(0, 3, (2, n)), rng.permutation(n), np.empty(n, np.bool_)
    found = group.mark_repeated(np.array([0, n]), rows, event, created, values, marked)
    seen, expected = set(), []
    for i in reversed(range(n)):
        one = (event[i], *values[:, rows[i]])
        expected.append(one in seen)
        seen.add(one)
    assert marked.tolist() == expected[::-1]
    assert found == sum(expected)
