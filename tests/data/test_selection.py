"""Filters against pandas, splits that hold still, and row groups that are never read."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalable import ParquetSource
from scalable.data.table import TableSource
from scalable.errors import DataError, UsageError
from scalable.execution.reader import BlockReader
from scalable.linear import Ridge

N = 3_000


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    x[::7] = np.nan
    return pd.DataFrame(
        {
            "i": np.arange(N),
            "x": x,
            "who": rng.integers(0, 200, N),
            "t": rng.choice(["a", "b", "c"], N),
            "y": rng.normal(size=N),
        }
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory, frame):
    place = tmp_path_factory.mktemp("selection") / "a.parquet"
    pq.write_table(pa.Table.from_pandas(frame), place, row_group_size=100)
    return place


def rows_of(source) -> list[int]:
    return [
        i
        for shard in source.shards
        for b in source.raw_blocks(shard, ["i"])
        for i in b.arrays["i"].to_pylist()
    ]


CONDITIONS = st.one_of(
    st.tuples(st.just("x"), st.sampled_from(["<", "<=", ">", ">="]), st.floats(-2, 2)),
    st.tuples(st.just("i"), st.sampled_from(["==", "!=", "<", ">="]), st.integers(-5, N + 5)),
    st.tuples(st.just("t"), st.sampled_from(["in", "not in"]), st.lists(st.sampled_from("abz"), min_size=1)),
)


def holds(frame, name, how, value):
    column = frame[name]
    if how in ("in", "not in"):
        return column.isin(value) == (how == "in")
    return column.notna() & frame.eval(f"{name} {how} @value", local_dict={"value": value})


@given(st.lists(st.lists(CONDITIONS, min_size=1, max_size=3), min_size=1, max_size=2))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_filters_select_what_pandas_does(path, frame, filters):
    wanted = np.zeros(N, bool)
    for all_of in filters:
        wanted |= np.logical_and.reduce([holds(frame, *condition) for condition in all_of])
    try:
        found = rows_of(ParquetSource(path, target="y", filters=filters))
    except DataError:  # no row group can hold any
        found = []
    assert found == np.flatnonzero(wanted).tolist()


def test_row_groups_are_left_out_by_their_statistics(path):
    source = ParquetSource(path, filters=[("i", ">=", 2_500), ("i", "<", 2_600)])
    assert sum(shard.n_rows for shard in source.shards) == 100
    assert rows_of(source) == list(range(2_500, 2_600))


@pytest.mark.parametrize("by", [None, "who", "t", "x"])
def test_parts_are_disjoint_complete_and_keep_groups_together(path, frame, by):
    source = ParquetSource(path, target="y")
    parts = source.split_rows(0.7, 0.2, 0.1, by=by)
    rows = [rows_of(part) for part in parts]
    assert sorted(i for part in rows for i in part) == list(range(N))
    if by is None:
        assert abs(len(rows[0]) - 0.7 * N) < 4 * np.sqrt(0.21 * N)
    else:
        groups = [set(frame[by].iloc[r].dropna()) for r in rows]
        assert len(set.union(*groups)) == sum(map(len, groups))


def test_a_split_does_not_depend_on_who_reads(path, frame):
    parts = ParquetSource(path).split_rows(1, 1, by="who", seed=3)
    table = TableSource(pa.Table.from_pandas(frame)).split_rows(1, 1, by="who", seed=3)
    assert [rows_of(p) for p in parts] == [rows_of(p) for p in table]
    assert [rows_of(pickle.loads(pickle.dumps(p))) for p in parts] == [rows_of(p) for p in parts]
    blocks = [
        b for s in parts[0].shards for b in BlockReader(parts[0], block_rows=64, columns=("i",)).blocks(s)
    ]
    assert sum(b.n_rows for b in blocks) == len(rows_of(parts[0]))
    other = ParquetSource(path).split_rows(1, 1, by="who", seed=4)
    assert rows_of(other[0]) != rows_of(parts[0])
    again = parts[0].split_rows(1, 1)  # a split of a split
    assert sorted(rows_of(again[0]) + rows_of(again[1])) == rows_of(parts[0])


def test_a_learner_sees_the_selected_rows_only(path, frame):
    source = ParquetSource(path, target="y", features=["who"], filters=[("t", "=", "a")])
    chosen = frame[frame.t == "a"]
    here = Ridge().fit(source)
    there = Ridge().fit(chosen[["who"]].to_numpy(float), chosen.y.to_numpy())
    assert here.coef_[0] == pytest.approx(there.coef_[0], rel=1e-9)


def test_bad_filters_are_named(path):
    with pytest.raises(UsageError, match="=<"):
        ParquetSource(path, filters=[("x", "=<", 1)])
    with pytest.raises(DataError, match="no filter column 'z'"):
        ParquetSource(path, filters=[("z", "<", 1)])
    with pytest.raises(DataError, match=r"no row group can hold.*statistics=False"):
        ParquetSource(path, filters=[("i", "<", -1)])
    with pytest.raises(UsageError, match="cannot be compared"):
        rows_of(ParquetSource(path, filters=[("x", "<", "a")]))
    with pytest.raises(UsageError, match="positive"):
        ParquetSource(path).split_rows(1, 0)
