"""The whole of `scalable latency` on a small dataset; what cannot be measured is named."""

import json

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import ModelError
from scalable.latency import laboratory
from scalable.linear import Ridge


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
    assert set(sections) == {"latency", "waterfall", "open_loop"}
    assert list(sections["latency"]) == ["1", "10", "100", "1000", "3000"]
    assert {row["engine"] for row in sections["open_loop"]} == {"lightgbm", "scalable"}
    assert all(row["bit_equal"] for row in sections["latency"]["1000"] if "p50_us" in row)


def test_a_linear_model_is_compared_with_scikit_learn(files):
    path = files[0]
    source = ParquetSource(path / "d.parquet", target="other", features=["a", "b", "c"])
    Ridge().fit(source).save(path / "linear.model")
    sections = laboratory.examine(path / "linear.model", str(path / "d.parquet"))
    assert set(sections) == {"latency"}
    single = {row["engine"]: row for row in sections["latency"]["1"]}
    assert set(single) == {"scikit-learn", "linear"}
    assert single["scikit-learn"]["baseline"]
    assert single["linear"]["max_abs_difference"] < 1e-12


def test_damaged_model_is_named(files):
    path, _, _ = files
    (path / "m.txt").write_text("tree\n")
    with pytest.raises(ModelError, match="end of trees"):
        laboratory.load(path / "m.txt", str(path / "d.parquet"))
