"""Damage in and around compressed pages that others read over: what pyarrow refuses is refused, whoever decodes."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.data.footers import read_footers
from scalable.data.readers import pages, read_columns
from scalable.errors import DataError
from tests.data.readers.thrift import field, header_of, written_header

N = 4_000


@pytest.fixture(autouse=True, params=[True, False], ids=["ours", "arrow"])
def decoder(request, monkeypatch):
    monkeypatch.setattr(pages, "CODED", SimpleNamespace(pays=lambda work: request.param))


def written(path, compression, version="1.0"):
    x = np.random.default_rng(0).random(N)
    pq.write_table(
        pa.table({"x": x}), path, compression=compression, use_dictionary=False, data_page_version=version,
        write_batch_size=N,
    )  # fmt: skip
    content = path.read_bytes()
    head, length = header_of(content[4:])
    return content, head, length


def read(path):
    (footer,), (schema,) = read_footers([str(path)])
    (block,) = read_columns(footer, schema, ["x"], 0, N, N)
    return block[0]


RUN = bytes([N << 1 & 127 | 128, N << 1 >> 7, 1])  # all values are there


CASES = [("snappy", "1.0"), ("snappy", "2.0"), ("lz4", "1.0"), ("lz4", "2.0"), ("zstd", "2.0")]


@pytest.mark.parametrize(("compression", "version"), CASES)
def test_levels_that_are_none_are_refused(tmp_path, compression, version):
    path = tmp_path / "levels.parquet"
    content, _, length = written(path, compression, version)
    at = content.index(RUN, 4 + length)
    assert at < 4 + length + 200  # LZ4 says in ones how many bytes follow as they are
    path.write_bytes(content[: at + 2] + b"\xcf" + content[at + 3 :])
    with pytest.raises(OSError, match="Malformed levels"):
        pq.read_table(path)
    with pytest.raises(DataError, match=r"levels\.parquet: .*write it again"):
        read(path)


@pytest.mark.parametrize("compression", ["snappy", "lz4", "zstd"])
def test_fields_of_another_type_are_refused(tmp_path, compression):
    """Some take a field for what it should be; pyarrow goes by its type, and finds the page elsewhere."""
    path = tmp_path / "typed.parquet"
    content, head, length = written(path, compression)
    nulls = field(head, (5, 5, 3))
    assert (nulls.kind, nulls.value) == (6, 0)
    nulls.kind = 2  # false: the number behind it ends the structure, and the header is one byte shorter
    changed = written_header(head)
    assert len(changed) == length - 1
    path.write_bytes(content[:4] + changed + content[4 + length - 1 :])
    with pytest.raises(
        DataError, match=r"typed\.parquet: row group 0, column 'x': the page at 4 .*write it again"
    ):
        read(path)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("compression", ["snappy", "lz4", "none"])
def test_a_dictionary_of_more_values_than_bytes_is_refused(tmp_path, compression, text):
    path = tmp_path / "dictionary.parquet"
    x = np.random.default_rng(0).integers(0, 100, N)
    values = pa.array([f"t{k}" for k in x]) if text else pa.array(x)
    pq.write_table(pa.table({"x": values}), path, compression=compression, use_dictionary=True)
    content = path.read_bytes()
    head, length = header_of(content[4:])
    field(head, (7, 1)).value += 800  # as many bytes as before say it
    changed = written_header(head)
    assert len(changed) == length
    path.write_bytes(content[:4] + changed + content[4 + length :])
    with pytest.raises((OSError, pa.ArrowException)):
        pq.read_table(path)
    with pytest.raises(
        DataError, match=r"dictionary\.parquet: row group 0, column 'x': the page at .*write it again"
    ):
        read(path)


@pytest.mark.parametrize(("more", "compression"), [(-32, "snappy"), (1, "lz4"), (32, "lz4")])
def test_pages_of_another_size_than_they_say_are_refused(tmp_path, compression, more):
    path = tmp_path / "size.parquet"
    content, head, length = written(path, compression)
    field(head, (2,)).value += more
    changed = written_header(head)
    assert len(changed) == length
    path.write_bytes(content[:4] + changed + content[4 + length :])
    with pytest.raises((OSError, pa.ArrowException)):
        pq.read_table(path)
    with pytest.raises(DataError, match=r"size\.parquet: .*write it again"):
        read(path)


def test_a_column_that_cannot_be_decoded_is_named(tmp_path):
    """By pyarrow, which tells the error alone."""
    path = tmp_path / "two.parquet"
    rng = np.random.default_rng(0)
    pq.write_table(
        pa.table({"a": rng.random(N), "b": rng.random(N)}), path, compression="brotli", use_dictionary=False
    )
    chunk = pq.read_metadata(path).row_group(0).column(1)
    content = bytearray(path.read_bytes())
    at = chunk.data_page_offset + chunk.total_compressed_size // 2
    content[at : at + 999] = bytes(999)
    path.write_bytes(content)
    (footer,), (schema,) = read_footers([str(path)])
    with pytest.raises(DataError, match=r"two\.parquet: rows 0 to 4,000, column 'b', cannot be decoded"):
        list(read_columns(footer, schema, ["a", "b"], 0, N, N))


def test_names_with_a_zero_byte_are_names(tmp_path):
    path = tmp_path / "zero.parquet"
    pq.write_table(pa.table({"i\x004": np.arange(N)}), path, compression="snappy")
    (footer,), (schema,) = read_footers([str(path)])
    (block,) = read_columns(footer, schema, schema.names, 0, N, N)
    assert block[0].to_pylist() == list(range(N))
