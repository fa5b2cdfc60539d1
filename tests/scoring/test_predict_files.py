"""Scoring Parquet: input order, same values as in memory, resumable after a kill, refusals."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import DataError, ModelError, UsageError
from scalable.execution.executors import Dask
from scalable.execution.threads import Threads
from scalable.features.tree_encoder import TreeEncoder
from scalable.models.predictors import load_model
from scalable.models.store import save_model
from scalable.scoring.parts import WriteParts, plan_parts
from scalable.scoring.predict_files import score


def table_of(rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, rows))
    x[0, rng.random(rows) < 0.1] = np.nan
    return pa.table({"a": x[0], "b": x[1].astype(np.float32), "c": rng.integers(0, 9, rows)})


def save_forest(path, n_classes):
    table = table_of(3000, 0)
    encoder = TreeEncoder.learn(table.schema, {})
    X = np.stack([c.to_numpy().astype(np.float64) for c in table.columns], axis=1)
    y = np.digitize(np.nan_to_num(X[:, 0]) + X[:, 1], np.linspace(-1, 1, n_classes + 1)[1:-1])
    objective = (
        {"objective": "binary"} if n_classes == 2 else {"objective": "multiclass", "num_class": n_classes}
    )
    params = objective | {"verbose": -1, "num_threads": 1}
    booster = lgb.train(params, lgb.Dataset(X, y, params={"verbose": -1}), 12)
    meta = {
        "encoder": encoder.state().document,
        "objective": objective["objective"],
        "classes": list(range(n_classes)),
    }
    save_model(path, "forest", meta, texts={"booster.txt": booster.model_to_string()})
    return booster


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    for i, rows in enumerate((30_000, 1, 17_000)):
        pq.write_table(table_of(rows, i + 1), path / f"{i}.parquet", row_group_size=7000)
    return path


def read(path):
    parts = sorted(Path(path).glob("part-*.parquet"))
    return pa.concat_tables([pq.read_table(part) for part in parts])


def expected(booster, dataset):
    table = pa.concat_tables([pq.read_table(path) for path in sorted(dataset.glob("*.parquet"))])
    return booster.predict(np.stack([c.to_numpy().astype(np.float64) for c in table.columns], axis=1))


def test_binary_scores_equal_lightgbm_in_input_order(tmp_path, dataset):
    booster = save_forest(tmp_path / "m", 2)
    source = ParquetSource(str(dataset))
    assert score(load_model(tmp_path / "m"), source, tmp_path / "out", executor=Threads(2)) == 47_001
    scored = read(tmp_path / "out")
    assert scored.column_names == ["prediction"]
    np.testing.assert_array_equal(scored["prediction"].to_numpy(), expected(booster, dataset))


def test_multiclass_has_one_column_per_class(tmp_path, dataset):
    booster = save_forest(tmp_path / "m", 3)
    score(load_model(tmp_path / "m"), ParquetSource(str(dataset)), tmp_path / "out")
    scored = read(tmp_path / "out")
    assert scored.column_names == ["prediction_0", "prediction_1", "prediction_2"]
    np.testing.assert_array_equal(
        np.stack([c.to_numpy() for c in scored.columns], axis=1), expected(booster, dataset)
    )


@pytest.mark.slow
def test_dask_writes_the_same(tmp_path, dataset, dask_client):
    booster = save_forest(tmp_path / "m", 2)
    score(
        load_model(tmp_path / "m"), ParquetSource(str(dataset)), tmp_path / "out", executor=Dask(dask_client)
    )
    np.testing.assert_array_equal(read(tmp_path / "out")["prediction"].to_numpy(), expected(booster, dataset))


@pytest.fixture
def small_parts(monkeypatch):
    """Files of a few thousand rows."""
    monkeypatch.setattr("scalable.scoring.parts.LEAST_ROWS", 5000)


def test_resume_writes_only_what_is_missing(tmp_path, dataset, small_parts):
    booster = save_forest(tmp_path / "m", 2)
    predictor, source = load_model(tmp_path / "m"), ParquetSource(str(dataset))
    score(predictor, source, tmp_path / "out")
    parts = sorted((tmp_path / "out").glob("part-*"))
    stamps = {part.name: part.stat().st_mtime_ns for part in parts[1:]}
    first = pq.read_table(parts[0]).num_rows
    parts[0].unlink()
    (tmp_path / "out" / ".part-000000.parquet.0123456789ab.tmp").write_bytes(b"half")
    assert score(predictor, source, tmp_path / "out", resume=True) == first
    assert {part.name: part.stat().st_mtime_ns for part in parts[1:]} == stamps
    assert not list((tmp_path / "out").glob(".*.tmp"))
    np.testing.assert_array_equal(read(tmp_path / "out")["prediction"].to_numpy(), expected(booster, dataset))


def test_the_same_job_by_another_path_is_resumed_and_other_rows_are_refused(
    tmp_path, dataset, monkeypatch, small_parts
):
    save_forest(tmp_path / "m", 2)
    predictor, out = load_model(tmp_path / "m"), tmp_path / "out"
    n_rows = score(predictor, ParquetSource(str(dataset)), out)
    (out / "part-000000.parquet").unlink()
    monkeypatch.chdir(dataset.parent)
    assert 0 < score(predictor, ParquetSource(dataset.name), out, resume=True) < n_rows
    for other in (
        ParquetSource(dataset.name, filters=[("c", "<", 5)]),
        ParquetSource(dataset.name).split_rows(1, 1)[0],
        ParquetSource(dataset.name).split(2)[0],
    ):
        with pytest.raises(DataError, match=r"begun as another job \(the rows are selected otherwise\)"):
            score(predictor, other, out, resume=True)
    with pytest.raises(
        DataError, match=rf"begun as another job \(file {dataset}/1.parquet is no longer among"
    ):
        score(predictor, ParquetSource([f"{dataset}/0.parquet", f"{dataset}/2.parquet"]), out, resume=True)


def test_refusals(tmp_path, dataset):
    save_forest(tmp_path / "m", 2)
    save_forest(tmp_path / "other", 3)
    predictor, source = load_model(tmp_path / "m"), ParquetSource(str(dataset))
    score(predictor, source, tmp_path / "out")
    with pytest.raises(UsageError, match="--resume"):
        score(predictor, source, tmp_path / "out")
    with pytest.raises(DataError, match=r"begun as another job .model differs"):
        score(load_model(tmp_path / "other"), source, tmp_path / "out", resume=True)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="no scoring job"):
        score(predictor, source, tmp_path / "taken", resume=True)
    (tmp_path / "m" / "booster.txt").write_text("tree\n")
    with pytest.raises(ModelError, match="booster"):
        load_model(tmp_path / "m")


_CHILD = """
import sys, time
from scalable import ParquetSource
from scalable.execution.threads import Threads
from scalable.scoring import parts
from scalable.scoring.predict_files import score
parts.LEAST_ROWS = 5000
end = parts.WriteParts.end
def slow(self, part):
    time.sleep(0.1)
    return end(self, part)
