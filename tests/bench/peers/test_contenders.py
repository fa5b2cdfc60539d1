"""Every contender that is installed does its job; every other one says what is missing."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.peers import measure
from bench.peers.child import run
from bench.peers.contender import Absent, Generator, Learner
from bench.peers.registry import CONTENDERS, JOBS, contenders, find
from bench.peers.task import Task, arrays, labels, matrix
from bench.peers.versions import _PACKAGES, engine_versions
from scalable.errors import UsageError
from scalable.evaluate import evaluate_predictions
from scalable.latency.engines import PEERS

ON_DASK = ("dask-ml Incremental", "lightgbm.dask", "xgboost.dask", "scalable on Dask")


def _cases(job: str) -> list[object]:
    marks = dict.fromkeys(ON_DASK, pytest.mark.slow)
    marks["dask timeseries"] = pytest.mark.filterwarnings(
        "ignore:The inplace keyword"
    )  # Dask's own, of pandas
    return [pytest.param(e.name, marks=marks.get(e.name, ())) for e in CONTENDERS[job]]


def _compete(job: str, name: str, task: Task) -> tuple[dict[str, object], list[str]]:
    words: list[str] = []
    try:
        row = measure.compete(find(job, name), task, words.append)
    except Absent as reason:
        pytest.skip(str(reason))
    assert words == ["timed", "done"]
    assert row["status"] == "ok"
    assert row["seconds"] > 0
    assert row["versions"]
    assert not list(Path(task.scratch).glob("versus-*")), "temporary files stay behind"
    return row, words


@pytest.fixture(scope="module")
def reference(dataset: Path) -> dict[str, float]:
    task = Task("linear", 20_000, data=str(dataset), target="signal")
    held = task.held_out()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(*arrays(task, np.float64))
    return evaluate_predictions(
        labels(held, "signal"), model.predict_proba(matrix(held, task.features, np.float64))[:, 1]
    )


@pytest.mark.parametrize("name", _cases("linear"))
def test_linear(name: str, task: Task, reference: dict[str, float]) -> None:
    row, _ = _compete("linear", name, task)
    assert row["rows"] == task.source.n_rows
    if name == "bare scan":
        assert "quality" not in row
        return
    assert row["quality"]["auc"] == pytest.approx(reference["auc"], abs=0.03)
    if name == "scalable newton":  # with logarithms of some columns
        assert row["quality"]["log_loss"] < reference["log_loss"] + 2e-3
    if name in ("sklearn lbfgs", "liblinear", "snapml"):  # the same optimum
        assert row["quality"]["log_loss"] == pytest.approx(reference["log_loss"], abs=2e-3)


# lightgbm.dask says so whatever is given
@pytest.mark.filterwarnings("ignore:Parameter n_jobs will be ignored")
@pytest.mark.parametrize("name", _cases("boosting"))
def test_boosting(name: str, boosting: Task) -> None:
    row, _ = _compete("boosting", name, boosting)
    assert row["quality"]["auc"] > 0.68


@pytest.mark.parametrize("name", _cases("generation"))
def test_generation(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "TINY_ROWS", 2_000)
    task = Task("generation", 10_000, threads=1, scratch=str(tmp_path))
    row, _ = _compete("generation", name, task)
    assert row["rows"] == pytest.approx(10_000, rel=0.02)
    assert row["bytes"] > 10_000
    assert row["columns"] >= 5


def test_inference_compares_bits_and_times(task: Task, tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    x, y = arrays(task)
    params = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    path = tmp_path / "model.txt"
    lightgbm.train(params, lightgbm.Dataset(x, y), 5).save_model(path)
    job = replace(
        task, job="inference", model=str(path), single_rows=300, batch_sizes=(500,), batches=2, threads=1
    )
    row, _ = _compete("inference", "scalable", job)
    assert [(line["engine"], line["batch"]) for line in row["latency"]] == [
        ("scalable", 1),
        ("scalable", 500),
    ]
    assert all(line["bit_equal"] and line["p50_us"] > 0 for line in row["latency"])
    both = {name: measure.infer(name, job, lambda word: None) for name in ("lightgbm", "lightgbm-fast")}
    assert both["lightgbm"]["latency"][0]["baseline"]


def test_for_an_absent_engine_nobody_is_measured(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCALABLE_LLEAVES_PYTHON", raising=False)
    lightgbm = pytest.importorskip("lightgbm")
    x, y = arrays(task)
    path = Path(task.scratch) / "model.txt"
    data = lightgbm.Dataset(x, y)
    lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 2).save_model(path)
    monkeypatch.setattr("scalable.latency.latency._single", None)
    job = replace(task, job="inference", model=str(path), single_rows=300)
    row = run("inference", "lleaves", job)
    assert (row["status"], row["message"][:12]) == ("absent", "needs its ow")


def test_versions_of_an_engine_are_those_of_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(engine_versions("scalable")) == ["scalable-training", "numba"]
    assert engine_versions("no-such-engine") == {}
    monkeypatch.setenv("SCALABLE_LLEAVES_PYTHON", sys.executable)
    monkeypatch.setitem(_PACKAGES, "lleaves", ("numpy",))
    assert engine_versions("lleaves") == {"numpy": np.__version__}


def test_all_have_names_of_their_own_and_classes_that_load_without_their_packages() -> None:
    for job in JOBS:
        names = [entry.name for entry in contenders(job)]
        assert len(set(names)) == len(names)
    for job, entries in CONTENDERS.items():
        for entry in entries:
            kind = entry.load()
            assert issubclass(kind, Generator if job == "generation" else Learner)
            assert kind.packages
    assert [entry.name for entry in contenders("inference")] == list(PEERS)


def test_unknown_names_are_refused_with_those_known() -> None:
    with pytest.raises(UsageError, match="linear, boosting, inference, generation"):
        contenders("cooking")
    with pytest.raises(UsageError, match="vw text"):
        find("linear", "vw")


class _Missing(Learner):
    modules = ("no_such_module_anywhere",)
    packages = ("no-such-package",)

    def train(self, task: Task) -> None: ...

    def predict(self, model: object, rows: object) -> None: ...


class _Broken(_Missing):
    modules = ()

    def train(self, task: Task) -> None:
        raise RuntimeError("it does not converge")


@pytest.mark.parametrize(
    ("kind", "status", "message"),
    [
        (_Missing, "absent", "No module named 'no_such_module_anywhere'; pip install no-such-package"),
        (_Broken, "failed", "RuntimeError: it does not converge"),
    ],
)
def test_absent_and_failed_are_told_apart(
    kind: type, status: str, message: str, task: Task, monkeypatch: pytest.MonkeyPatch, capsys: object
) -> None:
    monkeypatch.setattr("bench.peers.registry.Entry.load", lambda self: kind)
    assert run("linear", "vw text", task) == {"status": status, "message": message}


def test_files_are_written_as_vw_reads_them(task: Task, tmp_path: Path) -> None:
    from bench.peers.linear.vowpal_wabbit import write_text
    from bench.peers.task import batches

    path = tmp_path / "rows.vw"
    write_text(path, batches(task.parts()), task.features, task.target)
    x, y = arrays(task)
    lines = path.read_text().splitlines()
    assert len(lines) == len(x)
    label, _, fields = lines[17].partition(" |f ")
    assert int(label) == 2 * y[17] - 1
    found = dict(field.split(":") for field in fields.split())
    np.testing.assert_allclose([float(found[str(j)]) for j in range(28)], x[17], rtol=1e-5)


@pytest.mark.parametrize("cache", ["warm", "cold"])
def test_settling_files_leaves_them_as_they_were(cache: str, dataset: Path) -> None:
    path = next(dataset.glob("*.parquet"))
    rows = pq.read_metadata(path).num_rows
    measure.settle([str(path)], cache)
    assert pq.read_table(path).num_rows == rows
