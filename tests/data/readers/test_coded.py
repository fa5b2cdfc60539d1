"""Dictionary, difference, bit and nullable pages decoded by our kernel, against what pyarrow reads."""

import datetime
import os
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalable.data.parquet import ParquetSource
from scalable.data.readers.arrow import TEXT, open_with_arrow
from scalable.data.readers.coded import open_with_codes
from scalable.errors import DataError
from scalable.storage import local
from tests.data.written import write

N = 5_000
DELTAS = ("i8", "u16", "i32", "i64", "when")


def columns(rng, n=N, nulls=0.2):
    mask = rng.random(n) < nulls
    late = np.arange(n) > n // 2  # pages without nulls, then pages of nulls only
    ids = rng.integers(0, 50, n)
    text = np.array(["", "a", "bcd", "é" * 40, "z"])
    when = pa.array(rng.integers(0, 10**12, n), pa.int64(), mask=mask).cast(pa.timestamp("ms", "UTC"))
    return {
        "i8": pa.array(ids.astype(np.int8) - 20, mask=mask),
        "u16": pa.array(ids.astype(np.uint16) * 1000),
        "i32": pa.array(rng.integers(-(2**31), 2**31, n).astype(np.int32)),
        "i64": pa.array(np.cumsum(rng.integers(-9, 10**6, n)), mask=mask),
        "when": when,
        "day": pa.array(ids.astype(np.int32)).cast(pa.date32()),
        "coded i16": pa.array(ids.astype(np.int16), mask=late),
        "coded i64": pa.array(ids * 2**40, mask=mask),
        "coded f32": pa.array((ids / 3).astype(np.float32), mask=mask),
        "coded f64": pa.array(ids / 3),
        "f32": pa.array(rng.random(n, np.float32), mask=mask),
        "f64": pa.array(rng.random(n), mask=late),
        "f64 all null": pa.nulls(n, pa.float64()),
        "flag": pa.array(ids > 20),
        "flag or null": pa.array(ids > 20, mask=mask),
        "text": pa.array(text[ids % 5]),
        "text or null": pa.array(text[ids % 5], mask=mask),
        "text late": pa.array(text[ids % 5], mask=late),
        "text all null": pa.nulls(n, pa.string()),
        "category": pa.array(text[ids % 4], mask=mask).dictionary_encode(),
    }


CODED = [
    name
    for name in columns(np.random.default_rng(0), 10)
    if name.startswith(("coded", "text", "category", "day"))
]


def write_coded(path, table, **options):
    encoding = {name: "DELTA_BINARY_PACKED" for name in DELTAS if name in table.schema.names}
    dictionaries = [name for name in table.schema.names if name in CODED]
    options = {"data_page_size": 1_000, "write_batch_size": 64} | options
    options = {"compression": "none"} | options
    return write(path, table, use_dictionary=dictionaries, column_encoding=encoding, **options)


def read(footer, schema, names, start, stop, block_rows=900):
    cursor, left = open_with_codes(footer, schema, names, start, stop, block_rows)
    assert cursor is not None
    sizes = [min(block_rows, stop - row) for row in range(start, stop, block_rows)]
    blocks = [cursor.read(size) for size in sizes]
    cursor.close()
    kept = [name for name in names if name not in left]
    joined = zip(*blocks, strict=True)
    return {n: pa.chunked_array(list(parts)) for n, parts in zip(kept, joined, strict=True)}, left


def equal(found, expected):
    for array in found.chunks:
        array.validate(full=True)
    if pa.types.is_dictionary(found.type):
        assert found.type == TEXT
        found, expected = found.cast(pa.string()), expected.cast(pa.string())
    assert found.type == expected.type
    assert found.null_count == expected.null_count
    assert found.equals(expected)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "lz4", "zstd", "gzip"])
@pytest.mark.parametrize("group", [700, N])
def test_every_form_and_type_is_what_pyarrow_reads(tmp_path, version, compression, group):
    table = pa.table(columns(np.random.default_rng(1)))
    footer, schema = write_coded(
        tmp_path / "a.parquet",
        table,
        row_group_size=group,
        data_page_version=version,
        compression=compression,
    )
    found, left = read(footer, schema, schema.names, 0, N)
    # version 2 keeps bits as runs
    assert set(left) == ({"flag", "flag or null"} if version == "2.0" else set())
    for name, array in found.items():
        equal(array, table[name])


