"""Footers that lie are refused before pyarrow is asked for what would end the process."""

import decimal
import os
import re
import time
import traceback
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data.footer_check import check_tables, chunk_begin, read_tables
from scalable.errors import DataError
from scalable.kernels.parquet import footer as walk
from scalable.storage.files import store_of

_FIELDS = {"codec": "compression", "values": "num_values", "stored_bytes": "total_compressed_size",
           "plain_bytes": "total_uncompressed_size", "data_page": "data_page_offset"}  # fmt: skip
_CODECS = ["UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD"]


def table(n=90):
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "x": rng.random(n),
            "i": pa.array(rng.integers(0, 9, n), mask=rng.random(n) < 0.2),
            "t": np.array(["a", "bc"])[rng.integers(0, 2, n)],
            "f": rng.random(n).astype(np.float32),
            "decimal": pa.array([decimal.Decimal(k) for k in range(n)], pa.decimal128(20, 3)),
            "flag": rng.random(n) < 0.5,
            "list": [[1, 2]] * n,
            "inner": [{"a": 1, "b": "x"}] * n,
        }
    )


def split(content):
    length = int.from_bytes(content[-8:-4], "little")
    return content[: -8 - length], content[-8 - length : -8]


@pytest.mark.parametrize("compression", ["none", "zstd", "snappy"])
def test_the_walk_finds_what_pyarrow_finds(tmp_path, compression):
    path = tmp_path / "a.parquet"
    pq.write_table(table(), path, row_group_size=40, compression=compression)
    found, expected = read_tables(str(path), store_of(path).version(path)), pq.read_metadata(path)
    assert found.rows.tolist() == [40, 40, 10]
    assert found.leaves["definition"].tolist() == [
        expected.schema.column(k).max_definition_level for k in range(expected.num_columns)
    ]
    assert found.leaves["repetition"].tolist() == [
        expected.schema.column(k).max_repetition_level for k in range(expected.num_columns)
    ]
    for group in range(3):
        for column in range(expected.num_columns):
            ours, theirs = found.chunks[group, column], expected.row_group(group).column(column)
            for name, other in _FIELDS.items():
                value = _CODECS[ours[name]] if name == "codec" else int(ours[name])
                assert value == getattr(theirs, other)
            assert ours["nulls"] == theirs.statistics.null_count
            assert max(0, ours["dictionary_page"]) == (theirs.dictionary_page_offset or 0)
    assert chunk_begin(*found.chunks[0, 0][["dictionary_page", "data_page"]]) == 4


def test_flipped_bits_never_end_the_process(tmp_path):
    # A child asks for all that ends a process where the footer has not been checked.
    buffer = BytesIO()
    pq.write_table(table(), buffer, row_group_size=50)
    pages, footer = split(buffer.getvalue())
    rng, refused = np.random.default_rng(1), 0
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for at, bit in zip(rng.integers(0, len(footer), 3_000), rng.integers(0, 8, 3_000), strict=True):
                bad = bytearray(footer)
                bad[at] ^= 1 << bit
                try:
                    check_tables("a", np.frombuffer(bad, np.uint8), len(pages))
                except DataError:
                    refused += 1
                    continue
                _ask(pages + bytes(bad) + len(bad).to_bytes(4, "little") + b"PAR1")
            code = 0 if refused > 300 else 2
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def _ask(content):
    try:
        metadata = pq.read_metadata(pa.BufferReader(content))
    except (OSError, pa.ArrowException):
        return
    for group in range(metadata.num_row_groups):
        for k in range(metadata.num_columns):
            column = metadata.row_group(group).column(k)
            assert column.compression is not None
            try:
                if column.is_stats_set and column.statistics.has_min_max:
                    assert column.statistics.min is not column
            except (OSError, pa.ArrowException, ValueError, OverflowError, NotImplementedError):
                pass


def changed(path, old, new):
    """Replace the rows that a file says it has, everywhere in its footer."""
    pages, footer = split(path.read_bytes())
    bad = footer.replace(_varint(old), _varint(new))
    assert bad != footer
    path.write_bytes(pages + bad + len(bad).to_bytes(4, "little") + b"PAR1")


def _varint(value):
    value, out = 2 * value, b""  # zigzag
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


