"""Folds over sources: every row held out once, groups whole, classes even, the future never learned from."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data.table import TableSource
from scalable.errors import DataError, UsageError
from scalable.evaluate import folds, purged_folds, stratified_folds, time_folds
from scalable.execution.dask import Dask
from scalable.linear import LogisticRegression

N = 9_000


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.integers(0, 10**7, N))[np.argsort(rng.random(N))]
    y = np.zeros(N, int)
    y[rng.choice(N, 23, replace=False)] = 1
    table = pa.table({
        "row": np.arange(N), "x": rng.normal(size=N), "owner": rng.integers(0, 700, N), "y": y,
        "at": pa.array(seconds * 10**6, pa.timestamp("us")), "tick": seconds,
        "place": np.array(["a", "b", "c"])[rng.integers(0, 3, N)],
    })  # fmt: skip
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pq.write_table(table, path, row_group_size=1_000)
    return ParquetSource(path, target="y", features=["x"], time="at")


def column(source, name):
    return np.concatenate([
        np.asarray(raw.arrays[name].to_numpy(zero_copy_only=False)) for shard in source.shards
        for raw in source.raw_blocks(shard, [name])
    ] or [np.empty(0)])  # fmt: skip


def check_each_row_once(pairs, apart=True):
    held = np.concatenate([column(test, "row") for _, test in pairs])
    np.testing.assert_array_equal(np.sort(held), np.arange(N))
    for train, test in pairs:
        assert not set(column(train, "row")) & set(column(test, "row"))
        if apart:
            assert len(column(train, "row")) + len(column(test, "row")) == N


def test_every_row_is_held_out_once(source):
    pairs = list(folds(source, 4, seed=1))
    check_each_row_once(pairs)
    assert all(abs(len(column(test, "row")) - N / 4) < 4 * (N * 3 / 16) ** 0.5 for _, test in pairs)


@pytest.mark.parametrize("by", ["owner", "place"])
def test_groups_stay_together(source, by):
    pairs = list(folds(source, 3, by=by))
    check_each_row_once(pairs)
    for train, test in pairs:
        assert not set(column(train, by)) & set(column(test, by))


@pytest.mark.parametrize("by", [None, "place", "owner"])
def test_classes_are_even_to_the_row(source, by, dask_client):
    n = 5 if by != "owner" else 2
    pairs = list(stratified_folds(source, n, by=by))
    check_each_row_once(pairs)
    name = by or "y"
    held = [column(test, name) for _, test in pairs]
    for value, rows in zip(*np.unique(column(source, name), return_counts=True), strict=True):
        counts = [int((found == value).sum()) for found in held]
        assert sum(counts) == rows
        assert max(counts) - min(counts) <= 1
    same = list(stratified_folds(source, n, by=by, executor=Dask(dask_client)))
    assert [b.selection for _, b in same] == [b.selection for _, b in pairs]
    other = list(stratified_folds(source, n, by=by, seed=1))
    assert (column(other[0][1], "row")[:50] != column(pairs[0][1], "row")[:50]).any()


@pytest.mark.parametrize("time", [None, "tick"])
def test_the_past_is_learned_from_with_a_gap(source, time):
    gap = dt.timedelta(hours=30) if time is None else 108_000
    pairs = list(time_folds(source, 4, time=time, gap=gap, window=10**6 if time else None))
    ticks = column(source, "tick")
    seen = 0
    for train, test in pairs:
        early, late = column(train, "tick"), column(test, "tick")
        assert early.max() < late.min() - 108_000
        if time:  # an edge lies between two rows, some thousand ticks apart
            assert early.min() >= late.min() - 108_000 - 10**6 - 20_000
        else:
            assert 0 <= (ticks < late.min() - 108_000).sum() - len(early) < 10
        assert abs(len(late) - N / 5) < 20
        seen += len(late)
    assert seen == len(ticks[ticks >= column(pairs[0][1], "tick").min()])


def test_rows_near_the_held_out_span_are_purged(source):
    pairs = list(purged_folds(source, 5, before=dt.timedelta(days=2), after=dt.timedelta(days=1)))
    check_each_row_once(pairs, apart=False)
    ticks, day = column(source, "tick"), 86_400
    for k, (train, test) in enumerate(pairs):
        low, high = column(test, "tick").min(), column(test, "tick").max()
        kept = column(train, "tick")
        assert not ((kept > low - 2 * day + 60_000) & (kept < high + day - 60_000)).any()
        far = (ticks < low - 2 * day - 60_000) | (ticks > high + day + 60_000)
        assert len(kept) >= far.sum() > 0
        assert (kept < low).any() == (k > 0)
        assert (kept > high).any() == (k < 4)


def test_a_model_learns_from_a_fold_and_from_a_table(source):
    train, test = next(iter(stratified_folds(source, 3)))
    model = LogisticRegression().fit(train)
    assert model.predict_proba(test.without_target()).shape == (len(column(test, "row")), 2)
    table = TableSource(pq.read_table(source.raw_blocks and source.describe_place()), "y")
    assert sum(len(column(held, "row")) for _, held in folds(table, 3)) == N


def test_a_fold_of_a_selection_keeps_it(source):
    part = ParquetSource(source.describe_place(), target="y", features=["x"], filters=[("place", "==", "a")])
    pairs = list(folds(part, 2))
    assert sum(len(column(test, "row")) for _, test in pairs) == (column(source, "place") == "a").sum()


def test_what_cannot_be_split_is_said(source):
    with pytest.raises(UsageError, match="n must be a whole number of 2 or more"):
        next(folds(source, 1))
    with pytest.raises(UsageError, match="n must be a whole number of 1 or more, not 0"):
        next(time_folds(source, 0))
    with pytest.raises(UsageError, match=r"widths of time are timedeltas, or whole numbers .* not '1h'"):
        next(time_folds(source, gap="1h"))
    with pytest.raises(UsageError, match="no target column was named"):
        next(stratified_folds(np.ones((9, 2)), 3))
    with pytest.raises(DataError, match="no fold column 'ownr'; did you mean 'owner'"):
        next(folds(source, by="ownr"))
    with pytest.raises(DataError, match="column 'y': 1 has 23 rows, fewer than 24 folds"):
        next(stratified_folds(source, 24))
    plain = ParquetSource(source.describe_place(), target="y")
    with pytest.raises(UsageError, match="a split by time needs a time; give time=COLUMN"):
        next(time_folds(plain))
    with pytest.raises(UsageError, match="time column 'x' is double; times are timestamps"):
        next(time_folds(source, time="x"))
    with pytest.raises(UsageError, match="give widths as integers"):
        next(time_folds(source, time="tick", gap=dt.timedelta(days=1)))
    with pytest.raises(DataError, match="time column 'y' has too few different values for 6 spans"):
        next(time_folds(plain, time="y"))
    gaps = TableSource(pa.table({"t": pa.array([1, None, 3]), "y": [0, 1, 0]}), "y")
    with pytest.raises(DataError, match="row 1: time column 't' has no value"):
        next(purged_folds(gaps, 2, time="t"))
