import dataclasses
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalable.data.shard import ENOUGH, MAX_ROWS, MIN_ROWS, WANTED, Shard, plan_shards

layouts = st.lists(
    st.lists(
        st.one_of(st.integers(0, 5), st.integers(0, 20_000), st.integers(0, 5_000_000), st.just(2**20)),
        max_size=30,
    ),
    max_size=8,
)


@given(layout=layouts)
def test_every_row_is_covered_exactly_once_and_in_order(layout):
    shards = plan_shards(layout)
    firsts = [sum(map(sum, layout[:file])) for file in range(len(layout))]
    position = 0
    for index, shard in enumerate(shards):
        assert shard.index == index
        assert shard.n_rows > 0
        assert 0 <= shard.row_start < shard.row_stop <= sum(layout[shard.file])
        assert shard.first_row == position == firsts[shard.file] + shard.row_start
        position += shard.n_rows
    assert position == sum(map(sum, layout))


@given(layout=layouts)
def test_shards_are_neither_too_large_nor_too_many(layout):
    shards = plan_shards(layout)
    total = sum(map(sum, layout))
    files = sum(1 for sizes in layout if sum(sizes))
    groups = sum(1 for sizes in layout for size in sizes if size)
    assert max((shard.n_rows for shard in shards), default=0) <= 2 * MAX_ROWS + MAX_ROWS
    target = max(MIN_ROWS, min(MAX_ROWS, -(-total // WANTED)))
    assert len(shards) <= 2 * (total // target) + files + groups


@given(layout=layouts)
def test_shards_end_where_row_groups_end_when_there_are_enough_groups(layout):
    groups = sum(1 for sizes in layout for size in sizes if size)
    if groups < ENOUGH:
        return
    for shard in plan_shards(layout):
        edges = {0}
        for size in layout[shard.file]:
            edges.add(max(edges) + size)
            if size > 2 * MAX_ROWS:
                return
        assert shard.row_start in edges
        assert shard.row_stop in edges


def test_one_huge_row_group_is_cut_for_every_core():
    shards = plan_shards([[10_000_000]])
    assert len(shards) == WANTED
    assert max(s.n_rows for s in shards) - min(s.n_rows for s in shards) <= 1


def test_many_small_row_groups_are_joined():
    shards = plan_shards([[1_000] * 1_000])
    assert len(shards) <= WANTED + WANTED // 2
    assert all(shard.n_rows % 1_000 == 0 for shard in shards)


def test_a_billion_rows_make_about_a_thousand_shards():
    assert 900 <= len(plan_shards([[2**20] * 20] * 48)) <= 1_100


def test_small_data_is_one_shard_and_no_rows_none():
    assert plan_shards([[100]]) == (Shard(0, 0, 0, 100, 0),)
    assert plan_shards([[], [0, 0]]) == ()
    assert plan_shards([]) == ()


def test_head_keeps_the_start():
    shard = Shard(index=3, file=1, row_start=10, row_stop=50, first_row=110)
    assert shard.head(5) == Shard(3, 1, 10, 15, 110)
    assert shard.head(100) == shard


def test_shards_are_immutable_and_pickle_small():
    shard = Shard(index=3, file=1, row_start=10, row_stop=50, first_row=110)
    with pytest.raises(dataclasses.FrozenInstanceError):
        shard.index = 4
    assert pickle.loads(pickle.dumps(shard)) == shard
    many = plan_shards([[2**20] * 10_000])
    assert len(pickle.dumps(many)) < 45 * len(many)


def test_row_groups_are_cut_at_the_places_given_where_that_leaves_enough_shards():
    pages = 20_000
    plan = plan_shards([[2**20, 2**20]], lambda file, start, stop: range(0, stop, pages))
    assert all(shard.row_start % pages == 0 or shard.row_start == 2**20 for shard in plan)
    assert [shard.row_stop for shard in plan[:-1]] == [shard.row_start for shard in plan[1:]]
    assert plan[-1].row_stop == 2**21
    assert len(plan) >= 50
    few = plan_shards([[2**20]], lambda file, start, stop: [0, 2**19])
    assert few == plan_shards([[2**20]])
