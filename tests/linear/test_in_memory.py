"""Held rows are those of the reader, in the order of one permutation, whoever reads them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.summary import labels_of, summarize
from scalable.linear import in_memory
from scalable.linear.in_memory import hold

ROWS = 30_000


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    rng = np.random.default_rng(0)
    place = tmp_path_factory.mktemp("rows")
    for k in range(3):
        n = ROWS // 3
        columns = {
            "a": rng.normal(size=n).astype(np.float32),
            "b": rng.integers(0, 9, n),
            "c": np.array(["x", "y", "z"])[rng.integers(0, 3, n)],
            "y": np.arange(k * n, (k + 1) * n, dtype=np.float64),
            "w": rng.random(n),
        }
        pq.write_table(pa.table(columns), place / f"{k}.parquet", row_group_size=4000)
    return ParquetSource(place, target="y", weight="w")


def reader_of(source):
    summary = summarize(source, Threads(1), classify=False)
    labels = labels_of(source, summary.known_target, classify=False)
    return BlockReader(source, LinearEncoder.learn(summary.columns, source, labels))


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("selected", [False, True])
def test_held_rows_are_those_of_the_reader(source, seed, threads, selected):
    if selected:
        source = source.split_rows(0.7, 0.3)[0]
    reader = reader_of(source)
    blocks = [block for shard in source.shards for block in reader.blocks(shard)]
    n = sum(block.n_rows for block in blocks)
    held = hold(reader, n, seed, threads)
    found = [block for shard in held.source.shards for block in held.blocks(shard)]
    order = np.arange(n) if seed is None else np.random.default_rng(seed).permutation(n)
    for part in ("columns", "ids", "label", "weight"):
        whole = np.concatenate([getattr(block, part) for block in blocks], axis=-1)
        kept = np.concatenate([getattr(block, part) for block in found], axis=-1)
        assert kept.dtype == whole.dtype
        np.testing.assert_array_equal(kept, whole[..., order])
    assert held.source.exact_rows == held.source.n_rows == n
    assert len(held.source.shards) == 64
    assert [block.first_row for block in found] == [shard.row_start for shard in held.source.shards]


@pytest.mark.parametrize("compression", ["none", "lz4"])
@pytest.mark.parametrize("left_to_the_encoder", [False, True])
def test_numbers_alone_are_held_column_by_column(tmp_path, monkeypatch, compression, left_to_the_encoder):
    rng = np.random.default_rng(1)
    for k in range(2):
        columns = {name: np.exp(rng.normal(size=9_000)).astype(np.float32) for name in "abc"}
        columns["heavy"] = np.exp(4.0 * rng.normal(size=9_000)).astype(np.float32)
        table = pa.table(columns | {"y": rng.random(9_000)})
        table = table.cast(pa.schema([field.with_nullable(False) for field in table.schema]))
        path = tmp_path / f"{k}.parquet"
        pq.write_table(table, path, compression=compression, use_dictionary=False, row_group_size=4_000)
    source = ParquetSource(tmp_path, target="y")
    reader = reader_of(source)
    blocks = [block for shard in source.shards for block in reader.blocks(shard)]
    assert any(column.log_unit is not None for column in reader.encoder.columns)
    if left_to_the_encoder:
        monkeypatch.setattr(in_memory, "standardize_column", lambda raw, j, *_: j != 2)
    held = hold(reader, 18_000, 5, 2)
    found = [block for shard in held.source.shards for block in held.blocks(shard)]
    order = np.random.default_rng(5).permutation(18_000)
    for part in ("columns", "label"):
        whole = np.concatenate([getattr(block, part) for block in blocks], axis=-1)
        kept = np.concatenate([getattr(block, part) for block in found], axis=-1)
        np.testing.assert_array_equal(kept, whole[..., order])