@pytest.mark.parametrize("compression", ["none", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_whole_pages_with_a_few_nulls_or_none_leave_those_beside_them_alone(tmp_path, version, compression):
    rows = np.arange(N)
    for missing in (0, 1, 2, 3):  # of a page: its size is that of a page without any, give or take some bytes
        mask = rows % 128 < missing
        table = pa.table({"b": pa.array(rows / 7, mask=mask)})
        footer, schema = write_coded(
            tmp_path / f"{missing}.parquet", table, compression=compression, data_page_version=version
        )
        found, left = read(footer, schema, ["b"], 0, N)
        assert not left
        equal(found["b"], table["b"])


@given(st.integers(0, 2**32), st.integers(1, 300), st.floats(0, 1), st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_stretch_in_blocks_of_any_size(tmp_path, seed, n, nulls, data):
    table = pa.table(columns(np.random.default_rng(seed), n, nulls))
    footer, schema = write_coded(tmp_path / f"{seed}.parquet", table, row_group_size=data.draw(st.integers(1, n)),
                                 compression=data.draw(st.sampled_from(["none", "snappy", "lz4", "zstd"])),
                                 data_page_size=data.draw(st.sampled_from([50, 10_000])))  # fmt: skip
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start + 1, n))
    found, _ = read(footer, schema, schema.names, start, stop, data.draw(st.integers(1, n)))
    for name, array in found.items():
        equal(array, table[name].slice(start, stop - start))
    os.unlink(footer.path)


def test_text_of_several_encodings_nested_columns_and_other_codecs_are_left_to_others(tmp_path):
    many = pa.array([f"level {k}" for k in range(N)])  # the dictionary overflows: plain pages follow
    table = pa.table({"many": many, "nested": pa.array([[1]] * N), "few": pa.array(["a", "b"] * (N // 2))})
    path = tmp_path / "a.parquet"
    footer, schema = write(path, table, row_group_size=N, compression="none", dictionary_pagesize_limit=2_000,
                           write_batch_size=64)  # fmt: skip
    cursor, left = open_with_codes(footer, schema, ["many", "few"], 0, N, N)
    assert left == ["many"]
    cursor.close()
    footer, schema = write(path, table.select(["few"]), compression="brotli")
    assert open_with_codes(footer, schema, ["few"], 0, N, N) == (None, ["few"])


def test_times_whose_unit_is_not_that_of_the_file_are_left_to_others(tmp_path):
    seconds = pa.array([datetime.datetime(2020, 1, 1)] * N, pa.timestamp("s"))
    footer, schema = write(tmp_path / "a.parquet", pa.table({"t": seconds}), compression="none")
    assert schema.field("t").type in (pa.timestamp("s"), pa.timestamp("ms"))
    cursor, left = open_with_codes(footer, schema, ["t"], 0, N, N)
    if cursor is not None:
        equal(pa.chunked_array(cursor.read(N)), pa.chunked_array([seconds]).cast(schema.field("t").type))
        cursor.close()
    assert (cursor is None) == (left == ["t"])


def test_one_huge_row_group_is_read_from_anywhere(tmp_path):
    table = pa.table(columns(np.random.default_rng(2)))
    write_coded(tmp_path / "a.parquet", table, row_group_size=N)
    source = ParquetSource(tmp_path / "a.parquet")
    assert len(source.shards) > 1
    last = next(source.raw_blocks(source.shards[-1]))
    for name, array in last.arrays.items():
        equal(pa.chunked_array([array]), table[name].slice(N - last.n_rows))


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_pages_are_refused_or_give_arrow_arrays_that_are_valid(tmp_path, data):
    path = tmp_path / "a.parquet"
    table = pa.table(columns(np.random.default_rng(3), 400))
    footer, schema = write_coded(path, table, row_group_size=400)
    whole = bytearray(path.read_bytes())
    end = max(pq.read_metadata(path).row_group(0).column(i).data_page_offset for i in range(len(schema)))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(4, end + 20))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    os.utime(path, ns=(footer.version.tag, footer.version.tag + data.draw(st.integers(1, 10**9))))
    footer = replace(footer, version=local.version(path))
    try:
        found, _ = read(footer, schema, schema.names, 0, 400)
    except (DataError, pa.ArrowInvalid, AssertionError):
        return
    for array in found.values():
        for chunk in array.chunks:
            if not pa.types.is_dictionary(chunk.type):
                chunk.validate(full=True)


def test_a_file_that_is_cut_is_an_error_with_its_name(tmp_path):
    table = pa.table(columns(np.random.default_rng(4)))
    footer, schema = write_coded(tmp_path / "cut.parquet", table)
    cursor, _ = open_with_codes(footer, schema, schema.names, 0, N, 700)
    cursor.read(700)
    os.truncate(footer.path, 20_000)
    with pytest.raises(DataError, match=r"cut\.parquet: .*write it again"):
        cursor.read(N - 700)
    cursor.close()


def test_arrow_and_our_decoder_agree_on_a_whole_block(tmp_path):
    table = pa.table(columns(np.random.default_rng(5)))
    footer, schema = write_coded(tmp_path / "a.parquet", table)
    names = [name for name in schema.names if name != "category"]
    theirs = open_with_arrow(footer, schema, names, 0, N, N)
    ours, _ = open_with_codes(footer, schema, names, 0, N, N)
    for one, other in zip(theirs.read(N), ours.read(N), strict=True):
        equal(
            pa.chunked_array([other]),
            pa.chunked_array([one.dictionary_decode() if one.type == TEXT else one]),
        )
