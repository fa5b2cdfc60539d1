"""Fits on Dask workers: the same model, and no fit that hangs."""

import contextlib
import os
import signal
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.boosting.estimates import rounds_of
from scalable.boosting.workers import placement
from scalable.boosting.workers.launchers import DaskLauncher
from scalable.errors import ClusterError
from tests.boosting.processes import worker_processes


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(20_000, 8)).astype(np.float32)
    y = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=20_000) > 0.5
    place = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pq.write_table(pa.table({**{f"x{j}": X[:, j] for j in range(8)}, "y": y}), place, row_group_size=2000)
    return str(place)


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def in_background(model, source, **options):
    result = {}

    def run():
        try:
            result["model"] = model.fit(source, **options)
        except BaseException as error:
            result["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def test_two_workers_train_the_model_of_one(dask_client, rows):
    params = {"n_estimators": 10, "min_child_samples": 1, "min_sum_hessian_in_leaf": 5.0}
    params |= {"deterministic": True, "force_col_wise": True, "num_threads": 1}
    source = ParquetSource(rows, target="y")
    here = LGBMClassifier(**params).fit(source)
    there = LGBMClassifier(**params, client=dask_client, n_workers=2).fit(source)
    np.testing.assert_allclose(there.predict_proba(source), here.predict_proba(source), atol=1e-9)
    workers = there.stats_["workers"]
    assert [worker["rows"] for worker in workers] == [10_000, 10_000]
    assert all(worker["bytes_sent"] > 0 for worker in workers)
    assert abs(workers[0]["bytes_sent"] - workers[1]["bytes_received"]) < 1000  # but for beats on the way
    wait_until(lambda: not worker_processes())


def test_leaves_are_split_together_in_few_exchanges_to_the_same_bits(dask_client, rows):
    source, params = ParquetSource(rows, target="y"), {"n_estimators": 3, "leaves_per_round": 4}
    here = LGBMClassifier(**params).fit(source)
    there = LGBMClassifier(**params, client=dask_client, n_workers=2).fit(source)
    assert here.engine_ == there.engine_ == "native"
    assert there.booster_.model_to_string() == here.booster_.model_to_string()
    one_by_one = 3 * (2 * len(rounds_of(31, 1)) + 3)
    assert there.stats_["workers"][0]["exchanges"] < one_by_one / 2


def test_arrays_are_streamed_to_workers_of_an_address_too(dask_client):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 3))
    y = np.where(X[:, 0] > 0, "up", "down")
    model = LGBMClassifier(n_estimators=5, client=dask_client.scheduler.address, n_workers=2)
    model.fit(X, y, sample_weight=np.ones(5000))
    assert [worker["rows"] for worker in model.stats_["workers"]] == [2500, 2500]
    assert model.score(X, y) > 0.95


def test_few_rows_are_trained_where_they_are_asked_for(dask_client, rows, monkeypatch):
    """Where all workers are of this machine, they have nothing to give that this process has not."""
    params = {"n_estimators": 3, "num_threads": 1, "client": dask_client}
    source = ParquetSource(rows, target="y")
    said = []
    monkeypatch.setattr(placement.progress, "say", said.append)
    (worker,) = LGBMClassifier(**params).fit(source).stats_["workers"]
    assert worker["rows"] == 20_000
    assert "few rows: trained in this process; n_workers=2 would use the cluster" in said
    monkeypatch.setattr(placement.platform, "node", lambda: "another machine")  # than that of the workers
    workers = LGBMClassifier(**params).fit(source).stats_["workers"]
    assert [worker["rows"] for worker in workers] == [10_000, 10_000]


def test_a_killed_worker_fails_the_fit_and_leaves_nobody(dask_client, rows, tmp_path):
    model = LGBMClassifier(n_estimators=100_000, client=dask_client, n_workers=2)
    begun = tmp_path / "begun"
    thread, result = in_background(
        model, ParquetSource(rows, target="y"), callbacks=[lambda env: begun.touch()]
    )
    wait_until(begun.exists)
    os.kill(worker_processes()[-1].pid, signal.SIGKILL)
    thread.join(15)
    assert not thread.is_alive()
    assert isinstance(result["error"], ClusterError)
    assert "SIGKILL" in str(result["error"])
    wait_until(lambda: not worker_processes())


