"""The whole of `scalable latency` on a small dataset; what cannot be measured is named."""

import json
from datetime import datetime

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import ModelError
from scalable.inference import compile_model
from scalable.latency import engines, laboratory, latency, requests
from scalable.linear import Ridge


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    """One fresh process and a moment of threads a figure: figures are looked for here, not at."""
    monkeypatch.setattr(requests, "STARTS", 1)
    monkeypatch.setattr(requests, "SECONDS", 0.05)


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 3))
    pq.write_table(
        pa.table({"b": X[:, 1], "a": X[:, 0], "c": X[:, 2], "other": X[:, 0]}), tmp_path / "d.parquet"
    )
    data = lgb.Dataset(X, X[:, 0] > X[:, 1], feature_name=["a", "b", "c"])
    booster = lgb.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 10)
    booster.save_model(tmp_path / "m.txt")
    return tmp_path, booster, X


def test_rows_are_looked_up_by_name(files):
    path, booster, X = files
    facts, rows = laboratory.load(path / "m.txt", str(path / "d.parquet"))
    assert facts.text == booster.model_to_string()
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(X, axis=0))
    np.testing.assert_array_equal(rows, X)


def test_examine_returns_every_section(files):
    path, _, _ = files
    sections = laboratory.examine(
        path / "m.txt", str(path / "d.parquet"), ("lightgbm", "scalable", "lleaves"), requests=100
    )
    json.dumps(sections)
    for row in sections["latency"]["1"]:
        assert row["engine"] == "lleaves" or 0 < row["load_seconds"] < row["first_prediction_seconds"]
    assert set(sections) == {"latency", "requests", "waterfall", "open_loop"}
    asked = {(row["request"], row["engine"]): row for row in sections["requests"]}
    assert asked["dict", "load_model"]["calls"] == 360
    assert asked["frame of 1,000", "pandas, Booster.predict"]["p50_us"] > 0
    assert asked["JSON", "load_model"]["calls"] == 360
    assert asked["2 threads, one row each", "scalable"]["rows_per_second"] > 0
    for name in ("load_model", "Booster.predict"):
        assert asked["cold start, to the first answer", name]["p50_us"] > 0
    assert list(sections["latency"]) == ["1", "10", "100", "1000", "3000"]
    assert {row["engine"] for row in sections["open_loop"]} == {"lightgbm", "scalable"}
    assert all(row["bit_equal"] for row in sections["latency"]["1000"] if "p50_us" in row)


def test_a_linear_model_is_compared_with_scikit_learn(files):
    path = files[0]
    source = ParquetSource(path / "d.parquet", target="other", features=["a", "b", "c"])
    Ridge().fit(source).save(path / "linear.model")
    sections = laboratory.examine(path / "linear.model", str(path / "d.parquet"))
    assert set(sections) == {"latency", "requests"}
    asked = {(row["request"], row["engine"]): row for row in sections["requests"]}
    for request in ("dict", "frame of 1,000"):
        assert asked[request, "pandas, scikit-learn's pipeline"]["p50_us"] > 0
    single = {row["engine"]: row for row in sections["latency"]["1"]}
    assert set(single) == {"scikit-learn", "linear"}
    assert single["scikit-learn"]["baseline"]
    assert single["linear"]["max_abs_difference"] < 1e-12


def test_damaged_model_is_named(files):
    path, _, _ = files
    (path / "m.txt").write_text("tree\n")
    with pytest.raises(ModelError, match="end of trees"):
        laboratory.load(path / "m.txt", str(path / "d.parquet"))


def test_every_form_of_a_forest_is_measured(files):
    path, booster, _ = files
    compile_model(booster).save(path / "m.forest")
    facts, rows = laboratory.load(path / "m.forest", str(path / "d.parquet"))
    assert facts.text is None
    with pytest.raises(engines.Absent, match="LightGBM's text"):
        engines.build("lightgbm", facts)
    engine = engines.build("scalable", facts)
    np.testing.assert_array_equal(engine.predict(rows), booster.predict(rows))
    assert laboratory.load(path / "m.txt", str(path / "d.parquet"))[0].shape == facts.shape


def test_rows_as_json_have_nothing_that_is_no_json():
    rows = [{"x": float("nan"), "t": datetime(2026, 1, 2), "n": None}]
    assert requests._texts(rows) == [b'{"x":null,"t":"2026-01-02T00:00:00","n":null}']
    assert requests._texts([{"x": b"ab"}]) == []


def test_what_takes_long_is_foretold_and_cut_to_the_rounds_asked_for(files, monkeypatch):
    path, _, X = files
    told: list[tuple[str, float | None]] = []

    class Reporter:
        def open(self, label, total, unit):
            told.append((label, total))
            return self

        def advance(self, amount, **metrics):
            pass

        close = advance

    monkeypatch.setattr(latency, "LONG", 0.0)
    monkeypatch.setattr(latency, "WORTH_SAYING", 0.0)
    monkeypatch.setattr("scalable.progress._reporter", Reporter())
    found = latency.measure(path / "m.txt", X, ["lightgbm", "scalable"], batch_sizes=(10,), repeats=3)
    assert {row["calls"] for row in found["10"]} == {3}
    assert ("load engines", 2) in told
    assert any(label.startswith("2 engines, 3,000 rows each in batches: about") for label, _ in told)
