from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scalable.execution.merge_tree import half, merge_tree, subtrees


def whole(low, high):
    if high - low == 1:
        return chr(97 + low % 26)
    middle = low + half(high - low)
    return f"({whole(low, middle)}{whole(middle, high)})"


@given(n=st.integers(2, 10_000))
def test_half_is_the_largest_power_of_two_below(n):
    h = half(n)
    assert h < n <= 2 * h
    assert h & (h - 1) == 0


@given(n=st.integers(1, 300), wanted=st.integers(1, 400))
def test_subtrees_cover_the_range_are_enough_and_none_is_too_large(n, wanted):
    ranges = subtrees(n, wanted)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == n
    assert all(left[1] == right[0] for left, right in pairwise(ranges))
    assert len(ranges) >= min(n, wanted)
    assert max(high - low for low, high in ranges) <= max(1, n // wanted)
    assert len(ranges) <= 4 * wanted + n.bit_length()


@given(n=st.integers(1, 120), wanted=st.integers(1, 150))
def test_every_cut_into_subtrees_merges_along_the_same_tree(n, wanted):
    states = [(low, high, whole(low, high)) for low, high in subtrees(n, wanted)]
    assert merge_tree("({}{})".format, states, n) == whole(0, n)


def test_the_tree_over_five_leaves():
    assert whole(0, 5) == "(((ab)(cd))e)"
    assert subtrees(5, 2) == [(0, 2), (2, 4), (4, 5)]
