from functools import reduce
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scalable.execution.merge_tree import BinaryTree, FoldedRuns, Result, Results, half, subtrees


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


class Texts:
    """Merges texts, which then say how."""

    def __init__(self, tree):
        self.merges = tree.merges

    def merge(self, left, right):
        return f"({left}{right})"


def fold(parts):
    return reduce("({}{})".format, parts)


@given(n=st.integers(1, 120), wanted=st.integers(1, 150), random=st.randoms(use_true_random=False))
def test_every_cut_into_subtrees_merges_along_the_same_tree_in_any_order(n, wanted, random):
    ranges, results = subtrees(n, wanted), Results(Texts(BinaryTree(n)))
    for low, high in random.sample(ranges, len(ranges)):
        results.add(Result(low, high, whole(low, high)))
    assert results.in_order() == [Result(0, n, whole(0, n))]


@given(
    n=st.integers(1, 90),
    size=st.integers(1, 12),
    workers=st.integers(1, 9),
    random=st.randoms(use_true_random=False),
)
def test_leaves_fold_by_runs_whoever_has_them_in_any_order(n, size, workers, random):
    task = Texts(FoldedRuns(n, size))
    together, cuts = Results(task), sorted({0, n, *(random.randrange(n) for _ in range(workers))})
    for low, high in random.sample([*pairwise(cuts)], len(cuts) - 1):
        own = Results(task)
        for k in random.sample(range(low, high), high - low):
            own.add(Result(k, k + 1, whole(k, k + 1)))
        for result in own.in_order():
            together.add(result)
    leaves = [whole(k, k + 1) for k in range(n)]
    assert together.in_order() == [
        Result(0, n, fold([fold(leaves[k : k + size]) for k in range(0, n, size)]))
    ]


@given(n=st.integers(1, 200), size=st.integers(1, 12))
def test_of_leaves_in_order_two_states_wait_at_most(n, size):
    results = Results(Texts(FoldedRuns(n, size)))
    for k in range(n):
        results.add(Result(k, k + 1, ""))
        assert len(results.in_order()) <= 2


def test_results_of_tasks_that_do_not_merge_stay():
    results = Results(object())
    for k in (1, 0, 2):
        results.add(Result(k, k + 1, k))
    assert [result.value for result in results.in_order()] == [0, 1, 2]


def test_the_tree_over_five_leaves():
    assert whole(0, 5) == "(((ab)(cd))e)"
    assert subtrees(5, 2) == [(0, 2), (2, 4), (4, 5)]
