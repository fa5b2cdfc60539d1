"""What is asked of the system beforehand is what will be read, and asking never fails."""

import gc
import os
import threading
import weakref
from collections import deque
from itertools import accumulate
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting.dataset import fill
from scalable.boosting.dataset.fill import pour
from scalable.data.readers.readahead import GAP_BYTES
from scalable.data.shard import Shard
from scalable.execution import fetching, work
from scalable.execution.executors import get_executor
from scalable.execution.fetching import fetch
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.execution.work import Work
from scalable.storage import local
from tests.execution.tasks import CountRows, FloatSums, as_bytes, settle_fetching


def not_there(*args):
    raise BlockingIOError


@pytest.fixture
def asked(monkeypatch):
    """What the system is asked for of files none of which is in the page cache."""
    ranges = []

    def read(file, rooms, at, *flags):
        if flags:
            raise BlockingIOError
        ranges.append((at, sum(map(len, rooms))))

    monkeypatch.setattr(os, "preadv", read, raising=False)
    return ranges


@pytest.fixture
def path(tmp_path):
    random = np.random.default_rng(0)
    table = pa.table({name: random.random(30_000) for name in "abc"} | {"y": random.integers(0, 2, 30_000)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10_000, compression="none")
    return tmp_path / "a.parquet"


def test_the_columns_of_whole_row_groups_are_asked_for_and_no_others(path, asked):
    source = ParquetSource(path, target="y")
    source.expect(Shard(0, 0, 10_000, 30_000, 10_000), ["a", "c"])
    metadata = pq.read_metadata(path)
    for group in (1, 2):
        for name, wanted in (("a", True), ("b", False), ("c", True)):
            column = metadata.row_group(group).column("abc".index(name))
            first = column.dictionary_page_offset or column.data_page_offset
            middle = first + column.total_compressed_size // 2
            assert any(at <= middle < at + size for at, size in asked) == wanted
    chosen = [metadata.row_group(g).column(j).total_compressed_size for g in (1, 2) for j in (0, 2)]
    assert sum(chosen) <= sum(size for _, size in asked) <= sum(chosen) + 4 * GAP_BYTES


def test_of_half_a_row_group_half_is_asked_for(path, asked, monkeypatch):
    ParquetSource(path, target="y").expect(Shard(0, 0, 0, 5_000, 0), ["b"])
    column = pq.read_metadata(path).row_group(0).column(1)
    (half,) = asked
    assert half[1] == pytest.approx(column.total_compressed_size / 2, abs=GAP_BYTES)
    monkeypatch.setattr(
        local, "ROOM_BYTES", 1_000
    )  # in pieces: all of it, once; but only so much of one shard
    for most in (local.MOST_AHEAD, 40_000):
        asked.clear()
        monkeypatch.setattr(local, "MOST_AHEAD", most)
        ParquetSource(path, target="y").expect(Shard(0, 0, 0, 5_000, 0), ["b"])
        assert [at for at, _ in asked] == [*accumulate((size for _, size in asked[:-1]), initial=half[0])]
        assert sum(size for _, size in asked) == min(half[1], most)


def test_the_next_shard_is_asked_for_while_one_is_read(path, asked):
    class Rows:
        def init(self):
            return 0

        def step(self, state, block):
            return state + block.n_rows

        def merge(self, left, right):
            return left + right

        def finish(self, state):
            return state

    source = ParquetSource(path, target="y")
    with get_executor(None, 1) as executor:
        assert run_reduction(executor, Rows(), BlockReader(source)) == 30_000
    done = fetch(
        BlockReader(source), source.shards[:1]
    )  # on the same thread, after all that the reduction asked for
    assert done is not None
    done.result(timeout=30)
    assert len(asked) > 1


@pytest.mark.parametrize("threads", [1, 2])
def test_what_follows_a_group_is_asked_for_before_it_ends(path, threads, monkeypatch):
    order = []

    class Watched(BlockReader):
        def expect(self, shard):
            order.append(("asked", shard.index))

        def blocks(self, shard):
            order.append(("read", shard.index))
            return super().blocks(shard)

    monkeypatch.setattr(
        "scalable.execution.work.fetch", lambda reader, shards: [reader.expect(s) for s in shards]
    )
    source = ParquetSource(path, target="y")
    tasks = Work(CountRows(), Watched(source), tuple((shard,) for shard in source.shards))
    assert sum(Threads(threads).run(tasks, lambda rows, metrics: None)) == 30_000
    assert len(source.shards) > 2 * threads
    asked = [shard.index for shard in source.shards if ("asked", shard.index) in order]
    assert len(asked) >= len(source.shards) - threads  # no one is before what a thread begins with
    assert all(order.index(("asked", k)) < order.index(("read", k)) for k in asked)


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="the system does not tell what is in its cache")
@pytest.mark.parametrize("error", [BlockingIOError, OSError])
def test_what_is_in_the_page_cache_is_not_asked_for(path, asked, monkeypatch, error):
    source, look = ParquetSource(path, target="y"), []

    def see(file, buffers, offset, *flags):
        (look if flags else asked).append(offset)
        if flags and len(look) > 2:
            raise error
        return 1

    monkeypatch.setattr(os, "preadv", see)
    source.expect(source.shards[0], ["b"])
    assert look
    assert not asked  # the first byte and the last are there
    source.expect(source.shards[0], ["b"])
    assert asked


