"""Clients that cannot work are said in one line, and workers that were not chosen are left alone."""

import gc
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import dask
import numpy as np
import pandas as pd
import pytest
from distributed import Client

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.errors import ClusterError, UsageError
from scalable.execution import executors
from scalable.execution.dask import Dask
from scalable.execution.executors import connected
from scalable.execution.local import preloads
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.linear import LogisticRegression
from scalable.models.parameters import seed_of


def test_our_worker_processes_put_off_what_they_may_not_need(dask_client):
    found = dask_client.run(lambda: [type(finder).__name__ for finder in sys.meta_path])
    assert all("_Deferring" in finders for finders in found.values())
    for named in ("other", ["other"]):
        with dask.config.set({"distributed.worker.preload": named}):
            assert preloads()[1:] == ["other"]


class WhoWorks:
    """Reduction to the addresses of the workers that read."""

    def init(self):
        return set()

    def step(self, state, block):
        from distributed import get_worker

        return state | {get_worker().address}

    def merge(self, left, right):
        return left | right

    def finish(self, state):
        return state


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(4_000, 2)), columns=["a", "b"])
    frame["y"] = (frame["a"] > 0).astype(int)
    frame.to_parquet(folder / "rows.parquet", row_group_size=250)
    return folder


def test_only_chosen_workers_read(rows, dask_client):
    every = sorted(dask_client.nthreads())
    reader = BlockReader(ParquetSource(rows))
    assert run_reduction(Dask(dask_client), WhoWorks(), reader) <= set(every)
    for chosen in every:
        executor = Dask(dask_client, [chosen])
        assert executor.n_workers == 1
        assert run_reduction(executor, WhoWorks(), reader) == {chosen}


@pytest.mark.parametrize("learner", [LogisticRegression, LGBMClassifier])
def test_a_closed_client_is_said(learner, rows, dask_client):
    other = Client(dask_client.scheduler.address, set_as_default=False)
    other.close()
    with pytest.raises(ClusterError, match=r"client is closed.*connect a new one"):
        learner(client=other).fit(ParquetSource(rows, target="y"))


def test_addresses_that_do_not_answer_are_said(rows, monkeypatch):
    monkeypatch.setattr(executors, "CONNECT_SECONDS", 1)
    source = ParquetSource(rows, target="y")
    with pytest.raises(ClusterError, match="wants TLS, for which no certificates are configured"):
        LogisticRegression(client="tls://127.0.0.1:9").fit(source)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(ClusterError, match="no Dask scheduler answers"):
            LogisticRegression(client=f"tcp://127.0.0.1:{free.getsockname()[1]}").fit(source)


def test_relative_paths_are_those_of_the_caller(rows, dask_client, monkeypatch):
    monkeypatch.chdir(rows)
    source = ParquetSource("rows.parquet", target="y")
    model = LGBMClassifier(n_estimators=2, client=dask_client, n_workers=2)
    assert model.fit(source).n_iter_ == 2  # workers stand elsewhere


def test_seeds_come_from_numbers_and_generators():
    assert (seed_of(None), seed_of(np.int64(7))) == (None, 7)
    assert seed_of(np.random.RandomState(0)) == seed_of(np.random.RandomState(0))
    assert isinstance(seed_of(np.random.default_rng(0)), int)
    with pytest.raises(UsageError, match="random_state must be a number or a NumPy generator"):
        seed_of("tomorrow")


def test_fits_side_by_side_leave_dasks_configuration_alone(rows, dask_client):
    source = ParquetSource(rows, target="y")
    before = dask.config.get("scheduler", None)
    with ThreadPoolExecutor(3) as threads:
        for fitted in [threads.submit(LogisticRegression(client=dask_client).fit, source) for _ in range(6)]:
            fitted.result()
    assert dask.config.get("scheduler", None) == before


def test_a_client_that_could_not_connect_is_closed_at_once(monkeypatch):
    monkeypatch.setattr(executors, "CONNECT_SECONDS", 1)

    def clients():
        kinds = set(Client.__subclasses__())  # isinstance asks dead proxies, too, and they raise
        return [each for each in gc.get_objects() if type(each) in kinds]

    held, others = [], clients()  # of tests before this one
    for address in ("tls://127.0.0.1:9", "tcp://127.0.0.1:9"):
        with pytest.raises(ClusterError) as told, connected(address):
            pass
        held.append(told.value.__cause__)  # the frames of the failure hold the client
    tried = [each.status for each in clients() if all(each is not other for other in others)]
    assert tried == ["closed"] * 2