def test_a_cancelled_task_ends_the_fit_and_its_processes(dask_client, rows, monkeypatch):
    started = []
    original = DaskLauncher.start

    def start(self, jobs, tell):
        original(self, jobs, tell)
        started.append(self)

    monkeypatch.setattr(DaskLauncher, "start", start)
    model = LGBMClassifier(n_estimators=100_000, client=dask_client, n_workers=2)
    thread, result = in_background(model, ParquetSource(rows, target="y"))
    wait_until(lambda: len(worker_processes()) == 2)
    dask_client.cancel(started[0]._futures[:1], force=True)
    thread.join(15)
    assert not thread.is_alive()
    assert isinstance(result["error"], ClusterError)
    wait_until(lambda: not worker_processes(), 5)


def test_an_exception_on_one_worker_is_raised_as_it_was(dask_client, rows, tmp_path):
    constraints = {"monotone_constraints": [1, 0]}  # two of eight features
    model = LGBMClassifier(client=dask_client, n_workers=2, **constraints)
    with pytest.raises(Exception, match="monotone_constraints"):
        model.fit(ParquetSource(rows, target="y"))
    wait_until(lambda: not worker_processes(), 5)


def test_a_cluster_without_the_data_or_enough_workers_is_told(dask_client, rows, monkeypatch):
    monkeypatch.setattr("scalable.execution.executors.CONNECT_SECONDS", 1)
    with pytest.raises(ClusterError, match="the cluster has 2"):
        LGBMClassifier(client=dask_client, n_workers=3).fit(ParquetSource(rows, target="y"))
    with pytest.raises(ClusterError, match="no Dask scheduler answers"):
        LGBMClassifier(client="tcp://127.0.0.1:9").fit(ParquetSource(rows, target="y"))


@pytest.mark.parametrize("policy", ["replace", pytest.param("shrink", marks=pytest.mark.slow)])
def test_a_fit_carries_on_after_a_killed_rank(dask_client, rows, policy, tmp_path):
    source = ParquetSource(rows, target="y")
    params = {"n_estimators": 30, "num_leaves": 63, "min_child_samples": 1, "min_sum_hessian_in_leaf": 5.0}
    params |= {"deterministic": True, "force_col_wise": True, "num_threads": 1}
    model = LGBMClassifier(**params, client=dask_client, n_workers=2)
    killed = str(tmp_path / "killed")

    def kill_one(env):  # the first worker that comes here
        if env.iteration == 12:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(killed, os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)

    model.fit(source, on_loss=policy, checkpoint_every=5, callbacks=[kill_one])
    assert model.booster_.num_trees() == 30
    (loss,) = model.stats_["losses"]
    assert "SIGKILL" in loss
    assert len(model.stats_["workers"]) == (2 if policy == "replace" else 1)
    whole = LGBMClassifier(**params).fit(source)
    np.testing.assert_allclose(model.predict_proba(source), whole.predict_proba(source), atol=1e-6)
    wait_until(lambda: not worker_processes())


def test_two_fits_at_once_both_finish(dask_client, rows):
    source = ParquetSource(rows, target="y")
    fits = [
        in_background(LGBMClassifier(n_estimators=6, client=dask_client, n_workers=2), source)
        for _ in range(2)
    ]
    for thread, result in fits:
        thread.join(120)
        assert not thread.is_alive()
        assert result["model"].booster_.num_trees() == 6


def test_a_worker_frozen_before_its_process_begins_is_named(dask_client, rows, monkeypatch):
    pids = dask_client.run(os.getpid)
    address = sorted(pids)[1]
    original = DaskLauncher.start

    def freeze_and_start(self, jobs, tell):
        os.kill(pids[address], signal.SIGSTOP)
        original(self, jobs, tell)

    monkeypatch.setattr(DaskLauncher, "start", freeze_and_start)
    thread, result = in_background(
        LGBMClassifier(n_estimators=100_000, client=dask_client, n_workers=2),
        ParquetSource(rows, target="y"),
        silence=1.0,
    )
    try:
        thread.join(45)
        assert not thread.is_alive()
    finally:
        os.kill(pids[address], signal.SIGCONT)
    assert isinstance(result["error"], ClusterError)
    assert f"{address} has been frozen" in str(result["error"])
    wait_until(lambda: not worker_processes())


@pytest.mark.slow
def test_a_worker_frozen_in_training_is_noticed_in_time(dask_client, rows):
    pid = dask_client.run(os.getpid).popitem()[1]
    thread, result = in_background(
        LGBMClassifier(n_estimators=100_000, client=dask_client, n_workers=2), ParquetSource(rows, target="y")
    )
    wait_until(lambda: len(worker_processes()) == 2)
    time.sleep(5.0)
    os.kill(pid, signal.SIGSTOP)
    try:
        thread.join(45)
        assert not thread.is_alive()
        wait_until(lambda: not worker_processes())
    finally:
        os.kill(pid, signal.SIGCONT)
    assert isinstance(result["error"], ClusterError)
