import os
import pickle
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed import Client, Future, LocalCluster

from scalable import ParquetSource
from scalable.data.table import TableSource
from scalable.errors import ClusterError
from scalable.execution import dask as dask_module
from scalable.execution.dask import Dask
from scalable.execution.executors import connected, get_executor
from scalable.execution.liveness import Liveness
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.replicas import run_round
from scalable.execution.threads import Threads
from scalable.execution.work import Work
from tests.execution.tasks import (
    CountRows,
    DieOnce,
    FailAt,
    FloatSums,
    SideBySide,
    SpecialError,
    ThreadPools,
    TimesOut,
    as_bytes,
)

NAMES = ("a", "b")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("dask_data")
    rng = np.random.default_rng(1)
    data = pa.table({name: rng.lognormal(0, 3, 120_000) for name in NAMES})
    pq.write_table(data, path / "a.parquet", row_group_size=3_000)
    return ParquetSource(path)


@pytest.fixture
def client(dask_client):
    return dask_client


@pytest.fixture
def mortal(mortal_client):
    mortal_client.wait_for_workers(1, timeout=60)
    return mortal_client


def expected(source, reader):
    return as_bytes(run_reduction(Threads(1), FloatSums(NAMES), reader))


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.02)


def in_process_cluster(n_workers):
    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    )


def running_tasks(client):
    return sum(len(keys) for keys in client.processing().values())


def test_a_worker_that_kills_itself_mid_round_changes_nothing(source, mortal, tmp_path):
    reader = BlockReader(source, block_rows=3_000)
    reduction = DieOnce(FloatSums(NAMES, pause=0.002), row=70_000, mark=str(tmp_path / "mark"))
    result = run_reduction(Dask(mortal), reduction, reader)
    assert (tmp_path / "mark").exists()
    assert as_bytes(result) == expected(source, reader)


def test_replicas_survive_a_killed_worker_with_the_same_bits(source, mortal, tmp_path):
    reader = BlockReader(source, block_rows=3_000)
    reduction = FloatSums(NAMES)
    subsets = [list(source.shards[k::3]) for k in range(3)]
    calm = run_round(Threads(1), SideBySide(reduction), reader, reduction.init(), subsets)
    dying = DieOnce(reduction, row=50_000, mark=str(tmp_path / "mark"))
    survived = run_round(Dask(mortal), SideBySide(dying), reader, reduction.init(), subsets)
    assert [as_bytes(s) for s in survived] == [as_bytes(s) for s in calm]


def test_a_worker_killed_from_outside_changes_nothing(source, mortal):
    reader = BlockReader(source, block_rows=3_000)
    results = []
    reduction = FloatSums(NAMES, pause=0.05)
    runner = threading.Thread(target=lambda: results.append(run_reduction(Dask(mortal), reduction, reader)))
    runner.start()
    wait_until(lambda: running_tasks(mortal))
    time.sleep(0.2)
    busy = [address for address, keys in mortal.processing().items() if keys]
    os.kill(mortal.run(os.getpid, workers=busy[:1])[busy[0]], signal.SIGKILL)
    runner.join(60)
    assert as_bytes(results[0]) == expected(source, reader)


def test_a_worker_that_dies_with_what_it_found_changes_nothing(source, mortal, monkeypatch):
    wait, died = Dask._wait, []

    def wait_and_kill(self, futures):
        wait(self, futures)
        if not died:
            died.extend(next(iter(mortal.who_has(futures).values())))
            os.kill(mortal.run(os.getpid, workers=died)[died[0]], signal.SIGKILL)
            wait_until(lambda: died[0] not in mortal.nthreads())

    monkeypatch.setattr(Dask, "_wait", wait_and_kill)
    monkeypatch.setattr(dask_module, "FETCH_SECONDS", 1.0)
    reader = BlockReader(source, block_rows=3_000)
    assert as_bytes(run_reduction(Dask(mortal), FloatSums(NAMES), reader)) == expected(source, reader)
    monkeypatch.setattr(dask_module, "NO_WORKER_SECONDS", 0.5)
    with pytest.raises(ClusterError, match="no worker for"):
        run_reduction(Dask(mortal, died), FloatSums(NAMES), reader)