parts.WriteParts.end = slow
from scalable.models.predictors import load_model
score(load_model(sys.argv[1]), ParquetSource(sys.argv[2]), sys.argv[3], executor=Threads(1))
"""


def test_killed_run_leaves_whole_files_and_resumes(tmp_path, dataset, small_parts):
    booster = save_forest(tmp_path / "m", 2)
    out = tmp_path / "out"
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path / "m"), str(dataset), str(out)])
    deadline = time.monotonic() + 60
    while len(list(out.glob("part-*.parquet"))) < 2 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    source = ParquetSource(str(dataset))
    done = list(out.glob("part-*.parquet"))
    assert 2 <= len(done) < len(plan_parts(source.shards))
    for part in done:
        pq.read_table(part)
    score(load_model(tmp_path / "m"), source, out, resume=True)
    np.testing.assert_array_equal(read(out)["prediction"].to_numpy(), expected(booster, dataset))


@pytest.mark.parametrize("by_rows", [False, True], ids=["filters", "split_rows"])
def test_selected_rows_are_scored_in_order(tmp_path, dataset, small_parts, by_rows):
    booster = save_forest(tmp_path / "m", 2)
    table = pa.concat_tables([pq.read_table(path) for path in sorted(dataset.glob("*.parquet"))])
    whole = ParquetSource(str(dataset))
    if by_rows:
        source = whole.split_rows(1, 3)[0]
        blocks = [block for shard in source.shards for block in source.raw_blocks(shard, ["a", "b", "c"])]
        chosen = pa.concat_tables([pa.table(block.arrays) for block in blocks])
        assert 0.2 * table.num_rows < chosen.num_rows < 0.3 * table.num_rows
    else:
        source = ParquetSource(str(dataset), features=["a", "b", "c"], filters=[("c", "==", 0)])
        chosen = table.filter(pa.compute.equal(table["c"], 0))
    assert score(load_model(tmp_path / "m"), source, tmp_path / "out", executor=Threads(2)) == chosen.num_rows
    X = np.stack([c.to_numpy().astype(np.float64) for c in chosen.columns], axis=1)
    np.testing.assert_array_equal(read(tmp_path / "out")["prediction"].to_numpy(), booster.predict(X))


def test_files_without_a_selected_row_are_written_empty(tmp_path, dataset, small_parts):
    save_forest(tmp_path / "m", 3)
    source = ParquetSource(str(dataset), filters=[("a", ">", 3.0), ("b", ">", 3.0)])
    predictor = load_model(tmp_path / "m")
    assert score(predictor, source, tmp_path / "out") == 0
    scored = read(tmp_path / "out")
    assert (scored.num_rows, scored.num_columns) == (0, 3)
    assert score(predictor, source, tmp_path / "out", resume=True) == 0


def test_files_are_few_whole_and_the_same_from_any_number_of_threads(tmp_path, dataset, monkeypatch):
    save_forest(tmp_path / "m", 2)
    predictor, source = load_model(tmp_path / "m"), ParquetSource(str(dataset))
    score(predictor, source, tmp_path / "one")
    assert [path.name for path in (tmp_path / "one").glob("part-*")] == ["part-000000.parquet"]
    monkeypatch.setattr("scalable.scoring.parts.LEAST_ROWS", 10_000)
    for threads in (1, 3):
        score(predictor, source, tmp_path / str(threads), executor=Threads(threads))
    names = [sorted(path.name for path in (tmp_path / name).glob("part-*")) for name in ("1", "3")]
    assert names[0] == names[1]
    assert len(names[0]) == len(plan_parts(source.shards)) == 5
    for name in names[0]:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()
    assert (tmp_path / "1" / names[0][0]).stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_others_go_on_while_files_go_to_the_disk(tmp_path, dataset, small_parts, monkeypatch):
    third, begun, begin, fsync = threading.Event(), [], WriteParts.begin, os.fsync

    def counted(self, shards):
        begun.append(shards)
        if len(begun) == 3:
            third.set()
        return begin(self, shards)

    def slow(descriptor):
        assert not begun or third.wait(30), "two threads wait for the disk, and nobody begins the third file"
        fsync(descriptor)

    monkeypatch.setattr(WriteParts, "begin", counted)
    monkeypatch.setattr(os, "fsync", slow)
    booster = save_forest(tmp_path / "m", 2)
    score(load_model(tmp_path / "m"), ParquetSource(str(dataset)), tmp_path / "out", executor=Threads(2))
    np.testing.assert_array_equal(read(tmp_path / "out")["prediction"].to_numpy(), expected(booster, dataset))


def test_an_output_directory_that_vanishes_is_an_error(tmp_path, dataset, small_parts, monkeypatch):
    save_forest(tmp_path / "m", 2)
    predictor, source, out = load_model(tmp_path / "m"), ParquetSource(str(dataset)), tmp_path / "out"
    end = WriteParts.end

    def removing(self, part):
        rows = end(self, part)
        if part.path.name != "part-000000.parquet":
            (out / "part-000000.parquet").unlink(missing_ok=True)
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(WriteParts, "end", removing)
        with pytest.raises(DataError, match=r"1 of .* are gone that were written .part-000000\.parquet"):
            score(predictor, source, out, executor=Threads(1))
    assert score(predictor, source, out, resume=True) > 0

    def removing_all(self, part):
        shutil.rmtree(out)
        return end(self, part)

    shutil.rmtree(out)
    with monkeypatch.context() as patch:
        patch.setattr(WriteParts, "end", removing_all)
        with pytest.raises(
            DataError, match=r"cannot be written \(No such file or directory\); give it room, or"
        ):
            score(predictor, source, out, executor=Threads(1))


def test_a_failed_run_leaves_no_half_files(tmp_path, dataset, small_parts):
    save_forest(tmp_path / "m", 2)
    damaged = tmp_path / "damaged"
    shutil.copytree(dataset, damaged)
    source = ParquetSource(str(damaged))
    last = sorted(damaged.glob("*.parquet"))[-1]
    last.write_bytes(last.read_bytes()[:-5000])
    with pytest.raises(DataError, match="parquet"):
        score(load_model(tmp_path / "m"), source, tmp_path / "out", executor=Threads(2))
    assert not list((tmp_path / "out").glob(".*.tmp"))


@pytest.mark.parametrize("below", ["", "scored", "deep/scored"])
def test_an_output_inside_the_data_is_refused(tmp_path, dataset, monkeypatch, below):
    save_forest(tmp_path / "m", 2)
    data = tmp_path / "data"
    shutil.copytree(dataset, data)
    predictor = load_model(tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    for given in ("data", data, "data/**/*.parquet", [data]):
        with pytest.raises(UsageError, match="inside the data"):
            score(predictor, ParquetSource(given), data / below)
    assert sorted(p.name for p in data.rglob("*")) == ["0.parquet", "1.parquet", "2.parquet"]


def test_an_output_beside_the_data_is_not(tmp_path, dataset, monkeypatch):
    save_forest(tmp_path / "m", 2)
    shutil.copytree(dataset, tmp_path / "data")
    predictor = load_model(tmp_path / "m")
    monkeypatch.chdir(tmp_path / "data")
    places = {"_a": ".", "b": "1.parquet", "c": "*.parquet", "d": ["0.parquet", "1.parquet"]}
    for out, given in places.items():
        assert score(predictor, ParquetSource(given), out) > 0
    assert score(predictor, ParquetSource("../data/*.parquet"), "../data-scored") > 0
