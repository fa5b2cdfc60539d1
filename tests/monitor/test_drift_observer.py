"""The monitor in the server counts what the command counts, and follows versions."""

import asyncio
import json

import numpy as np
import pyarrow as pa
import pytest

from scalable.bayes import CategoricalNB
from scalable.data.table import TableSource
from scalable.errors import ModelError
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from scalable.monitor import learn_profile, monitor, save_profile
from scalable.serve.app import App
from scalable.serve.drift import DriftObserver
from scalable.serve.models import Models, open_model
from tests.monitor.windows import FEATURES, rows


def trained(path, seed):
    LogisticRegression(n_workers=1).fit(TableSource(rows(4000, seed), "label", features=FEATURES)).save(path)
    reference = TableSource(rows(8000, seed + 1), "label", features=FEATURES)
    save_profile(path, learn_profile(load_model(path), reference, Threads(1)))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("served") / "m", 1)


def call(app, method, path, body=b"", kind=b"application/json"):
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", kind)]
    asyncio.run(app({"type": "http", "method": method, "path": path, "headers": headers}, receive, send))
    return sent[0]["status"], sent[1]["body"]


def figures(text):
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line[0] != "#"
    }


def test_the_server_counts_what_the_command_counts(model):
    table = rows(3000, 7, shift=2.0).select(FEATURES)
    models = Models([f"m={model}"])
    app = App(models, observer=DriftObserver(models))
    few, many = table.slice(0, 40).to_pylist(), table.slice(40)
    for row in few[:20]:
        assert call(app, "POST", "/predict", json.dumps(row).encode())[0] == 200
    assert call(app, "POST", "/predict", json.dumps(few[20:]).encode())[0] == 200
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, many.schema) as writer:
        writer.write_table(many)
    body = sink.getvalue().to_pybytes()
    assert call(app, "POST", "/predict", body, b"application/vnd.apache.arrow.stream")[0] == 200
    found = figures(call(app, "GET", "/metrics")[1].decode())
    version = models.get("m").version
    assert found[f'scalable_monitor_observed_total{{model="m",version="{version}"}}'] == 3000
    assert found[f'scalable_monitor_unseen_total{{model="m",version="{version}"}}'] == 0
    report = monitor(model, TableSource(table, features=FEATURES), executor=Threads(1))
    for finding in report.findings:
        name = f'{{model="m",column="{finding.column}",statistic="{finding.statistic}"}}'
        assert found[f"scalable_monitor_value{name}"] == pytest.approx(finding.value, rel=1e-4, abs=1e-6)
        assert found.get(f"scalable_monitor_alarm{name}") == finding.alarm
    assert found[f'scalable_monitor_alarms{{model="m",version="{version}"}}'] == len(report.alarms) > 0


def test_workers_add_up_to_one(model):
    """What two workers counted, as JSON carries it, is what one would have counted; another version's is not added."""
    table = rows(3000, 7, shift=2.0).select(FEATURES)
    models = Models([f"m={model}"])
    version, scores = models.get("m").version, np.linspace(0.01, 0.99, 3000)
    alone, *two = (DriftObserver(models, workers=n) for n in (1, 2, 2))
    alone.observe("m", version, table, scores)
    for worker, begin, n in zip(two, (0, 1100), (1100, 1900), strict=True):
        worker.observe("m", version, table.slice(begin, n), scores[begin : begin + n])
    told = json.loads(json.dumps(two[1].counts()))
    assert two[0].metrics([told]) == alone.metrics()
    told["m"][0] = "another"
    assert two[0].metrics([told]) == two[0].metrics() != alone.metrics()


def test_a_new_version_is_held_against_its_own_reference(model, tmp_path):
    models = Models([f"m={model}"])
    observer = DriftObserver(models)
    row = rows(1, 9).select(FEATURES).to_pylist()
    observer.observe("m", models.get("m").version, row, np.array([0.5]))
    models.replace(open_model("m", trained(tmp_path / "other", 5)))
    observer.observe("m", models.get("m").version, row, np.array([0.5]))
    assert f'version="{models.get("m").version}"}} 1' in observer.metrics()
    bare = tmp_path / "bare"
    LogisticRegression(n_workers=1).fit(TableSource(rows(1000, 3), "label", features=FEATURES)).save(bare)
    with pytest.raises(ModelError, match="no reference profile"):
        DriftObserver(Models([f"m={bare}"]))
    models.replace(open_model("m", bare))
    observer.observe("m", models.get("m").version, row, np.array([0.5]))  # goes on without


def test_a_row_that_cannot_be_counted_is_said(model):
    models = Models([f"m={model}"])
    observer = DriftObserver(models)
    good = rows(5, 9).select(FEATURES).to_pylist()
    for row in [good[0], {**good[1], "x": "text"}, *good[2:]]:  # costs no others
        observer.observe("m", models.get("m").version, [row], np.array([0.5]))
    version = f'{{model="m",version="{models.get("m").version}"}}'
    assert f"unseen_total{version} 1\n" in observer.metrics()
    assert f"observed_total{version} 4\n" in observer.metrics()


def test_a_model_of_categories_is_watched(tmp_path):
    table = rows(1000, 1)
    CategoricalNB(n_workers=1).fit(TableSource(table, "label", features=FEATURES)).save(tmp_path / "m")
    reference = TableSource(table, "label", features=FEATURES)
    save_profile(tmp_path / "m", learn_profile(load_model(tmp_path / "m"), reference, Threads(1)))
    models = Models([str(tmp_path / "m")])
    observer = DriftObserver(models)
    observer.observe("m", models.get("m").version, table.select(FEATURES).to_pylist(), np.full(1000, 0.5))
    assert f'unseen_total{{model="m",version="{models.get("m").version}"}} 0\n' in observer.metrics()


def test_times_are_counted_however_a_request_says_them(tmp_path):
    rng = np.random.default_rng(0)
    kinds = {
        "at": pa.timestamp("ms"), "there": pa.timestamp("us", "Europe/Berlin"), "day": pa.date32(),
        "clock": pa.time64("us"), "span": pa.duration("s"),
    }  # fmt: skip
    numbers = pa.array(rng.integers(0, 20_000, 1000))
    table = pa.table(
        {
            name: numbers.cast(pa.int32() if kind == pa.date32() else pa.int64()).cast(kind)
            for name, kind in kinds.items()
        }
        | {"label": rng.integers(0, 2, 1000)}
    )
    LogisticRegression(n_workers=1).fit(TableSource(table, "label")).save(tmp_path / "m")
    reference = TableSource(table, "label")
    save_profile(tmp_path / "m", learn_profile(load_model(tmp_path / "m"), reference, Threads(1)))
    models = Models([str(tmp_path / "m")])
    alone, said = DriftObserver(models), DriftObserver(models)
    given = table.slice(0, 50).drop_columns("label")
    scores, version = np.linspace(0.01, 0.99, 50), models.get("m").version
    alone.observe("m", version, given, scores)
    as_text = [
        {name: value if name == "span" else value.isoformat() for name, value in row.items()} | {"day": None}
        for row in given.to_pylist()
    ]
    for k, row in enumerate(as_text):
        row["day"] = given["day"][k].as_py().isoformat() if k % 2 else given["day"][k].value
        said.observe("m", version, [row], scores[k : k + 1])
    assert said.metrics() == alone.metrics()
    assert "observed_total" in said.metrics()
    assert f'unseen_total{{model="m",version="{version}"}} 0' in said.metrics()
