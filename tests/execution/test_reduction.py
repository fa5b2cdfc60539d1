import weakref

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource, progress
from scalable.data.table import TableSource
from scalable.execution.dask import Dask
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.sampling import one_of_each, sample_shards, spread_shards
from scalable.execution.threads import Threads
from scalable.features.profile import profile_source
from scalable.linear.solvers.rounds import DescentSettings
from scalable.tuning.held_out import hold_out, pieces_of
from tests.execution.conftest import NAMES, table
from tests.execution.tasks import FailAt, FloatSums, SpecialError, as_bytes


@pytest.fixture
def source(layouts):
    return layouts


def test_run_reduction_gives_the_same_bits_on_any_number_of_threads(source):
    reader = BlockReader(source, block_rows=3_000)
    one = run_reduction(Threads(1), FloatSums(NAMES), reader)
    for n in (2, 3, 4, 7):
        assert as_bytes(run_reduction(Threads(n), FloatSums(NAMES), reader)) == as_bytes(one)


def test_run_reduction_gives_the_same_bits_on_dask(source, dask_client):
    reader = BlockReader(source, block_rows=3_000)
    one = run_reduction(Threads(1), FloatSums(NAMES), reader)
    assert as_bytes(run_reduction(Dask(dask_client), FloatSums(NAMES), reader)) == as_bytes(one)


def test_run_reduction_sees_every_row_once_and_sums_right(source):
    result = run_reduction(Threads(2), FloatSums(NAMES), BlockReader(source))
    x = np.stack([table(300_000)[name].to_numpy() for name in NAMES])
    np.testing.assert_allclose(result["gram"], x @ x.T, rtol=1e-10)
    position = 0
    for first_row, n_rows in result["rows"]:
        assert first_row == position
        position += n_rows
    assert position == 300_000


def test_run_reduction_does_not_depend_on_prefetch_depth(source):
    results = {
        as_bytes(run_reduction(Threads(2), FloatSums(NAMES), BlockReader(source, depth=d, block_rows=3_000)))
        for d in (0, 1, 3)
    }
    assert len(results) == 1


