import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_info

from scalable import ParquetSource
from scalable.data.readers import cursor_pool
from scalable.data.shard import Shard
from scalable.errors import UsageError
from scalable.execution.process_wide import one_blas_thread
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.replicas import run_round
from scalable.execution.threads import Threads
from scalable.execution.work import Work
from scalable.kernels import buffers
from tests.execution.tasks import (
    CountRows,
    FailAt,
    FloatSums,
    SideBySide,
    SpecialError,
    ThreadPools,
    settle_fetching,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("threads") / "a.parquet"
    pq.write_table(pa.table({"a": np.arange(60_000.0), "b": np.ones(60_000)}), path, row_group_size=1_000)
    return ParquetSource(path)


@pytest.fixture(scope="module")
def one_group(tmp_path_factory):
    path = tmp_path_factory.mktemp("threads") / "one.parquet"
    pq.write_table(
        pa.table({"a": np.arange(60_000.0), "b": np.ones(60_000)}),
        path,
        row_group_size=2**20,
        use_dictionary=False,
        use_byte_stream_split=True,
    )  # no page of these is entered by its header
    return ParquetSource(path)


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_the_other_threads_stop_after_a_failure(source, tmp_path):
    diary = tmp_path / "diary"
    subsets = [list(source.shards[:-1]) * 20, list(source.shards[-1:])]
    reduction = FailAt(row=59_999, diary=str(diary), pause=0.05)
    start = time.monotonic()
    with pytest.raises(SpecialError):
        run_round(Threads(2), SideBySide(reduction), BlockReader(source), 0, subsets)
    assert time.monotonic() - start < 10
    assert len(diary.read_text().splitlines()) < 50
    assert not [t for t in threading.enumerate() if t.name.startswith(("work", "decode"))]


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_within_two_seconds(tmp_path, threads):
    code = f"""
        import numpy as np, pyarrow as pa, pyarrow.parquet as pq, sys
        from scalable import ParquetSource
        from scalable.execution.reader import BlockReader
        from scalable.execution.reduction import run_reduction
        from scalable.execution.threads import Threads
        from tests.execution.tasks import FailAt
        pq.write_table(pa.table({{"a": np.arange(60_000.0)}}), "a.parquet", row_group_size=1_000)
        source = ParquetSource("a.parquet")
        try:
            run_reduction(Threads({threads}), FailAt(-1, "diary", pause=0.5), BlockReader(source))
        except KeyboardInterrupt:
            sys.exit(77)
    """
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "diary").exists() or not (tmp_path / "diary").stat().st_size:  # made, then written
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    sent = time.time()
    assert process.wait(20) == 77, process.stderr.read().decode()
    process.stderr.close()
    stamps = [float(line.split()[0]) for line in (tmp_path / "diary").read_text().splitlines()]
    assert max(stamps) - sent < 2  # no step began later


def test_blas_is_single_threaded_inside_and_restored_outside(two_blas_threads, source):
    before = blas_threads()
    assert set(before) == {2}
    seen = run_reduction(Threads(2), ThreadPools(), BlockReader(source))
    assert {blas for _, blas in seen} == {1}
    assert blas_threads() == before


def test_blas_stays_limited_until_the_last_of_several_runs_ends(two_blas_threads):
    before = blas_threads()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(blas_threads()) <= {1}
    second.__exit__(None, None, None)
    assert blas_threads() == before


def test_two_runs_at_once_agree(source):
    results = []
    reduction = FloatSums(("a", "b"))
    runs = [
        threading.Thread(
            target=lambda: results.append(run_reduction(Threads(2), reduction, BlockReader(source)))
        )
        for _ in range(3)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len({result["gram"].tobytes() for result in results}) == 1


def test_one_huge_row_group_is_decoded_once_per_thread(one_group, monkeypatch):
    assert one_group.sequential
    assert len(one_group.shards) > 8
    opened = []
    real = pq.ParquetFile.iter_batches

    def counted(self, *args, **kwargs):
        opened.append(1)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    for n in (1, 2):
        opened.clear()
        run_reduction(Threads(n), FloatSums(("a", "b")), BlockReader(one_group))
        assert len(opened) <= n
        opened.clear()
        heads = [shard.head(1_000) for shard in one_group.shards]
        run_reduction(Threads(n), FloatSums(("a", "b")), BlockReader(one_group), heads)
        assert len(opened) <= n
    assert not parked_of(one_group)


def test_no_file_stays_open_after_a_failed_run(one_group, tmp_path):
    with pytest.raises(SpecialError):
        run_reduction(Threads(2), FailAt(30_000, str(tmp_path / "diary"), 0), BlockReader(one_group))
    assert not parked_of(one_group)
    settle_fetching()  # who asks the disk for what comes next opens it for a moment
    held = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_link(fd)]
    assert one_group.paths[0] not in held


def parked_of(source):
    return [key for key in cursor_pool._cursors if key[0][0] in source.paths]


def _is_link(fd):
    return os.path.islink(f"/proc/self/fd/{fd}")


def test_work_is_partitioned_in_order_and_evenly(source):
    work = Work(CountRows(), BlockReader(source), tuple((shard,) for shard in source.shards))
    for n in (1, 2, 3, 7, len(source.shards), 1000):
        parts = work.partition(n)
        assert [group for part in parts for group in part.groups] == list(work.groups)
        assert len(parts) == min(n, len(source.shards))
        rows = [part.n_rows for part in parts]
        largest = max(shard.n_rows for shard in source.shards)
        assert max(rows) - min(rows) <= 2 * largest
    assert sum(part.n_rows for part in work.partition(5)) == work.n_rows == 60_000


@pytest.mark.parametrize(("waits", "together"), [(True, 3), (False, 2)])
def test_a_thread_more_runs_where_others_wait_for_the_disk(source, waits, together):
    running, most, lock, met = 0, 0, threading.Lock(), threading.Barrier(together)

    class Waiting:
        def run(self, rows):
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            met.wait(20)
            with lock:
                running -= 1

    task = Waiting()
    task.waits = waits
    groups = tuple((shard,) for shard in source.shards[: 2 * together])
    Threads(2).run(Work(task, BlockReader(source), groups), lambda *_: None)
    assert most == together


def test_number_of_threads_is_checked():
    for bad in (0, -1):
        with pytest.raises(UsageError, match="at least 1, found"):
            Threads(bad)
    assert Threads().n_workers == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("long", [False, True])
def test_a_long_stage_leaves_no_memory_to_the_next(source, monkeypatch, long):
    """What follows may be no work on blocks: a job was at its peak when its last stage sorted a sample."""
    monkeypatch.setattr("scalable.execution.threads.GIVE_BACK_SECONDS", -1.0 if long else 600.0)
    monkeypatch.setattr(buffers, "LEAST_BYTES", 1000)
    buffers.give_back(whole=True)
    reader = BlockReader(ParquetSource(source.paths[0]).with_shards([Shard(0, 0, 0, 60_000, 0)]))
    run_reduction(Threads(1), FloatSums(("a", "b")), reader)
    assert bool(buffers._free) is not long
