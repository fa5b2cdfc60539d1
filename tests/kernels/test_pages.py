"""Page headers against those that pyarrow and polars write, and against rubbish."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.kernels import files, pages


def head_of(path) -> tuple[int, dict[str, int]]:
    column = pq.read_metadata(path).row_group(0).column(0)
    data = np.frombuffer(path.read_bytes(), np.uint8)[column.data_page_offset :]
    out = np.empty(pages.N_FIELDS, np.int64)
    length = pages.parse_header(data, out)
    names = ("kind", "plain", "stored", "values", "encoding", "nulls", "levels", "compressed")
    return length, dict(zip(names, out.tolist(), strict=True))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_headers_of_pyarrow(tmp_path, version):
    table = pa.table({"x": pa.array(np.arange(100.0), pa.float32())})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, use_dictionary=False, compression="none", data_page_version=version)
    length, head = head_of(path)
    assert 0 < length < 100
    assert head["kind"] == (pages.DATA_PAGE if version == "1.0" else pages.DATA_PAGE_V2)
    assert (head["values"], head["encoding"]) == (100, 0)
    assert head["plain"] == head["stored"] > 400
    assert head["nulls"] == (pages.UNKNOWN if version == "1.0" else 0)


def test_headers_of_polars(tmp_path):
    pl.DataFrame({"x": np.random.default_rng(0).random(1000)}).write_parquet(
        tmp_path / "a.parquet", compression="uncompressed"
    )
    length, head = head_of(tmp_path / "a.parquet")
    assert length > 0
    assert head["values"] == 1000


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_rubbish_is_not_read_beyond_its_end(data):
    buffer = np.frombuffer(data, np.uint8)
    assert -1 <= pages.parse_header(buffer, np.empty(pages.N_FIELDS, np.int64)) <= len(data)
    assert pages.skip_levels(buffer, 3) >= -1


def test_a_length_that_overflows_does_not_lead_back_for_ever():
    backward = 2**64 - 11  # -11 as a signed length: back to where it is read
    varint = bytes([*((backward >> shift & 127) | 128 for shift in range(0, 63, 7)), backward >> 63])
    data = np.frombuffer(bytes([0x18]) + varint + bytes(20), np.uint8)
    assert pages.parse_header(data, np.zeros(pages.N_FIELDS, np.int64)) == -1


def test_levels_must_all_be_one():
    page = np.array([2, 0, 0, 0, 20, 1, 9, 9], np.uint8)  # a run of ten ones
    assert pages.skip_levels(page, 10) == 6
    assert pages.skip_levels(page, 11) == -1
    page[5] = 0
    assert pages.skip_levels(page, 10) == -1


def test_pieces_of_a_file_are_put_together(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    with open(path, "rb") as file:
        out = np.zeros(7, np.uint8)
        pieces = np.array([90, 3]), np.array([3, 4])
        assert files.gather(file.fileno(), *pieces, out) == -1
        assert out.tolist() == [90, 91, 92, 3, 4, 5, 6]
        assert files.gather(file.fileno(), np.array([0, 97]), np.array([3, 4]), out) == 1  # beyond the end
