"""Replicas: the same models on any executor, each from its own shards in the order given."""

from dataclasses import replace

import pytest

from scalable.data.shard import Shard
from scalable.execution import threads
from scalable.execution.dask import Dask
from scalable.execution.reader import BlockReader
from scalable.execution.replicas import partition_rounds, run_round
from scalable.execution.threads import Threads, _Turns
from scalable.execution.work import Work, finished
from tests.execution.conftest import NAMES
from tests.execution.tasks import FloatSums, SideBySide, as_bytes

SUMS = FloatSums(NAMES)


def test_a_round_has_the_same_bits_on_threads_and_dask_and_leaves_its_start(layouts, dask_client):
    reader = BlockReader(layouts, block_rows=3_000)
    subsets = [list(layouts.shards[k::5]) for k in range(5)]
    start = SUMS.step(SUMS.init(), next(layouts.raw_blocks(layouts.shards[0].head(100))))
    before = as_bytes(start)
    one = [as_bytes(s) for s in run_round(Threads(1), SideBySide(SUMS), reader, start, subsets)]
    for executor in (Threads(2), Threads(4), Dask(dask_client)):
        assert [as_bytes(s) for s in run_round(executor, SideBySide(SUMS), reader, start, subsets)] == one
    assert as_bytes(start) == before
    assert len(set(one)) == 5


@pytest.mark.parametrize("n", [1, 3])
def test_models_merge_on_as_many_threads_as_were_asked_for(layouts, n):
    """A fit on one thread merged hashed columns on all processors."""
    merged = []

    class Told(SideBySide):
        def merge(self, start, states, n_threads):
            merged.append(n_threads)
            return states

    run_round(
        Threads(n), Told(SUMS), BlockReader(layouts), SUMS.init(), [[shard] for shard in layouts.shards]
    )
    assert merged == [n]


def test_shards_are_learned_from_in_the_order_given(layouts):
    subset = list(layouts.shards[::-1])[:4]
    reader = BlockReader(layouts, block_rows=10**7)
    (state,) = run_round(Threads(1), SideBySide(SUMS), reader, SUMS.init(), [subset], upcoming=[subset])
    assert [first for first, _ in state["rows"]] == [shard.first_row for shard in subset]


def test_a_replica_without_shards_stays_as_it_began(layouts):
    start = SUMS.init()
    subsets = [[], [layouts.shards[0]]]
    states = run_round(Threads(2), SideBySide(SUMS), BlockReader(layouts), start, subsets)
    assert as_bytes(states[0]) == as_bytes(start)
    assert len(states[1]["rows"]) == 1


class Order:
    """A task in turns, which writes down whose turns are taken."""

    def __init__(self):
        self.taken = []

    def turns(self, rows):
        for shard in rows.group:
            self.taken.append((rows.position, shard.index))
            yield
        return rows.position

    def run(self, rows):
        return finished(self.turns(rows))


def test_threads_take_turns_of_the_group_with_most_rows_left(layouts, monkeypatch):
    shards = [replace(layouts.shards[0], index=k, row_start=0, row_stop=10) for k in range(6)]
    task = Order()
    work = Work(task, BlockReader(layouts), (tuple(shards[:1]), tuple(shards[1:4]), (), tuple(shards[4:])))
    found = Threads(2).run(work, lambda rows, metrics: None)
    assert found == Threads(1).run(work, lambda rows, metrics: None) == [0, 1, 2, 3]
    expected = []
    monkeypatch.setattr(threads, "fetch", lambda reader, shards: expected.extend(shards))
    work = replace(work, following=(replace(shards[0], index=9),))
    waiting = _Turns(task, work, lambda: False, lambda rows, metrics: None)
    task.taken.clear()
    waiting.run()
    assert task.taken == [(1, 1), (1, 2), (3, 4), (0, 0), (1, 3), (3, 5)]
    assert [shard.index for shard in expected] == [2, 4, 0, 3, 5, 9]  # in that order, but for the first
    assert waiting.results == [0, 1, 2, 3]


def test_rounds_double_up_to_the_most():
    shards = [Shard(0, 0, k * 10, k * 10 + 10, k * 10) for k in range(200)]
    rounds = partition_rounds(shards, 2, 2**21, 2**23)
    assert [[len(subset) for subset in subsets] for subsets in rounds] == [[100, 100]]
    rounds = partition_rounds(shards, 2, 10, 80)
    sizes = [sum(len(subset) for subset in subsets) for subsets in rounds]
    assert sizes == [2, 4, 8, *[16] * 11, 10]
    assert sorted(s.row_start for subsets in rounds for row in subsets for s in row) == list(
        range(0, 2000, 10)
    )


@pytest.mark.parametrize(("left_over", "sizes"), [(7, [2, 4, 15]), (8, [2, 4, 8, 8]), (16, [2, 4, 8, 16])])
def test_what_is_less_than_half_a_round_belongs_to_the_round_before(left_over, sizes):
    shards = [Shard(0, 0, k * 10, k * 10 + 10, k * 10) for k in range(14 + left_over)]
    rounds = partition_rounds(shards, 2, 10, 80)
    assert [sum(len(subset) for subset in subsets) for subsets in rounds] == sizes
    assert sorted(s.row_start for subsets in rounds for row in subsets for s in row) == [
        s.row_start for s in shards
    ]
