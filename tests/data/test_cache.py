"""Encoded rows on disk: the same blocks, and never those of other data."""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data import encoded_cache
from scalable.data.encoded_cache import CachedReader, cache_directory
from scalable.errors import DataError
from scalable.execution.reader import BlockReader
from scalable.linear import LogisticRegression
from scalable.storage.arrays import map_arrays, write_arrays
from scalable.storage.lock import SharedDirectory, remove_unused

# Passes are few here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OPTIONS = {"n_replicas": 2, "n_workers": 2}


def write(path, seed: int = 0, rows: int = 20_000):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, rows)).astype(np.float32)
    y = (rng.random(rows) < 1 / (1 + np.exp(-x[0]))).astype(np.int8)
    text = rng.choice(["a", "b", "c"], rows)
    pq.write_table(pa.table({"a": x[0], "b": x[1], "t": text, "w": rng.random(rows), "y": y}), path)
    return ParquetSource(path, target="y", weight="w")


@pytest.fixture
def reader(tmp_path, monkeypatch):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    source = write(tmp_path / "a.parquet")
    encoder = LogisticRegression(max_iter=1).fit(source).model_.encoder
    plain = BlockReader(source, encoder, block_rows=1500)
    return CachedReader(plain, cache_directory(tmp_path / "cache", source, encoder, 1500))


def same(left, right) -> bool:
    pairs = zip(left, right, strict=True)
    names = ("columns", "ids", "label", "weight", "first_row")
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for a, b in pairs for n in names)


def test_kept_blocks_are_the_blocks(reader):
    for shard in reader.source.shards:
        first = list(reader.blocks(shard))
        again = list(reader.blocks(shard))
        assert same(first, again)
        assert same(again, list(reader.reader.blocks(shard)))
    assert not list(reader.directory.path.glob(".*.tmp"))


def test_an_abandoned_pass_keeps_nothing(reader):
    blocks = reader.blocks(reader.source.shards[0])
    next(blocks)
    blocks.close()
    assert not list(reader.directory.path.iterdir())


@pytest.mark.parametrize("damage", ["byte", "cut", "index"])
def test_damaged_files_are_not_used(reader, damage):
    shard = reader.source.shards[0]
    expected = list(reader.blocks(shard))
    (path,) = reader.directory.path.iterdir()
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    else:
        data[1000 if damage == "byte" else len(data) - 40] ^= 1
    path.rename(path.with_name("before"))  # another file by inode, whatever the clock's grain
    path.write_bytes(data)
    assert same(list(reader.blocks(shard)), expected)
    assert path.read_bytes() != bytes(data)


@pytest.mark.parametrize("options", [{"solver": "newton"}, {"solver": "sgd", "max_iter": 4, "tol": 0.0}])
def test_training_with_a_cache_has_the_same_bits_and_reads_once(tmp_path, monkeypatch, options):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    source = write(tmp_path / "a.parquet")
    plain = LogisticRegression(**options, **OPTIONS).fit(source)
    reads = []
    encode = type(plain.model_.encoder).encode
    monkeypatch.setattr(
        type(plain.model_.encoder), "encode", lambda self, raw: reads.append(raw.n_rows) or encode(self, raw)
    )
    for _ in range(2):
        cached = LogisticRegression(**options, **OPTIONS, cache=tmp_path / "cache").fit(source)
        np.testing.assert_array_equal(cached.model_.coef, plain.model_.coef)
    assert sum(reads) == source.n_rows


def test_fits_side_by_side_share_a_directory(tmp_path, monkeypatch):
    """As a search with several jobs does: other features, other rows of the same files, and the same again."""
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    whole = write(tmp_path / "a.parquet")
    few = ParquetSource(tmp_path / "a.parquet", target="y", weight="w", filters=[("b", ">", 0)])
    sources = [whole, whole.with_features(["a"]), few, whole.with_features(["t"]), whole]
    expected = [LogisticRegression(**OPTIONS).fit(source).model_.coef for source in sources]
    with ThreadPoolExecutor(len(sources)) as threads:
        for _ in range(2):
            fits = [
                threads.submit(LogisticRegression(**OPTIONS, cache=tmp_path / "cache").fit, source)
                for source in sources
            ]
            for fit, coef in zip(fits, expected, strict=True):
                np.testing.assert_array_equal(fit.result().model_.coef, coef)


def test_a_directory_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    place, opened = tmp_path / "cache", os.open

    def too_late(path, *how):
        monkeypatch.setattr(os, "open", opened)
        place.rmdir()  # as whoever looks for caches that nobody uses
        return opened(path, *how)

    monkeypatch.setattr(os, "open", too_late)
    shared = SharedDirectory(place)
    remove_unused(place)
    assert place.is_dir()
    shared.release()
    with pytest.raises(FileNotFoundError):
        SharedDirectory(tmp_path / "missing" / "cache")


def test_a_changed_source_starts_a_new_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    place = tmp_path / "cache"
    LogisticRegression(cache=place).fit(write(tmp_path / "a.parquet"))
    (first,) = place.iterdir()
    os.utime(tmp_path / "a.parquet", ns=(1, 1))
    gc.collect()  # a fit that is over uses its directory until it is collected
    changed = write(tmp_path / "a.parquet", seed=1)
    found = LogisticRegression(cache=place).fit(changed).model_.coef
    (second,) = place.iterdir()  # the old one is gone
    assert first != second
    np.testing.assert_array_equal(found, LogisticRegression().fit(changed).model_.coef)


