"""Queries: found in blocks cut anywhere, partitioned whole, measured as LightGBM does."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.boosting.ranking.queries import Queries, find_queries, with_queries
from scalable.boosting.ranking.query_metrics import gains_of, query_sums
from scalable.boosting.ranking.seeds import moved, objective_seed
from scalable.data.block import RawBlock
from scalable.data.roles import Roles
from scalable.data.table import TableSource, as_source
from scalable.errors import DataError, PlanError, UsageError
from scalable.evaluate.groups import GroupReduction
from scalable.execution.threads import Threads

KINDS = {
    "number": lambda q: pa.array(q * 3 - 7),
    "float": lambda q: pa.array(q + 0.5),
    "text": lambda q: pa.array([f"q{k}" for k in q]).dictionary_encode(),
    "time": lambda q: pa.array(q.astype("datetime64[s]")),
}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=12),
    st.lists(st.integers(1, 15)),
    st.sampled_from(sorted(KINDS)),
)
def test_queries_are_the_same_however_blocks_and_shards_cut_them(sizes, cuts, kind):
    column = KINDS[kind](np.repeat(np.arange(len(sizes)), sizes))
    n = len(column)
    edges = sorted({0, n, *(c for c in np.cumsum(cuts) if c < n)})
    reduction = GroupReduction(Roles(group="q"), 0, "here")
    states = [
        reduction.step(reduction.init(), RawBlock({"q": column.slice(low, high - low)}, low, high - low))
        for low, high in itertools.pairwise(edges)
    ]
    while len(states) > 1:  # along a tree, as on workers
        pairs = [states[k : k + 2] for k in range(0, len(states), 2)]
        states = [reduction.merge(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    assert reduction.finish(states[0]).tolist() == sizes


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 8))
def test_workers_get_whole_queries_as_evenly_as_that_allows(sizes, n_workers):
    queries = Queries(np.array(sizes))
    if len(sizes) < n_workers:
        with pytest.raises(
            PlanError, match=f"{len(sizes)} queries cannot be partitioned to {n_workers} workers"
        ):
            queries.edges(n_workers, "rows")
        return
    edges = queries.edges(n_workers, "rows")
    assert (np.diff(edges) > 0).all()
    parts = [queries.part(low, high) for low, high in itertools.pairwise(edges)]
    assert np.concatenate([part for _, part in parts]).tolist() == sizes
    assert [first for first, _ in parts] == np.cumsum([0, *(len(part) for _, part in parts[:-1])]).tolist()
    assert max(np.diff(edges)) <= sum(sizes) / n_workers + n_workers * max(sizes)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([1, 1, None, 2], r"row 2: group column 'q' is null; every row belongs to a query"),
        ([1.0, float("nan"), 1.0, 2.0], r"row 1: group column 'q' is nan"),
        ([5, 5, 7, 5], r"group column 'q' is 5 in row 0 and, after other values, again in row 3; .* sort"),
        (["a", "b", "b", "a"], r"group column 'q' is 'a' in row 0 .* again in row 3"),
    ],
)
def test_rows_of_no_query_or_of_a_torn_one_are_named(column, said):
    source = TableSource(pa.table({"x": np.arange(4.0), "y": [0, 1, 0, 1], "q": column}), "y", group="q")
    with pytest.raises(DataError, match=said):
        find_queries(source, Threads(1))


@pytest.mark.parametrize("label", [[0, 1, 2, 31], [0, 1, 0.5, 1], [0, 1, -1, 1]], ids=str)
def test_labels_that_have_no_gain_are_named(label):
    source = TableSource(pa.table({"x": np.arange(4.0), "y": label, "q": [1, 1, 2, 2]}), "y", group="q")
    with pytest.raises(DataError, match=r"row [23]: target column 'y' is .*whole numbers from 0 to 30"):
        find_queries(source, Threads(1), n_gains=len(gains_of({})))
    assert find_queries(source, Threads(1)).sizes.tolist() == [2, 2]


def test_a_query_too_large_and_a_split_that_cuts_queries_are_refused():
    table = pa.table({"x": np.arange(40.0), "y": np.zeros(40), "q": np.repeat([1, 2, 3], [3, 30, 7])})
    source = TableSource(table, "y", group="q")
    with pytest.raises(DataError, match="the query that begins in row 3 has 30 rows, more than the 29"):
        find_queries(source, Threads(1), most=29)
    with pytest.raises(DataError, match=r"would cut groups of rows \('q'\)"):
        source.split(every=2)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([3, 3], r"adds up to 6 rows, but there are 5"),
        ([1, 1, 2, 2, 2], r"adds up to 8 rows, but there are 5 \(as many values as rows"),
        ([3, 0, 2], r"group\[1\] is .*0"),
        ([2.5, 2.5], r"group\[0\] is .*2.5"),
        ([[5]], r"group has 2 dimensions"),
        (["five"], r"group holds no whole numbers"),
    ],
    ids=str,
)
def test_sizes_that_cannot_be_meant(sizes, said):
    with pytest.raises(UsageError, match=said):
        with_queries(as_source(np.zeros((5, 2)), np.zeros(5)), sizes)


def test_queries_add_up_over_workers():
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 9, 30)
    n = int(sizes.sum())
    label, score, weight = rng.integers(0, 2, n).astype(float), rng.normal(size=n).round(1), rng.random(n)
    wanted = [("ndcg", 3), ("map", 1), ("ndcg", 1)]
    whole = query_sums(wanted, gains_of({}), sizes, label, score, weight)
    cut = int(sizes[:11].sum())
    parts = [
        query_sums(wanted, gains_of({}), s, label[of], score[of], weight[of])
        for s, of in ((sizes[:11], slice(0, cut)), (sizes[11:], slice(cut, n)))
    ]
    np.testing.assert_allclose(np.sum(parts, axis=0), whole, rtol=1e-13)


def test_seeds_of_queries_do_not_depend_on_the_deal():
    assert objective_seed({"objective_seed": 11, "objective": "rank_xendcg"}) == 11
    assert objective_seed({"seed": 7, "objective": "rank_xendcg"}) == 15521  # LightGBM 4.7 makes it of seed
    assert moved(11, 5) == 16
    assert moved(2**31 - 1, 1) == -(2**31)
