"""Files that are damaged, truncated, changed or gone are named; nothing crashes."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data import readers
from scalable.data.readers import read_columns
from scalable.errors import DataError
from tests.data.written import write

N = 5_000


@pytest.mark.parametrize("text", [False, True], ids=["numbers", "text"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_damaged_pages_are_data_errors_that_name_the_file(tmp_path, text, compression):
    rng = np.random.default_rng(3)
    columns = {"y": rng.integers(0, 1_000, 20_000)}
    if text:
        columns["t"] = np.array(["ab", "cde", "f"])[rng.integers(0, 3, 20_000)]
    path = tmp_path / "bad.parquet"
    footer, schema = write(path, pa.table(columns), row_group_size=5_000, compression=compression)
    good = path.read_bytes()
    metadata = pq.read_metadata(path)
    chunk = metadata.row_group(2).column(metadata.num_columns - 1)
    start = chunk.dictionary_page_offset
    damaged = bytearray(good)
    damaged[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    path.write_bytes(bytes(damaged))
    os.utime(path, ns=(footer.version.tag, footer.version.tag))
    assert list(read_columns(footer, schema, schema.names, 0, 5_000, 5_000))  # others stay readable
    with pytest.raises(
        DataError, match=r"bad\.parquet: row group 2, column '[yt]': the page at [0-9,]+ .*write it again"
    ):
        list(read_columns(footer, schema, schema.names, 10_000, 15_000, 5_000))


@pytest.mark.parametrize("text", [False, True], ids=["numbers", "text"])
def test_a_file_truncated_while_it_is_read_is_an_error_not_a_crash(tmp_path, text):
    columns = {"x": np.random.default_rng(0).random(400_000)}
    if text:
        columns["t"] = ["a", "b"] * 200_000
    path = tmp_path / "cut.parquet"
    footer, schema = write(path, pa.table(columns), row_group_size=20_000, use_dictionary=["t"])
    blocks = read_columns(footer, schema, schema.names, 0, 400_000, 1_000)
    next(blocks)
    os.truncate(path, 500_000)
    with pytest.raises(DataError, match=r"cut\.parquet: .*write it again"):
        for _ in blocks:
            pass


def test_a_changed_or_vanished_file_is_named_before_it_is_read(tmp_path):
    path = tmp_path / "a.parquet"
    footer, schema = write(path, pa.table({"x": range(1_000)}))
    write(path, pa.table({"x": range(1_001)}))
    with pytest.raises(
        DataError, match=r"a\.parquet: the file changed since the run was planned; start again"
    ):
        next(read_columns(footer, schema, ["x"], 0, 10, 10))
    path.unlink()
    with pytest.raises(
        DataError, match=r"a\.parquet: the file vanished after planning; restore it and resume"
    ):
        next(read_columns(footer, schema, ["x"], 0, 10, 10))


def test_a_lack_of_memory_is_not_called_damage(tmp_path, monkeypatch):
    footer, schema = write(tmp_path / "a.parquet", pa.table({"x": range(1_000)}), compression="brotli")

    def opener(*args):
        raise MemoryError

    monkeypatch.setattr(readers, "open_with_arrow", opener)
    with pytest.raises(MemoryError):
        next(read_columns(footer, schema, ["x"], 0, 1_000, 10))


def test_invalid_text_is_a_data_error(tmp_path):
    broken = pa.array([b"ok", b"\xff\xfe", b"ok"]).view(pa.string())
    footer, schema = write(tmp_path / "a.parquet", pa.table({"x": broken}))
    with pytest.raises(DataError, match=r"a\.parquet: .*'x'.*UTF"):
        list(read_columns(footer, schema, ["x"], 0, 3, 10))


def test_an_error_of_our_own_is_not_called_damage(tmp_path, monkeypatch):
    footer, schema = write(tmp_path / "a.parquet", pa.table({"x": range(1_000)}), compression="brotli")

    def opener(*args):
        raise KeyError("a mistake")

    monkeypatch.setattr(readers, "open_with_arrow", opener)
    with pytest.raises(KeyError):
        next(read_columns(footer, schema, ["x"], 0, 1_000, 10))


def test_a_file_is_opened_once_until_the_work_ends(tmp_path, monkeypatch):
    """By all shards and readers of it, and closed then; another file of its name is told."""
    x = np.arange(40_000, dtype=np.float32)
    table = pa.table({"x": x, "y": np.arange(40_000) % 2, "z": x})
    pq.write_table(table, tmp_path / "a", row_group_size=1_000, compression="none", use_dictionary=["y"])
    opened, take = [], os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **k: opened.append(str(path)) or take(path, *a, **k))
    source = ParquetSource(tmp_path / "a", target="y")
    opened.clear()

    def read(shard):
        assert source.stored(shard, ["x", "z"]) is not None
        return sum(block.n_rows for block in source.raw_blocks(shard))

    assert sum(read(shard) for shard in source.shards) == 40_000
    assert opened.count(str(tmp_path / "a")) == 1
    source.release()
    assert str(tmp_path / "a") not in [os.readlink(f"/proc/self/fd/{fd}") for fd in _open_descriptors()]
    assert read(source.shards[0]) > 0
    os.rename(tmp_path / "a", tmp_path / "b")
    pq.write_table(table.slice(0, 39_999), tmp_path / "a", row_group_size=1_000)
    with pytest.raises(DataError, match="the file changed since the run was planned"):
        read(source.shards[1])


def _open_descriptors():
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{fd}")]
