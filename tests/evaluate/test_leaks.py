"""Columns that tell the target too well are found, and honest ones are not called suspect."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

import data_gen
from scalable import ParquetSource
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.data.table import TableSource
from scalable.errors import DataError, UsageError
from scalable.evaluate import find_leaks
from scalable.execution.dask import Dask


def table_of(n=20_000, rate=0.01):
    """Return rows of a rare class: honest columns, and three that were written after it."""
    rng = np.random.default_rng(0)
    y = (rng.random(n) < rate).astype(int)
    part = rng.random(n) < 0.8
    return pa.table({
        "honest": rng.normal(size=n) + 1.5 * y, "noise": rng.normal(size=n), "id": np.arange(n),
        "amount_refunded": np.where(y & part, rng.lognormal(size=n), 0.0),
        "reviewer": np.where((y == 1) & part, "case " + (np.arange(n) % 3).astype(str).astype(object), "none"),
        "closed_after": pa.array([1.0 if gone else None for gone in (y == 1)]),
        "y": y,
    })  # fmt: skip


def test_leaks_are_found_by_value_by_category_and_by_what_is_missing(dask_client):
    table = table_of()
    found = find_leaks(TableSource(table, "y"))
    by_name = {each.column: each for each in found}
    assert {each.column for each in found if each.suspect} == {"amount_refunded", "reviewer", "closed_after"}
    assert by_name["closed_after"].missing_explained > 0.9
    assert by_name["amount_refunded"].missing_explained == 0.0
    assert found[0].explained == max(each.explained for each in found)
    y = table["y"].to_numpy()
    assert by_name["honest"].auc == pytest.approx(roc_auc_score(y, table["honest"].to_numpy()), abs=0.05)
    assert abs(by_name["noise"].auc - 0.5) < 0.1
    assert found == find_leaks(TableSource(table, "y"), executor=Dask(dask_client))


def test_the_generators_honest_columns_are_not_suspect():
    for name, target in (("physics", "signal"), ("fraud", "is_fraud")):
        table = data_gen.rows(name, 0, 30_000)
        assert not [each.column for each in find_leaks(TableSource(table, target)) if each.suspect], name


def test_a_number_and_several_classes():
    rng = np.random.default_rng(0)
    n = 8_000
    x, kind = rng.normal(size=n), rng.integers(0, 4, n)
    table = pa.table(
        {
            "x": x,
            "copy": 3.0 * x - 1.0,
            "near": x + rng.normal(size=n),
            "text": kind.astype(str),
            "kind": kind,
        }
    )
    found = {e.column: e for e in find_leaks(TableSource(table.drop(["kind"]), "x"), classify=False)}
    assert found["copy"].suspect
    assert found["copy"].auc is None
    assert not found["near"].suspect
    assert found["near"].explained == pytest.approx(0.5, abs=0.05)
    found = {e.column: e for e in find_leaks(TableSource(table, "kind"))}
    assert found["text"].explained > 0.99
    assert found["x"].explained < 0.02


def test_the_command_line(tmp_path, capsys):
    pq.write_table(table_of(), tmp_path / "rows.parquet", row_group_size=5_000)
    command = [
        "leaks",
        str(tmp_path / "rows.parquet"),
        "--target",
        "y",
        "--json",
        str(tmp_path / "j"),
        "--quiet",
    ]
    assert run(build(), command) == 3
    rows = json.loads((tmp_path / "j").read_text())["sections"]["columns"]
    assert [row["column"] for row in rows if row["suspect"]]
    assert run(build(), [*command[:-1], "--limit", "1.0"]) == 0
    assert "0 suspect" in capsys.readouterr().out
    source = ParquetSource(tmp_path / "rows.parquet", target="y")
    with pytest.raises(UsageError, match="limit must be a share"):
        find_leaks(source, limit=0.0)
    with pytest.raises(UsageError, match="limit must be a share"):
        find_leaks(source, limit="half")
    with pytest.raises(DataError, match="the target does not vary"):
        find_leaks(ParquetSource(tmp_path / "rows.parquet", target="y", filters=[("y", "==", 0)]))
