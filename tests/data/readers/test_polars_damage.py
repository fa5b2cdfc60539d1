"""Damage that polars reads over: what pyarrow refuses is refused, also where polars would have decoded it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.data import readers
from scalable.data.footers import read_footers
from scalable.data.readers import read_columns
from scalable.data.readers.polars import open_with_polars
from scalable.errors import DataError
from tests.data.readers.thrift import field, header_of, written_header

N = 4_000


@pytest.fixture(autouse=True)
def polars_for_few_rows(monkeypatch):
    monkeypatch.setattr(readers, "LEAST_BYTES", 0)


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


def with_polars(path):
    """Return what polars reads, unasked by us; raises what it raises."""
    (footer,), (schema,) = read_footers([str(path)])
    return open_with_polars(footer, schema, ["x"], 0, N, N).read(N)[0]


RUN = bytes([N << 1 & 127 | 128, N << 1 >> 7, 1])  # all values are there


CASES = [("snappy", "1.0"), ("snappy", "2.0"), ("lz4", "1.0"), ("lz4", "2.0"), ("zstd", "2.0")]


@pytest.mark.parametrize(("compression", "version"), CASES)
def test_levels_that_are_none_are_refused(tmp_path, compression, version):
    path = tmp_path / "levels.parquet"
    content, _, length = written(path, compression, version)
    whole = read(path)
    at = content.index(RUN, 4 + length)
    assert at < 4 + length + 200  # LZ4 says in ones how many bytes follow as they are
    path.write_bytes(content[: at + 2] + b"\xcf" + content[at + 3 :])
    with pytest.raises(OSError, match="Malformed levels"):
        pq.read_table(path)
    assert with_polars(path).equals(whole)  # as if nothing were
    with pytest.raises(DataError, match=r"levels\.parquet: .*write it again"):
        read(path)


@pytest.mark.parametrize("compression", ["snappy", "lz4", "zstd"])
def test_fields_of_another_type_are_refused(tmp_path, compression):
    """Polars takes a field for what it should be; pyarrow goes by its type, and finds the page elsewhere."""
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
    """Polars looks at the bytes alone."""
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


@pytest.mark.parametrize("compression", ["snappy", "lz4"])
def test_missing_values_are_read_by_polars(tmp_path, compression, monkeypatch):
    path = tmp_path / "missing.parquet"
    rng = np.random.default_rng(1)
    x = pa.array(rng.random(N), mask=rng.random(N) < 0.4)
    pq.write_table(pa.table({"x": x}), path, compression=compression, use_dictionary=False)
    monkeypatch.setattr(readers, "open_with_arrow", None)
    assert read(path).equals(x)


def test_levels_within_pages_of_zstandard_are_left_to_pyarrow(tmp_path, monkeypatch):
    written(tmp_path / "levels.parquet", "zstd")
    monkeypatch.setattr(readers, "open_with_polars", None)
    assert len(read(tmp_path / "levels.parquet")) == N
