"""A user's own data in a comparison: the same rows for all, honest numbers for peers, refusals that help."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.peers import profiles
from bench.peers.child import run
from bench.peers.own_data import LABEL, ONE_HOT, prepare
from bench.peers.registry import contenders
from bench.peers.task import Task, labels
from scalable.errors import DataError, UsageError

ROWS = 4_000


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    plan = np.array(["free", "gold", "silver"])[rng.choice(3, ROWS, p=[0.6, 0.3, 0.1])]
    usage = rng.gamma(2.0, 50.0, ROWS)
    usage_gone = np.where(rng.random(ROWS) < 0.1, np.nan, usage)
    score = (plan == "gold") * 1.5 - usage / 100
    churned = np.where(rng.random(ROWS) < 1 / (1 + np.exp(-score)), "yes", "no")
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    table = pa.table(
        {
            "plan": pa.array(plan).dictionary_encode(),
            "usage": pa.array(usage_gone, from_pandas=True),
            "since": pa.array([start + dt.timedelta(hours=int(h)) for h in rng.integers(0, 9000, ROWS)]),
            "city": [f"city {int(k)}" for k in rng.zipf(1.5, ROWS) % 200],
            "constant": np.ones(ROWS),
            "churned": churned,
        }
    )
    path = tmp_path_factory.mktemp("own") / "churn.parquet"
    pq.write_table(table, path)
    return path


def test_the_same_rows_are_there_as_they_are_and_as_numbers(churn: Path, tmp_path: Path) -> None:
    own = prepare(str(churn), "churned", tmp_path, 10**6)
    tasks = [
        Task("linear", ROWS, data=str(place), tiny=f"{place}-tiny", target=LABEL)
        for place in (own.raw, own.linear, own.trees)
    ]
    sides = [(task.parts(), labels(task.held_out(), LABEL)) for task in tasks]
    for parts, held_out in sides[1:]:
        assert [Path(part.path).name for part in parts] == [Path(part.path).name for part in sides[0][0]]
        np.testing.assert_array_equal(held_out, sides[0][1])
    assert own.about["train_rows"] == tasks[0].source.n_rows
    assert own.about["held_out_rows"] == len(sides[0][1])
    assert own.about["positive_class"] == "yes"
    raw = pq.read_table(own.raw)
    assert raw.column("plan").to_pylist() == pq.read_table(churn).column("plan").to_pylist()
    assert own.categorical == ("plan", "city")


def test_numbers_are_learned_from_training_rows_and_complete(churn: Path, tmp_path: Path) -> None:
    own = prepare(str(churn), "churned", tmp_path, 10**6)
    linear = pq.read_table(own.linear).drop_columns([LABEL])
    values = np.column_stack([linear.column(name).to_numpy() for name in linear.column_names])
    assert np.isfinite(values).all()
    assert "constant" not in linear.column_names
    assert {"usage missing", "plan=0", "plan=1", "plan=2"} <= set(linear.column_names)
    assert sum(name.startswith("city=") for name in linear.column_names) == ONE_HOT
    plan = np.array(pq.read_table(churn).column("plan").to_pylist())
    np.testing.assert_array_equal(linear.column("plan=0").to_numpy(), plan == "free")
    rows = [pq.read_metadata(path).num_rows for path in sorted(own.raw.iterdir())]
    part = np.repeat(np.arange(len(rows)), rows)
    usage = pq.read_table(churn).column("usage").to_numpy()
    mean = np.nanmean(usage[part % 5 != 0])
    expected = np.where(np.isnan(usage), 0.0, usage - mean)
    np.testing.assert_allclose(linear.column("usage").to_numpy(), expected, rtol=1e-5, atol=1e-4)
    trees = pq.read_table(own.trees)
    assert np.isnan(trees.column("usage").to_numpy()).sum() == np.isnan(usage).sum()


def test_few_rows_are_spread_over_the_data(churn: Path, tmp_path: Path) -> None:
    own = prepare(str(churn), "churned", tmp_path, 1_000)
    assert 500 <= own.about["rows"] <= 1_000
    assert own.about["rows_of_the_data"] == ROWS


def test_what_cannot_be_compared_is_refused_in_a_line(churn: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two classes; the target 'plan' has 3 different values"):
        prepare(str(churn), "plan", tmp_path, 10**6)
    with pytest.raises(DataError, match="missing in"):
        prepare(str(churn), "usage", tmp_path, 10**6)
    with pytest.raises(UsageError, match="constant"):
        prepare(str(churn), "churned", tmp_path, 10**6, ["constant"])
    few = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(churn)[:20], few)
    with pytest.raises(DataError, match="at least"):
        prepare(str(few), "churned", tmp_path, 10**6)
    blobs = tmp_path / "blobs.parquet"
    pq.write_table(pq.read_table(churn).append_column("blob", [[b"x"] * ROWS]), blobs)
    with pytest.raises((UsageError, DataError), match="--exclude blob"):
        prepare(str(blobs), "churned", tmp_path, 10**6)
    infinite = tmp_path / "infinite.parquet"
    far = pa.array([np.inf, *[0.0] * (ROWS - 1)])
    pq.write_table(pq.read_table(churn).append_column("far", far), infinite)
    with pytest.raises(DataError, match="'far' has 1 infinite values: clean it, or --exclude far"):
        prepare(str(infinite), "churned", tmp_path, 10**6)
    kept = prepare(str(blobs), "churned", tmp_path / "kept", 10**6, exclude=["blob"])
    assert kept.about["columns"] == len(pq.read_schema(churn).names) - 1  # the target


@pytest.mark.parametrize("job", ["linear", "boosting"])
def test_everyone_installed_learns_from_mixed_columns(job: str, churn: Path, tmp_path: Path) -> None:
    own = prepare(str(churn), "churned", tmp_path, 10**6)
    profile = replace(profiles.PROFILES["quick"], trees=5)
    task = profiles.task_of(job, profile, 2, "warm", own)
    path = tmp_path / "task.json"
    path.write_text(json.dumps(task.to_json()))
    for entry in contenders(job):
        if "ask" in entry.name or entry.name == "bare scan":
            continue  # clusters take seconds to start; test_contenders.py has them
        row = run(job, entry.name, Task.read(path))
        if row["status"] == "absent":
            continue
        if entry.name == "scalable newton":  # there are identifiers
            assert row["status"] == "not run", row
            assert row["message"].startswith("--exclude hashed columns, such as identifiers"), row
            continue
        assert row["quality"]["auc"] > 0.6, (entry.name, row)
