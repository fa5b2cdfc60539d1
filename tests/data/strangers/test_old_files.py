"""Encodings and types of files that others wrote: read right, or refused by name."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import DataError

N = 3000


def read(path, name, block_rows=700):
    source = ParquetSource(path)
    blocks = [block for shard in source.shards for block in source.raw_blocks(shard, [name], block_rows)]
    return [value for block in blocks for value in block.arrays[name].to_pylist()]


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_text_in_differences_is_read(tmp_path, encoding, compression):
    words = [None if k % 11 == 0 else f"näme {k % 700}" for k in range(N)]
    table = pa.table({"s": words, "x": np.arange(float(N))})
    pq.write_table(
        table, tmp_path / "a.parquet", use_dictionary=False, column_encoding={"s": encoding},
        compression=compression, data_page_version="2.0", row_group_size=1300,
    )  # fmt: skip
    assert read(tmp_path / "a.parquet", "s") == words


@pytest.mark.parametrize(
    "options", [{"compression": "none"}, {"compression": "snappy", "use_dictionary": False}]
)
def test_times_of_96_bits_are_right_in_every_year(tmp_path, options):
    rare = [
        datetime.datetime(9999, 12, 31),
        datetime.datetime(1, 1, 1),
        None,
        datetime.datetime(1969, 1, 1, 1, 2, 3, 4),
    ]
    times = [
        rare[k % 40] if k % 40 < 4 else datetime.datetime(2020, 1, 1) + datetime.timedelta(k)
        for k in range(N)
    ]
    table = pa.table({"t": pa.array(times, pa.timestamp("us")), "x": np.arange(float(N))})
    pq.write_table(
        table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True, row_group_size=900, **options
    )
    source = ParquetSource(tmp_path / "a.parquet")
    assert source.field_type("t") == pa.timestamp("us")
    assert read(tmp_path / "a.parquet", "t") == times


def test_times_of_96_bits_beside_text_of_many_dictionaries(tmp_path):
    """pyarrow ends batches where a dictionary ends, of text that it hands over as such."""
    times = [datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=k) if k % 3 else None for k in range(N)]
    table = pa.table({"t": pa.array(times, pa.timestamp("us")), "s": [f"{k % 7}" for k in range(N)]})
    options = {"row_group_size": 300, "dictionary_pagesize_limit": 10, "compression": "brotli"}
    pq.write_table(table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True, **options)
    source = ParquetSource(tmp_path / "a.parquet")
    blocks = [block for shard in source.shards for block in source.raw_blocks(shard, ["t", "s"], 700)]
    for name in ("t", "s"):
        found = [value for block in blocks for value in block.arrays[name].to_pylist()]
        assert found == table[name].to_pylist()


def test_finer_times_of_96_bits_are_refused(tmp_path):
    times = pa.array([10**18, 10**18 + 1], pa.timestamp("ns"))
    pq.write_table(pa.table({"t": times}), tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    with pytest.raises(DataError, match="'t' holds times finer than microseconds"):
        read(tmp_path / "a.parquet", "t")
