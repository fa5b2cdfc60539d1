"""The face over files: this machine's, and a store of another kind by one module and one line."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.boosting import LGBMClassifier
from scalable.data.parquet import ParquetSource
from scalable.errors import DataError
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from scalable.scoring.predict_files import score
from scalable.storage.files import STORES, sha256_of, store_of, total_size
from tests.storage import kept


@pytest.fixture
def memory(monkeypatch):
    monkeypatch.setitem(STORES, "kept", "tests.storage.kept")
    monkeypatch.setattr(kept, "files", {})
    return kept.files


def table(seed, n=3_000):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n).astype(np.float32)
    return pa.table({
        "x": x, "n": rng.integers(0, 9, n), "who": rng.choice(["a", "b", "c"], n),
        "y": (x + rng.normal(size=n) > 0).astype(np.int8),
    })  # fmt: skip


def test_local_files_are_found_versioned_and_read(tmp_path):
    for name in ("b.parquet", "a.parquet", "deep/c.parquet", ".hidden.parquet", "_log/d.parquet", "e.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "dir.parquet").mkdir()
    store = store_of(tmp_path)
    found = store.list_files(tmp_path)
    assert [os.path.relpath(path, tmp_path) for path in found] == [
        "a.parquet",
        "b.parquet",
        "deep/c.parquet",
        "e.csv",
    ]
    assert store.list_files(str(tmp_path / "[ab].parquet")) == found[:2]
    assert store.list_files(tmp_path / "e.csv") == [str(tmp_path / "e.csv")]
    with pytest.raises(FileNotFoundError):
        store.list_files(tmp_path / "f*")
    assert store.read(found[2], 5, 3) == b"c.p"
    assert store.read(found[2], 12, 100) == b"et"
    assert total_size(found) == 9 + 9 + 14 + 5
    assert sha256_of(found[0]) == hashlib.sha256(b"a.parquet").hexdigest()
    before = store.version(found[0])
    os.utime(found[0], ns=(0, before.tag + 1))
    assert store.version(found[0]) != before


def test_all_paths_to_a_file_resolve_to_one(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    store = store_of("")
    assert {store.resolved(p) for p in ("real/a", "link/a", tmp_path / "link/../real/a")} == {
        f"{tmp_path}/real/a"
    }
    assert store.absolute("link/a") == f"{tmp_path}/link/a"  # links may differ on another machine


def test_an_unknown_scheme_is_refused_with_what_there_is(memory):
    with pytest.raises(
        DataError,
        match=r"s4://b/x: there is no storage for s4://; give local paths or s3://, gs://, az://, kept://",
    ):
        ParquetSource("s4://b/x")


def test_a_source_reads_from_any_store_to_the_same_bits(tmp_path, memory):
    for k in range(3):
        path = tmp_path / "rows" / f"{k}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table(k), path, row_group_size=1_000)
        memory[f"kept://bucket/rows/{k}.parquet"] = path.read_bytes()
    here, there = ParquetSource(tmp_path / "rows", "y"), ParquetSource("kept://bucket/rows", "y")
    assert there.shards == here.shards
    assert there.paths == [f"kept://bucket/rows/{k}.parquet" for k in range(3)]
    sent = pickle.loads(pickle.dumps(there))
    for shard in here.shards:
        for mine, others in zip(here.raw_blocks(shard), sent.raw_blocks(shard), strict=True):
            assert mine.first_row == others.first_row
            assert all(
                mine.arrays[name].to_pylist() == others.arrays[name].to_pylist() for name in mine.arrays
            )
    wanted = [("n", "==", 3)]
    assert len(ParquetSource("kept://bucket/rows", "y", filters=wanted).shards) == len(here.shards)
    models = [LogisticRegression(n_workers=1).fit(source) for source in (here, there)]
    assert np.array_equal(models[0].coef_, models[1].coef_)
    models[0].save(tmp_path / "model")
    for source, out in ((here, "here"), (there, "there")):
        assert score(load_model(tmp_path / "model"), source, tmp_path / "scored" / out) == 9_000
    assert pq.read_table(tmp_path / "scored/here").equals(pq.read_table(tmp_path / "scored/there"))
    forest = LGBMClassifier(n_estimators=3, verbosity=-1)
    expected = forest.fit(here).predict_proba(here)
    assert np.array_equal(forest.predict_proba(there), expected)


def test_a_changed_object_is_told(memory):
    sink = pa.BufferOutputStream()
    pq.write_table(table(0), sink)
    memory["kept://b/a.parquet"] = sink.getvalue().to_pybytes()
    source = ParquetSource("kept://b/a.parquet", "y")
    memory["kept://b/a.parquet"] = memory["kept://b/a.parquet"][:-1] + b"!"
    with pytest.raises(
        DataError, match=r"kept://b/a\.parquet: .*the object was replaced since the run was planned"
    ):
        next(source.raw_blocks(source.shards[0]))
    del memory["kept://b/a.parquet"]
    with pytest.raises(DataError, match=r"kept://b/a\.parquet: .*no such object"):
        next(source.raw_blocks(source.shards[0]))


def test_thresholds_and_curves_are_kept_where_a_path_that_lost_a_slash_leads(memory):
    from scalable.evaluate import Calibrator, Conformal

    thresholds = Conformal("interval", 0.1, None, ((None, 0.25, 40),))
    curve = Calibrator("platt", 1.5, 0.25, (), ())
    for one, name in ((thresholds, "intervals.json"), (curve, "curve.json")):
        one.save(Path(f"kept://bucket/{name}"))
        assert f"kept://bucket/{name}" in memory
        assert type(one).load(Path(f"kept://bucket/{name}")) == one