def test_few_states_are_of_consecutive_shards_and_the_same_on_any_executor(source, dask_client):
    reader = BlockReader(source, block_rows=3_000)
    reduction = FloatSums(NAMES)
    one = run_reduction(Threads(1), reduction, reader, most_states=3)
    for executor in (Threads(2), Dask(dask_client)):
        assert as_bytes(run_reduction(executor, reduction, reader, most_states=3)) == as_bytes(one)
    n, states = len(source.shards), []
    for k in range(3):
        state = reduction.init()
        for shard in source.shards[n * k // 3 : n * (k + 1) // 3]:
            for block in reader.blocks(shard):
                state = reduction.step(state, block)
        states.append(state)
    assert as_bytes(one) == as_bytes(reduction.merge(reduction.merge(*states[:2]), states[2]))


@pytest.mark.parametrize("leaves", [3, 10**6])
def test_few_leaves_are_the_same_on_any_executor(source, dask_client, leaves):
    reader, reduction = BlockReader(source, block_rows=3_000), FloatSums(NAMES)
    one = run_reduction(Threads(1), reduction, reader, leaves=leaves)
    for executor in (Threads(2), Threads(5), Dask(dask_client)):
        assert as_bytes(run_reduction(executor, reduction, reader, leaves=leaves)) == as_bytes(one)
    starts = [first_row for first_row, _ in one["rows"]]
    assert starts == sorted(starts)
    assert sum(n_rows for _, n_rows in one["rows"]) == 300_000


class Counted:
    """A reduction that counts rows, and how many of its states live at once."""

    def __init__(self):
        self.most = 0
        self._states = weakref.WeakSet()

    def init(self):
        state = State()
        self._states.add(state)
        self.most = max(self.most, len(self._states))
        return state

    def step(self, state, block):
        state.rows += block.n_rows
        return state

    def merge(self, left, right):
        left.rows += right.rows
        return left

    def finish(self, state):
        return state.rows


class State:
    rows = 0


@pytest.mark.parametrize("n_shards", [16, 100])
def test_states_of_few_leaves_do_not_grow_with_the_rows(tmp_path, n_shards):
    for k in range(n_shards):
        pq.write_table(pa.table({"x": np.arange(10)}), tmp_path / f"{k:03d}.parquet")
    source = ParquetSource(tmp_path)
    assert len(source.shards) == n_shards
    counted = Counted()
    assert run_reduction(Threads(1), counted, BlockReader(source), leaves=64) == 10 * n_shards
    assert counted.most <= 3  # of what came before, of the run, of the leaf


def test_a_reduction_of_no_shards_is_the_finished_initial_state(source):
    reduction = FloatSums(NAMES)
    assert as_bytes(run_reduction(Threads(2), reduction, BlockReader(source), [])) == as_bytes(
        reduction.init()
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_the_original_exception_surfaces_from_threads(source, tmp_path, threads):
    reduction = FailAt(100_000, str(tmp_path / "diary"), pause=0)
    with pytest.raises(SpecialError, match="row 100000"):
        run_reduction(Threads(threads), reduction, BlockReader(source, block_rows=3_000))


def test_progress_counts_every_row_once_on_all_executors(source, dask_client):
    class Shown:
        rows = 0.0

        def __init__(self):
            self.metrics = {}

        def open(self, label, total, unit):
            self.spec = (label, total, unit)
            return self

        def advance(self, amount, **metrics):
            assert amount >= 0
            self.rows += amount
            self.metrics = {**self.metrics, **metrics}

        def close(self, finished):
            self.closed = True

    for executor in (Threads(1), Threads(2), Dask(dask_client)):
        shown = Shown()
        progress.install(shown)
        try:
            reduction = FloatSums(NAMES, pause=0.06)
            run_reduction(executor, reduction, BlockReader(source, block_rows=20_000), label="summing")
        finally:
            progress.install(None)
        assert shown.spec == ("summing", 300_000, "rows")
        assert shown.rows == 300_000
        assert shown.metrics["log"] > 0
        assert shown.closed


def test_sample_shards_are_few_spread_and_deterministic(tmp_path):
    pq.write_table(table(400_000), tmp_path / "a.parquet", row_group_size=5_000)
    source = ParquetSource(tmp_path)
    sample = sample_shards(source, 60_000)
    assert sum(shard.n_rows for shard in sample) <= 60_000
    assert sample == sample_shards(source, 60_000)
    firsts = [shard.first_row for shard in sample]
    assert firsts[0] == 0
    assert firsts[-1] >= 200_000
    assert list(sample_shards(source, 10**9)) == list(source.shards)


def test_no_period_of_files_hides_one_kind_from_a_choice_of_them():
    source = TableSource(table(400_000))
    source = source.with_shards(pieces_of(source))
    for few in (
        sample_shards(source, 2**15, 8),
        spread_shards(source, 2**15),
        DescentSettings(held_out=0.1).divide(source.shards)[1],
        hold_out(source)[1].shards,
    ):
        for period in (2, 5):
            assert len({shard.index % period for shard in few}) > period // 2
    for step in range(2, 40):
        chosen = np.array(one_of_each(range(400 * step), 400))
        for period in {2, step}:
            shares = np.bincount(chosen % period, minlength=period) / len(chosen)
            assert 0.5 / period < shares.min() <= shares.max() < 2.0 / period


def test_profile_source_is_the_same_from_files_and_from_memory(tmp_path):
    data = table(30_000).append_column("t", pa.array(["x", "y", None] * 10_000))
    pq.write_table(data, tmp_path / "a.parquet", row_group_size=4_321)
    from_files = profile_source(ParquetSource(tmp_path))
    from_memory = profile_source(TableSource(data), Threads(1))
    assert from_files.rows == from_memory.rows == 30_000
    assert from_files.columns["t"] == from_memory.columns["t"]
    for name in NAMES:
        np.testing.assert_allclose(
            from_files.columns[name].variance, from_memory.columns[name].variance, rtol=1e-12
        )
