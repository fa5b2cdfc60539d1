"""Page headers against those that pyarrow and polars write, and against rubbish."""

from __future__ import annotations

import tempfile

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.kernels.parquet import coded, files, page_walk, pages


def head_of(path) -> tuple[int, dict[str, int]]:
    column = pq.read_metadata(path).row_group(0).column(0)
    data = np.frombuffer(path.read_bytes(), np.uint8)[column.data_page_offset :]
    out = np.empty(pages.N_FIELDS, np.int64)
    length = pages.parse_header(data, out)
    names = (
        "kind", "plain", "stored", "crc", "values", "encoding", "nulls", "level_bytes", "levels", "compressed",
    )  # fmt: skip
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
    assert pages.all_ones(buffer, 3) in (True, False)


def test_a_length_that_overflows_does_not_lead_back_for_ever():
    backward = 2**64 - 11  # -11 as a signed length: back to where it is read
    varint = bytes([*((backward >> shift & 127) | 128 for shift in range(0, 63, 7)), backward >> 63])
    data = np.frombuffer(bytes([0x18]) + varint + bytes(20), np.uint8)
    assert pages.parse_header(data, np.zeros(pages.N_FIELDS, np.int64)) == -1


def test_levels_must_all_be_one():
    levels = np.array([20, 1], np.uint8)  # a run of ten ones
    assert pages.all_ones(levels, 10)
    assert not pages.all_ones(levels, 11)
    assert not pages.all_ones(levels[:1], 10)  # the run ends before its value
    for value in (0, 3):
        levels[1] = value
        assert not pages.all_ones(levels, 10)


def test_rows_of_pages_are_put_together(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    # rows 0-2 and 3-9 of a column of one byte, rows 0-9 of one of two bytes
    places = np.array([[0, 3, 90], [3, 10, 20], [0, 10, 40]])
    bounds, widths = np.array([0, 2, 3]), np.array([1, 2])
    out = np.zeros(12, np.uint8)
    with open(path, "rb") as file:
        assert files.gather(file.fileno(), places, bounds, widths, 1, 4, out) == -1
        assert out.tolist() == [91, 92, 20, 21, 42, 43, 44, 45, 46, 47, 48, 49]
        assert (
            files.gather(file.fileno(), places, bounds, widths, 8, 4, np.zeros(12, np.uint8)) == 1
        )  # no row 10
        places[2, files.OFFSET] = 97
        assert files.gather(file.fileno(), places, bounds, widths, 1, 4, out) == 2  # beyond the end


@pytest.mark.parametrize("gap", [0, 5, files.GAP_BYTES, files.GAP_BYTES + 1])
def test_rows_of_many_pages_are_read_by_few_calls(tmp_path, gap):
    """More pages than pieces of memory a call fills, near each other or not, empty ones, one before all others."""
    rng, rows = np.random.default_rng(0), 5_000
    values = rng.integers(0, 256, 4 * rows, np.uint8).tobytes()
    edges = np.sort(rng.integers(0, rows, 2 * files.VECTORS)).tolist()
    content, places = bytearray(b"x"), []
    for first, stop in zip([0, *edges], [*edges, rows], strict=True):
        content += bytes(gap)
        places.append([first, stop, len(content)])
        content += values[4 * first : 4 * stop]
    places[40][files.OFFSET], content = 0, values[4 * places[40][0] : 4 * places[40][1]] + bytes(content)
    moved = len(content) - places[-1][files.OFFSET] - 4 * (rows - edges[-1])
    table = np.array([[a, b, at + (moved if k != 40 else 0)] for k, (a, b, at) in enumerate(places)])
    (tmp_path / "a").write_bytes(content)
    with open(tmp_path / "a", "rb") as file:
        for row, n in [
            (0, rows),
            (7, rows - 7),
            *((int(r), int(rng.integers(1, rows - r))) for r in edges[:20]),
        ]:
            out = np.zeros(4 * n, np.uint8)
            bounds = np.array([0, len(table)])
            assert files.gather(file.fileno(), table, bounds, np.array([4]), row, n, out) == -1
            assert out.tobytes() == values[4 * row : 4 * (row + n)]


def walk_of(file, begin, end, rows, stop, found, nullable=True):
    about = np.empty(page_walk.CHUNK_FIELDS, np.int64)
    return page_walk.walk_chunk(file.fileno(), begin, end, nullable, 0, 5, 64, 0, rows, stop, found, about)


@given(st.binary(min_size=1, max_size=60), st.integers(1, 9), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_walk_over_rubbish_ends(data, rows, nullable):
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        found = np.zeros((4, page_walk.PAGE_FIELDS), np.int64)
        n = walk_of(file, 0, len(data), rows, rows, found, nullable)
        assert n in (page_walk.DAMAGED, page_walk.NO_ROOM) or found[n - 1, coded.STOP] == rows


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_walk_stops_at_the_page_that_holds_the_last_row_wanted(tmp_path, version):
    path = tmp_path / "a.parquet"
    x = np.arange(5000.0)
    table = pa.table({"x": x})
    pq.write_table(table, path, use_dictionary=False, compression="none", data_page_version=version,
                   data_page_size=2000, write_batch_size=100)  # fmt: skip
    column = pq.read_metadata(path).row_group(0).column(0)
    begin, end = column.data_page_offset, column.data_page_offset + column.total_compressed_size
    found = np.zeros((99, page_walk.PAGE_FIELDS), np.int64)
    with open(path, "rb") as file:
        n = walk_of(file, begin, end, 5000, 1000, found)
        assert found[n - 2, coded.STOP] < 1000 <= found[n - 1, coded.STOP]
        assert walk_of(file, begin, end, 5000, 5000, found[:2]) == page_walk.NO_ROOM
        n = walk_of(file, begin, end, 5000, 5000, found)
        content = path.read_bytes()
        parts = [
            np.frombuffer(content, np.float64, stop - first, at)
            for first, stop, at in found[:n, [coded.FIRST, coded.STOP, page_walk.VALUES_AT]].tolist()
        ]
        np.testing.assert_array_equal(np.concatenate(parts), x)