@pytest.mark.parametrize(("rows", "everywhere"), [(2**62, False), (2**40, False), (2**62, True)])
def test_rows_that_no_file_holds_are_refused_at_once(tmp_path, rows, everywhere):
    path = tmp_path / "huge.parquet"
    pq.write_table(pa.table({"a": np.arange(7_321.0), "b": np.arange(7_321.0)}), path, store_schema=False)
    if everywhere:
        changed(path, 7_321, rows)
    else:
        pages, footer = split(path.read_bytes())
        bad = footer[::-1].replace(_varint(7_321)[::-1], _varint(rows)[::-1], 1)[::-1]
        path.write_bytes(pages + bad + len(bad).to_bytes(4, "little") + b"PAR1")
    begin = time.perf_counter()
    with pytest.raises(DataError, match=r"huge\.parquet: not a readable Parquet file \(.*(rows|row group 0)"):
        ParquetSource(path)
    assert time.perf_counter() - begin < 5  # compilation included


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("codec", 99, "its compression is unknown"),
        ("codec", -3, "its compression is unknown"),
        ("physical", 5, "its type is not that of the schema"),
        ("values", 89, "it has not one value a row"),
        ("stored_bytes", -1, "its size is less than nothing"),
        ("stored_bytes", 2**40, "its values do not lie within the file"),
        ("data_page", 2**62, "its values do not lie within the file"),
        ("data_page", 0, "its values do not lie within the file"),
        ("definition_levels", 7, "its size statistics are not those of its type"),
        ("unencoded_bytes", 7, "its size statistics are not those of its type"),
        ("max", 3, "its least or greatest value is cut off"),
        ("nulls", 91, "it has more nulls than values"),
    ],
)
def test_each_contradiction_is_named_with_its_place(tmp_path, monkeypatch, field, value, message):
    path = tmp_path / "a.parquet"
    pq.write_table(table(), path)
    walk_footer = walk.walk_footer

    def lying(content, elements, groups, chunks, counts):
        end = walk_footer(content, elements, groups, chunks, counts)
        chunks[3, walk.CHUNK.names.index(field)] = value
        return end

    monkeypatch.setattr(walk, "walk_footer", lying)
    with pytest.raises(DataError, match=re.escape(f"row group 0, column 'f': {message}")):
        read_tables(str(path), store_of(path).version(path))


def test_bytes_of_fixed_length_whose_extremes_are_cut_are_read(tmp_path):
    """As Rust's writer cuts those of more than 64 bytes; asked for them, pyarrow would end the process."""
    path = tmp_path / "a.parquet"
    hashes = pa.array([bytes([97 + k % 3]) * 100 for k in range(60)], pa.binary(100))
    pq.write_table(
        pa.table({"h": hashes, "x": np.arange(60.0)}), path, store_schema=False, use_dictionary=False
    )
    pages, footer = split(path.read_bytes())
    for byte in (b"a", b"c"):
        assert b"\x64" + 100 * byte in footer
        footer = footer.replace(b"\x64" + 100 * byte, b"\x40" + 64 * byte)
    path.write_bytes(pages + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    for filters, rows in ((None, 60), ([("x", ">", 3.0)], 56), ([("h", "==", b"a" * 100)], 20)):
        source = ParquetSource(path, features=["x"], filters=filters)
        assert sum(block.n_rows for shard in source.shards for block in source.raw_blocks(shard)) == rows


def test_rubbish_of_any_length_is_refused(tmp_path):
    rng, path = np.random.default_rng(2), tmp_path / "a.parquet"
    for n in (*range(20), 300, 70_000):
        for claimed in (n, 2**31, 0):
            path.write_bytes(b"PAR1" + rng.bytes(n) + claimed.to_bytes(4, "little") + b"PAR1")
            with pytest.raises(DataError, match="not a readable Parquet file"):
                read_tables(str(path), store_of(path).version(path))


def test_a_deep_nest_is_refused():
    with pytest.raises(DataError, match="cannot be understood"):
        check_tables("a", np.full(5_000, 0x1C, np.uint8), 10)


def test_a_column_name_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"caf\u00e9": [1.0]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xe9!"))
    with pytest.raises(DataError, match=re.escape(r"the name of column 'caf\xe9!' is not UTF-8")):
        ParquetSource(path)
