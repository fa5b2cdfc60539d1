import time

import cloudpickle
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource, progress
from scalable.boosting.options import Options
from scalable.boosting.prepare import prepare
from scalable.boosting.train import train_on
from scalable.boosting.workers import driver as driving
from scalable.boosting.workers.driver import Fit
from scalable.boosting.workers.job import Watch
from scalable.data.table import as_source


class Recorder:
    def __init__(self):
        self.shown = []

    def open(self, label, total, unit):
        return self

    def advance(self, amount, **metrics):
        self.shown.append((amount, metrics))

    def close(self, finished):
        pass


@pytest.fixture
def recorder():
    found = Recorder()
    progress.install(found)
    yield found
    progress.install(None)


def test_progress_tells_bytes_and_the_memory_of_the_largest_worker(recorder):
    with progress.task("train", total=8, unit="trees") as shown:
        show = driving._Display(shown, 2)
        show({"kind": "beat", "index": 1, "peak_rss": 3 * 10**9})
        show({"kind": "beat", "index": 0, "peak_rss": 10**9})
        trees = {"kind": "trees", "seconds": 0.5, "metrics": {"auc": 0.7}, "exchanged": 4e6}
        show({**trees, "index": 1, "done": 5})
        show({**trees, "index": 0, "done": 5})
        show({**trees, "index": 0, "done": 4})  # trained again after a loss
    told = {"s/tree": 0.5, "auc": 0.7, "MB": 4.0, "GB/worker": 3.0}
    assert recorder.shown == [(2, {}), (3, told), (0, told)]


def test_workers_report_memory_while_they_train(recorder, local_team):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 5))
    options = Options(callbacks=[lambda env: time.sleep(0.15)])  # memory is told once a second
    params = {"num_iterations": 14, "num_leaves": 4}
    train_on(local_team(2), params, as_source(X, X[:, 0]), classify=False, options=options)
    shown = [metrics for _, metrics in recorder.shown if "GB/worker" in metrics]
    assert shown
    assert 0.01 < shown[-1]["GB/worker"] < 4


def test_ten_thousand_row_groups_are_one_task_a_worker_and_less_than_a_megabyte(local_team, tmp_path):
    path = tmp_path / "rows.parquet"
    x = np.arange(20_000.0)
    pq.write_table(pa.table({"x": x, "y": x > 10_000}), path, row_group_size=2)
    source = ParquetSource(path, target="y")
    team = local_team(4)
    few = source.with_shards([source.shards[0].head(10), source.shards[-1].head(10)])
    prepared = prepare(few, {"num_iterations": 2}, True, team)
    jobs = Fit(source, prepared, Options(), Watch()).jobs(team)
    assert len(jobs) == 4
    assert sum(len(cloudpickle.dumps(job)) for job in jobs) < 10**6