def test_a_tasks_own_timeout_is_not_taken_for_a_slow_fetch(source, mortal):
    with pytest.raises(TimeoutError, match="of the task"):
        run_reduction(Dask(mortal), TimesOut(NAMES), BlockReader(source, block_rows=3_000))


def test_a_task_that_kills_every_worker_is_a_cluster_error(source, mortal, tmp_path):
    reduction = DieOnce(FloatSums(NAMES), row=0, mark=str(tmp_path / "mark"), always=True)
    mortal.run_on_scheduler(_allow_failures, n=0)
    try:
        with pytest.raises(ClusterError, match=r"lost 1 workers in a row .* memory"):
            run_reduction(Dask(mortal), reduction, BlockReader(source, block_rows=3_000))
    finally:
        mortal.run_on_scheduler(_allow_failures, n=3)


def _allow_failures(dask_scheduler, n):
    dask_scheduler.allowed_failures = n


def test_the_original_exception_surfaces_and_the_other_tasks_stop(source, client, tmp_path):
    diary = tmp_path / "diary"
    reduction = FailAt(row=source.n_rows - 1, diary=str(diary), pause=0.05)
    last = source.shards[-1:]
    subsets = [list(source.shards[:-1]) * 20, list(last)]  # the first would go on for a minute
    with pytest.raises(SpecialError, match="row 119999"):
        run_round(Dask(client), SideBySide(reduction), BlockReader(source, block_rows=3_000), 0, subsets)
    failed_at = time.time()
    wait_until(lambda: running_tasks(client) == 0, 5)
    time.sleep(1.5)
    stamps = [float(line.split()[0]) for line in diary.read_text().splitlines()]
    assert max(stamps) - failed_at < 2
    assert len(stamps) < 60


