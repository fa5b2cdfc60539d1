"""A block's memory is free before the next is decoded: else a pass takes a block more for each thread, at times."""

import weakref

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data.encoded_cache import CachedReader, cache_directory
from scalable.data.readers import cursor
from scalable.data.table import TableSource
from scalable.execution.reader import BlockReader
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.profile import profile_source

ROWS, BLOCK_ROWS = 40_000, 1_000


def table(kind=np.float64):
    x = np.arange(ROWS)
    columns = {"x": x.astype(kind), "n": pa.array(x, mask=x % 7 == 0), "t": [f"t{k % 5}" for k in x]}
    return pa.table({**columns, "b": x % 2 == 0, "y": x % 3 == 0})


def plain(place):
    pq.write_table(table(), place / "a.parquet", row_group_size=10_000)
    return ParquetSource(place, target="y")


def compressed(place):
    pq.write_table(table(), place / "a.parquet", row_group_size=10_000, compression="snappy")
    return ParquetSource(place, target="y")


def byte_streams(place):  # which others decode
    split = {"use_dictionary": False, "column_encoding": {"x": "BYTE_STREAM_SPLIT"}}
    pq.write_table(table(), place / "a.parquet", row_group_size=10_000, **split)
    return ParquetSource(place, target="y")


def selected(place):
    pq.write_table(table(), place / "a.parquet", row_group_size=10_000)
    return ParquetSource(place, target="y", filters=[("n", ">", 10)])


def parted(place):
    for part in (1, 2):
        (place / f"part={part}").mkdir()
        pq.write_table(table(), place / f"part={part}" / "a.parquet", row_group_size=10_000)
    return ParquetSource(place, target="y")


def widened(place):
    for kind in (np.float32, np.float64):
        pq.write_table(table(kind), place / f"{kind.__name__}.parquet", row_group_size=10_000)
    return ParquetSource(place, target="y")


SOURCES = (plain, compressed, byte_streams, selected, parted, widened)


@pytest.fixture
def alive(monkeypatch):
    """Return what may be noted, and what of it was alive whenever rows were decoded."""
    noted, found, read = [], [], cursor.Cursor.read

    def watched(self, n_rows):
        found.append(sum(each() is not None for each in noted))
        return read(self, n_rows)

    monkeypatch.setattr(cursor.Cursor, "read", watched)
    return noted, found


@pytest.mark.parametrize("made", SOURCES)
def test_decoded_columns_are_let_go(tmp_path, alive, made):
    noted, found = alive
    source = made(tmp_path)
    for shard in source.shards:
        for block in source.raw_blocks(shard, None, BLOCK_ROWS):
            noted += [weakref.ref(array) for array in block.arrays.values()]
            del block
    assert len(found) > len(noted) / 12
    assert len(noted) >= 5 * ROWS // BLOCK_ROWS
    assert set(found) == {0}


@pytest.mark.parametrize("kept", [False, True])
def test_encoded_rows_are_let_go(tmp_path, alive, kept):
    noted, found = alive
    source = plain(tmp_path)
    encoder = LinearEncoder.learn(profile_source(source), source)
    reader = BlockReader(source, encoder, block_rows=BLOCK_ROWS)
    if kept:
        reader = CachedReader(reader, cache_directory(tmp_path / "cache", source, encoder, BLOCK_ROWS))
    for shard in source.shards:
        for block in reader.blocks(shard):
            noted.append(weakref.ref(block.columns))
            del block
    assert len(noted) >= ROWS // BLOCK_ROWS
    assert set(found) == {0}


def test_joined_pieces_of_a_table_are_let_go(monkeypatch):
    """A table of many pieces is copied a block at a time."""
    whole = table()
    pieces = pa.concat_tables(whole.slice(start, 100) for start in range(0, ROWS, 100))
    source = TableSource(pieces, "y")
    noted, found, joined = [], [], pa.ChunkedArray.combine_chunks
    monkeypatch.setattr(
        "scalable.data.table._one_array",
        lambda column: found.append(sum(each() is not None for each in noted)) or joined(column),
    )
    for shard in source.shards:
        for block in source.raw_blocks(shard, ["x", "n"], BLOCK_ROWS):
            noted.append(weakref.ref(block.arrays["x"]))
            del block
    assert len(noted) >= ROWS // BLOCK_ROWS
    assert set(found[::2]) == {0}