def test_a_relative_path_is_another_file_in_another_directory(tmp_path, monkeypatch):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    expected = []
    for seed, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        expected.append(LogisticRegression().fit(write(tmp_path / name / "a.parquet", seed=seed)).model_.coef)
        os.utime(tmp_path / name / "a.parquet", ns=(1, 1))
    for name, coef in zip(("one", "two"), expected, strict=True):
        monkeypatch.chdir(tmp_path / name)
        for path in ("a.parquet", tmp_path / name / "a.parquet"):
            model = LogisticRegression(cache=tmp_path / "cache").fit(
                ParquetSource(path, target="y", weight="w")
            )
            np.testing.assert_array_equal(model.model_.coef, coef)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_place_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cache cannot be made"):
        LogisticRegression(cache=tmp_path / "file").fit(write(tmp_path / "a.parquet"))


@pytest.fixture
def hashed(tmp_path):
    """A reader of rows with hashed texts, and the only file of its cache."""
    rng = np.random.default_rng(0)
    texts = [f"k{k}" for k in rng.integers(0, 4000, 4_096)]
    table = pa.table({"t": texts, "x": rng.random(4_096), "y": rng.integers(0, 2, 4_096)})
    pq.write_table(table, tmp_path / "t.parquet")
    source = ParquetSource(tmp_path / "t.parquet", target="y")
    encoder = LogisticRegression(max_iter=1, solver="sgd").fit(source).model_.encoder
    assert encoder.n_ids
    return CachedReader(
        BlockReader(source, encoder), cache_directory(tmp_path / "cache", source, encoder, 2**17)
    )


FORGERIES = {
    "an id past the last": ("0.ids", lambda ids, encoder: np.full_like(ids, encoder.n_indices)),
    "an id below the first": ("0.ids", lambda ids, encoder: np.full_like(ids, -1)),
    "ids of another type": ("0.ids", lambda ids, encoder: ids.astype(np.int64)),
    "fewer ids": ("0.ids", lambda ids, encoder: ids[:, :-1]),
    "another column": ("0.columns", lambda columns, encoder: np.vstack([columns, columns])),
    "columns of one dimension": ("0.columns", lambda columns, encoder: columns.ravel()),
    "columns of another type": ("0.columns", lambda columns, encoder: columns.astype(np.int32)),
    "a class that is not there": ("0.label", lambda label, encoder: np.full_like(label, 2)),
    "half a class": ("0.label", lambda label, encoder: np.full_like(label, 0.5)),
    "no number": ("0.label", lambda label, encoder: np.full_like(label, np.nan)),
    "fewer labels": ("0.label", lambda label, encoder: label[:-1]),
    "no labels": ("0.label", lambda label, encoder: None),
    "weights": ("0.weight", lambda none, encoder: np.ones(4_096)),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_forged_contents_under_a_right_checksum_are_not_used(hashed, forgery):
    (shard,) = hashed.source.shards
    expected = list(hashed.blocks(shard))
    (path,) = hashed.directory.path.iterdir()
    kept = map_arrays(path, encoded_cache.KIND)
    name, change = forgery
    changed = change(kept.arrays.get(name), hashed.encoder)
    arrays = {key: array for key, array in (kept.arrays | {name: changed}).items() if array is not None}
    write_arrays(path, encoded_cache.KIND, arrays, kept.meta)
    assert same(list(hashed.blocks(shard)), expected)
    assert map_arrays(path, encoded_cache.KIND).arrays.keys() == kept.arrays.keys()  # made again
    assert same(list(hashed.blocks(shard)), expected)


@pytest.mark.parametrize("first_rows", [[1], [-1], ["a"], [], [0, 0], [2**70], None, {"0": 0}])
def test_forged_places_of_rows_are_not_used(hashed, first_rows):
    (shard,) = hashed.source.shards
    expected = list(hashed.blocks(shard))
    (path,) = hashed.directory.path.iterdir()
    kept = map_arrays(path, encoded_cache.KIND)
    write_arrays(path, encoded_cache.KIND, kept.arrays, {"first_rows": first_rows})
    assert same(list(hashed.blocks(shard)), expected)


def test_fits_of_one_source_do_not_remove_each_others_rows(hashed):
    source, encoder, base = hashed.source, hashed.encoder, hashed.directory.path.parent
    (shard,) = source.shards
    expected = list(hashed.blocks(shard))
    other = cache_directory(base, source, encoder, 1_000)
    assert {place.name for place in base.iterdir()} == {hashed.directory.path.name, other.path.name}
    assert same(list(hashed.blocks(shard)), expected)
    copy = pickle.loads(pickle.dumps(hashed))
    assert same(list(copy.blocks(shard)), expected)
    del copy  # a copy on a worker neither holds the lock nor gives it away
    again = cache_directory(base, source, encoder, 2_000)
    assert len(list(base.iterdir())) == 3
    gone = [other.path, hashed.directory.path]
    del other
    hashed.directory.release()
    last = cache_directory(base, source, encoder, 3_000)
    assert not any(place.exists() for place in gone)
    assert again.path.exists()
    assert last.path.exists()


def test_a_directory_that_is_removed_while_it_is_waited_for_is_made_again(hashed):
    place = hashed.directory.path
    hashed.directory.release()
    descriptor = os.open(place, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache_directory, place.parent, hashed.source, hashed.encoder, 2**17)
        time.sleep(0.1)
        shutil.rmtree(place)
        os.close(descriptor)
        assert waiting.result(5).path.is_dir()