def test_an_interrupt_stops_the_work_within_two_seconds(source, client, tmp_path, monkeypatch):
    diary = tmp_path / "diary"
    reduction = FailAt(row=-1, diary=str(diary), pause=0.05)
    subsets = [list(source.shards) * 20] * 2
    executor = Dask(client)
    real = Liveness.ages

    def interrupted(self):
        if diary.exists() and diary.stat().st_size:  # made, then written
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(Liveness, "ages", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_round(executor, SideBySide(reduction), BlockReader(source, block_rows=3_000), 0, subsets)
    stopped_at = time.time()
    time.sleep(2.5)
    stamps = [float(line.split()[0]) for line in diary.read_text().splitlines()]
    assert max(stamps) - stopped_at < 2
    assert running_tasks(client) == 0


def test_two_rounds_at_once_on_one_client(source, client):
    reader = BlockReader(source, block_rows=3_000)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(run_reduction(Dask(client), FloatSums(NAMES), reader)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [as_bytes(result) for result in results] == [expected(source, reader)] * 3


def test_nothing_of_a_round_stays_on_the_cluster(source, client):
    executor = Dask(client)
    for _ in range(3):
        run_reduction(executor, FloatSums(NAMES), BlockReader(source))
    wait_until(lambda: not client.run_on_scheduler(_task_keys), 5)
    assert sum(topic == executor._topic for topic in client.run_on_scheduler(_topics)) <= 1
    wait_until(lambda: client.run_on_scheduler(_subscribers, topic=executor._topic) == 0, 5)


def _task_keys(dask_scheduler):
    return [key for key in dask_scheduler.tasks if str(key).startswith("scalable")]


def _subscribers(dask_scheduler, topic):
    return len(dask_scheduler._broker._topics[topic].subscribers)


def _topics(dask_scheduler):
    return list(dask_scheduler._broker._topics)


def test_blas_is_bounded_inside_workers(source, client):
    seen = run_reduction(Dask(client), ThreadPools(), BlockReader(source))
    assert len({pid for pid, _ in seen} - {os.getpid()}) == 2
    assert {blas for _, blas in seen} == {1}


def test_progress_events_are_few(source, client):
    events = []
    executor = Dask(client)
    reader = BlockReader(source, block_rows=300)  # 400 blocks
    start = time.monotonic()
    work = Work(CountRows(), reader, tuple((shard,) for shard in source.shards))
    executor.run(work, lambda rows, metrics: events.append(rows))
    seconds = time.monotonic() - start
    assert sum(events) == source.n_rows
    assert len(events) <= 2 * (seconds / dask_module.REPORT_SECONDS + 1) + 1


def test_rows_in_memory_are_not_sent_to_the_cluster(client):
    rng = np.random.default_rng(0)
    table = pa.table({name: rng.random(10_000) for name in NAMES})
    source = TableSource(table)
    result = run_reduction(Dask(client), ThreadPools(), BlockReader(source))
    assert {pid for pid, _ in result} == {os.getpid()}


def test_ten_thousand_row_groups_travel_in_less_than_a_megabyte(tmp_path):
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table({name: np.zeros(10_000, np.float32) for name in NAMES}), path, row_group_size=1)
    source = ParquetSource(path)
    footer = source.footers[0]
    assert len(footer.row_groups) == 10_000
    # Row groups of a million rows: 10,000 shards, too large to write here.
    big = source.with_shards(source.shards)
    big.footers = {0: replace(footer, row_groups=(10**6,) * 10_000)}
    from scalable.data.shard import plan_shards

    big.shards = plan_shards([big.footers[0].row_groups])
    assert len(big.shards) == 10_000
    work = Work(CountRows(), BlockReader(big), tuple((shard,) for shard in big.shards))
    sent = [pickle.dumps(part.packed(), protocol=5) for part in work.partition(16)]
    assert sum(map(len, sent)) < 2**20
    assert sum(len(group) for part in work.partition(16) for group in part.groups) == 10_000


def test_a_cluster_without_workers_is_a_cluster_error(source, monkeypatch):
    monkeypatch.setattr(dask_module, "NO_WORKER_SECONDS", 1.0)
    with (
        in_process_cluster(0) as cluster,
        Client(cluster, set_as_default=False) as empty,
        pytest.raises(ClusterError, match="no worker for 1 s; start workers"),
    ):
        run_reduction(Dask(empty), FloatSums(NAMES), BlockReader(source))


def test_a_frozen_worker_is_named(source, client, monkeypatch):
    monkeypatch.setattr(dask_module, "FROZEN_SECONDS", 2.0)
    address, pid = client.run(os.getpid).popitem()
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ClusterError, match=f"{address} gave no sign of life"):
            run_reduction(Dask(client), FloatSums(NAMES), BlockReader(source))
    finally:
        os.kill(pid, signal.SIGCONT)


def test_work_cancelled_by_someone_else_is_a_cluster_error(source, client):
    errors = []

    def run():
        try:
            run_reduction(Dask(client), FloatSums(NAMES, pause=0.2), BlockReader(source, block_rows=3_000))
        except BaseException as error:
            errors.append(error)

    runner = threading.Thread(target=run)
    runner.start()
    wait_until(lambda: running_tasks(client) == 2)
    client.cancel([Future(key, client) for key in list(client.futures)], force=True)
    runner.join(30)
    assert isinstance(errors[0], ClusterError)
    assert "run it again" in str(errors[0])


def test_a_scheduler_that_goes_away_is_a_cluster_error(source):
    errors = []
    cluster = in_process_cluster(1)
    with Client(cluster.scheduler_address, set_as_default=False) as client:

        def run():
            try:
                run_reduction(
                    Dask(client), FloatSums(NAMES, pause=0.05), BlockReader(source, block_rows=3_000)
                )
            except BaseException as error:
                errors.append(error)

        runner = threading.Thread(target=run)
        runner.start()
        wait_until(lambda: running_tasks(client) == 1)
        cluster.close()
        runner.join(30)
    assert isinstance(errors[0], ClusterError), errors


def test_an_address_connects_and_closes_only_what_it_opened(source, client):
    reader = BlockReader(source, block_rows=3_000)
    address = client.scheduler.address
    with connected(address) as opened:
        assert opened is not client
        assert as_bytes(run_reduction(Dask(opened), FloatSums(NAMES), reader)) == expected(source, reader)
    assert opened.status == "closed"
    with get_executor(client) as executor:
        assert isinstance(executor, Dask)
        assert executor.n_workers == 2
    assert client.status == "running"
