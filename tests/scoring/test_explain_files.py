"""Explaining Parquet: contributions of every row in input order, reason codes, the page, resumed after a kill."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.cli.app import build
from scalable.data.table import TableSource
from scalable.errors import DataError, UsageError
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from scalable.scoring.explain_files import explain_files


def rows(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    x[rng.random(n) < 0.1] = np.nan
    return pa.table(
        {
            "x": pa.array(x, from_pandas=True),
            "kind": rng.choice(["a", "b", "c"], n),
            "when": pa.array(rng.integers(10**9, 10**9 + 10**6, n), pa.timestamp("s")),
        }
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain")
    table = rows(3000, 0)
    y = (np.nan_to_num(table["x"].to_numpy(zero_copy_only=False)) > 0) ^ (table["kind"].to_numpy() == "a")
    source = TableSource(table.append_column("y", pa.array(y.astype(int))), "y")
    LGBMClassifier(n_estimators=6, num_leaves=7, verbose=-1).fit(source).save(path / "m")
    (path / "data").mkdir()
    for i, n in enumerate((9000, 1, 6000)):
        pq.write_table(rows(n, i + 1), path / "data" / f"{i}.parquet", row_group_size=2000)
    return path


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr("scalable.scoring.parts.LEAST_ROWS", 3000)


def read(out):
    return pa.concat_tables([pq.read_table(part) for part in sorted(out.glob("part-*.parquet"))])


def whole(place):
    table = pa.concat_tables([pq.read_table(path) for path in sorted((place / "data").glob("*.parquet"))])
    return load_model(place / "m").explain(table)


def test_a_value_that_is_none_is_named_by_file_and_row(tmp_path, monkeypatch):
    monkeypatch.setattr("scalable.scoring.explain_files.STRIP_NUMBERS", 300)
    table = pa.table({"a": np.r_[np.arange(900.0), np.inf], "y": np.arange(901) % 2})
    LogisticRegression(n_workers=1).fit(TableSource(table[:900], "y")).save(tmp_path / "m")
    pq.write_table(table[:500], tmp_path / "0.parquet")
    pq.write_table(table[500:], tmp_path / "1.parquet")
    source = ParquetSource([tmp_path / "0.parquet", tmp_path / "1.parquet"], features=["a"])
    with pytest.raises(DataError, match=r"1\.parquet, row 400: column 'a' is inf"):
        explain_files(load_model(tmp_path / "m"), source, tmp_path / "out", executor=Threads(1))


def test_contributions_of_every_row_and_the_section_of_the_page(tmp_path, place):
    model, source = load_model(place / "m"), ParquetSource(str(place / "data"))
    found = explain_files(model, source, tmp_path / "out", executor=Threads(2))
    assert found["written"] == 15_001
    written, expected = read(tmp_path / "out"), whole(place)
    names = [f"contribution_{name}" for name in expected.columns]
    assert written.column_names == [*names, "expected", "score"]
    each = np.stack([written[name].to_numpy() for name in names], axis=1)
    np.testing.assert_allclose(each, expected.contributions[:, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(each.sum(axis=1) + written["expected"].to_numpy(), written["score"].to_numpy())
    section = found["explanation"]
    assert (section["rows"], section["sampled"]) == (15_001, 2000)
    for column in section["outputs"][0]["columns"]:
        j = expected.columns.index(column["column"])
        np.testing.assert_allclose(column["mean_abs"], np.abs(each[:, j]).mean())
        assert np.isin(column["contributions"], each[:, j]).all()


def test_reason_codes(tmp_path, place):
    explain_files(load_model(place / "m"), ParquetSource(str(place / "data")), tmp_path / "out", top=2)
    written, expected = read(tmp_path / "out"), whole(place)
    order, values = expected.top(2)
    for k in range(2):
        names = [expected.columns[j] for j in order[:, 0, k]]
        assert written[f"reason_{k + 1}"].to_pylist() == names
        found = written[f"reason_{k + 1}_contribution"].to_numpy()
        np.testing.assert_allclose(found, values[:, 0, k], rtol=0, atol=1e-12)
    with pytest.raises(UsageError, match="so 1 to 3 reasons"):
        explain_files(load_model(place / "m"), ParquetSource(str(place / "data")), tmp_path / "other", top=4)


_CHILD = """
import sys, time
from scalable import ParquetSource
from scalable.execution.threads import Threads
from scalable.scoring import explain_files, parts
parts.LEAST_ROWS = 3000
end = parts.WriteParts.end
def slow(self, part):
    time.sleep(0.1)
    return end(self, part)
parts.WriteParts.end = slow
from scalable.models.predictors import load_model
explain_files.explain_files(load_model(sys.argv[1]), ParquetSource(sys.argv[2]), sys.argv[3], executor=Threads(1))
"""


def test_a_killed_run_is_finished_to_the_same_page(tmp_path, place):
    model, source, out = load_model(place / "m"), ParquetSource(str(place / "data")), tmp_path / "out"
    expected = explain_files(model, source, tmp_path / "never killed")["explanation"]
    command = [sys.executable, "-c", _CHILD, str(place / "m"), str(place / "data"), str(out)]
    child = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while len(list(out.glob("part-*.parquet"))) < 2 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert 2 <= len(list(out.glob("part-*.parquet"))) < 5
    with pytest.raises(DataError, match=r"another job \(top was None, is 1\)"):
        explain_files(model, source, out, top=1, resume=True)
    found = explain_files(model, source, out, resume=True)
    assert 0 < found["written"] < 15_001
    assert found["explanation"] == expected
    assert read(out).equals(read(tmp_path / "never killed"))
    summary = next(out.glob("_part-*.json"))
    summary.write_text(summary.read_text()[:-9])
    with pytest.raises(DataError, match=r"damaged.*delete its Parquet file"):
        explain_files(model, source, out, resume=True)


def test_the_command_writes_a_page(tmp_path, place):
    arguments = [
        "explain",
        str(place / "m"),
        str(place / "data"),
        "--out",
        str(tmp_path / "out"),
        "--workers",
        "1",
    ]
    result = CliRunner().invoke(build(), [*arguments, "--json", str(tmp_path / "found.json")])
    assert result.exit_code == 0, result.output
    assert "15,001 rows explained" in result.output
    page = (tmp_path / "out" / "_explanation.html").read_text()
    assert "not of the shape" not in page
    for words in ("Mean size of contributions", "high value", "2001-09"):
        assert words in page
    assert len(page) < 2_000_000
    assert json.loads((tmp_path / "found.json").read_text())["sections"]["explanation"]["rows"] == 15_001
    again = ParquetSource(str(tmp_path / "out"))
    assert again.n_rows == 15_001  # the page and the summaries are not read as rows