@pytest.mark.parametrize("gone", [0, 20])
def test_shards_after_one_in_the_page_cache_are_not_looked_for(path, monkeypatch, gone):
    """But what is not there, or follows some that were taken to be, is; whatever other sources left behind."""
    monkeypatch.setattr(fetching, "_spared", dict.fromkeys(range(-gone, 0), 3))
    looks, there = [], [True]

    class Looked(BlockReader):
        def expect(self, shard):
            looks.append(shard.index)
            return there[0]

    reader, shards = Looked(ParquetSource(path)), [Shard(k, 0, 0, 1, 0) for k in range(40)]

    def ask(k):
        done = fetch(reader, shards[k : k + 1])
        if done is not None:
            done.result(timeout=30)

    for k in range(20):
        ask(k)
    assert looks == [0, 9, 18]
    there[0] = False
    for k in range(20, 40):
        ask(k)
    assert looks == [0, 9, 18, *range(27, 40)]
    there[0] = True
    looks.clear()
    fetch(reader, shards[:20]).result(timeout=30)  # of many at once, too
    assert looks == [0, 9, 18]


class Bare:
    """Encodes no column; the rows count."""

    needed = ("a", "b", "c")

    def encode(self, raw):
        return SimpleNamespace(matrix=None, label=np.zeros(raw.n_rows), weight=None, start=None)

    def push(self, matrix, label, *where, **more):
        pass


def summed(source):
    return as_bytes(run_reduction(Threads(1), FloatSums(("a", "b")), BlockReader(source)))


def filled(source):
    return pour(BlockReader(source, Bare()), Bare(), None, 1, lambda rows: None)


@pytest.mark.parametrize(("read", "where"), [(summed, work), (filled, fill)])
def test_what_memory_cannot_keep_is_forgotten_behind_who_reads_it(path, asked, monkeypatch, read, where):
    """All that was fetched, some shards later, and nothing else; nothing where memory can keep it; the same bits."""
    forgotten, found = [], []
    monkeypatch.setattr(os, "posix_fadvise", lambda fd, at, size, how: forgotten.append((at, size)))
    monkeypatch.setattr("scalable.execution.reader.LEAST_PASSING", 100)
    monkeypatch.setattr(fetching, "BEHIND", 1)
    monkeypatch.setattr(where, "fetch", lambda *what: (done := fetch(*what)) and done.result(timeout=30))
    source, metadata = ParquetSource(path, target="y"), pq.read_metadata(path)
    stored = sum(metadata.row_group(g).column(c).total_compressed_size for g in range(3) for c in range(4))
    assert not source.exceeds(stored - stored // 4, source.shards, ["a", "b"])
    for spare in (stored, stored - 1):
        monkeypatch.setattr("scalable.execution.reader.spare_memory", lambda room=spare: room)
        monkeypatch.setattr(fetching, "_read", deque())
        assert not forgotten
        asked.clear()
        found.append(read(source))
        settle_fetching()
    assert found[0] == found[1]
    assert len(forgotten) == len(set(forgotten)) > len(source.shards) // 2
    assert set(forgotten) < set(asked)


@pytest.mark.parametrize("read", [summed, filled])
def test_of_a_pass_that_is_broken_off_nothing_more_is_read(path, monkeypatch, read):
    """What waits for the disk would keep the process from its end; what follows is fetched as ever."""
    kept = weakref.WeakKeyDictionary()
    monkeypatch.setattr(fetching, "_fetched", kept)
    go, begun, looked = threading.Semaphore(0), threading.Semaphore(0), []

    class Slow(BlockReader):
        def expect(self, shard):
            looked.append(shard.index)
            begun.release()
            return not go.acquire(timeout=30)

    source, shards = ParquetSource(path, target="y"), [Shard(k, 0, 0, 10, 0) for k in range(9)]
    asked = [fetch(Slow(source, passing=True), shards) for _ in range(4)]
    assert all(begun.acquire(timeout=30) for _ in range(fetching.THREADS))

    def stopped(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(ParquetSource, "raw_blocks", stopped)
    with pytest.raises(KeyboardInterrupt):
        read(source)
    for _ in range(40):
        go.release()
    for done in asked:
        done.result(timeout=30)
    assert looked == [0, 0]
    fetch(Slow(source, passing=True), shards[:1]).result(timeout=30)
    assert looked == [0, 0, 0]
    assert shards[0] in kept[source]
    fetching.forget(BlockReader(source), shards[0])  # of a pass that memory can keep
    assert shards[0] in kept[source]
    del source, asked
    gc.collect()
    assert not kept


def test_nothing_is_asked_for_without_shards(path):
    assert fetch(BlockReader(ParquetSource(path)), []) is None


def test_asking_for_what_is_gone_or_where_hints_are_unknown_does_nothing(path, monkeypatch):
    source = ParquetSource(path, target="y")
    monkeypatch.delattr(os, "posix_fadvise")
    source.expect(source.shards[0])
    monkeypatch.undo()

    def refuse(*args):
        raise OSError("no hints here")

    monkeypatch.setattr(os, "preadv", not_there, raising=False)
    monkeypatch.setattr(os, "posix_fadvise", refuse)
    source.expect(source.shards[0])
    path.unlink()
    ParquetSource.expect(source, source.shards[0], ["b"])


def test_a_short_piece_in_the_page_cache_does_not_speak_for_whole_shards(path, monkeypatch):
    monkeypatch.setattr(fetching, "_spared", {})
    looks = []

    class Looked(BlockReader):
        def expect(self, shard):
            looks.append(shard.index)
            return shard.n_rows == 10

    reader = Looked(ParquetSource(path))
    for shard in (Shard(0, 0, 0, 10, 0), Shard(1, 0, 0, 10, 0), Shard(2, 0, 0, 1000, 0)):
        done = fetch(reader, [shard])
        if done is not None:
            done.result(timeout=30)
    assert looks == [0, 2]
