import datetime
import decimal
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalable.data import readers
from scalable.data.footers import read_footers
from scalable.data.readers import read_columns
from scalable.data.readers.arrow import TEXT, open_with_arrow
from scalable.data.readers.pages import open_with_pages
from tests.data.written import write

N = 5_000


def random_numbers(rng, kind):
    numpy_type = kind.to_pandas_dtype()
    if pa.types.is_floating(kind):
        values = rng.normal(size=N).astype(numpy_type)
        values[::17] = np.nan
        values[1::101] = np.inf
        return values
    info = np.iinfo(numpy_type)
    return rng.integers(info.min, info.max, N, dtype=numpy_type, endpoint=True)


NUMERIC = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float32(), pa.float64()),
]
MASK = np.random.default_rng(1).random(N) < 0.1


def numeric_columns():
    rng = np.random.default_rng(0)
    columns = {}
    for kind in NUMERIC:
        values = random_numbers(rng, kind)
        columns[f"{kind}"] = pa.array(values, kind)
        columns[f"{kind} nulls"] = pa.array(values, kind, mask=MASK)
        columns[f"{kind} all null"] = pa.nulls(N, kind)
    columns["bool"] = pa.array(rng.random(N) < 0.3)
    columns["bool nulls"] = pa.array(rng.random(N) < 0.3, mask=MASK)
    days = rng.integers(-30_000, 30_000, N).astype(np.int32)
    columns["date32"] = pa.array(days, pa.int32()).cast(pa.date32())
    for unit in ("ms", "us", "ns"):
        ticks = pa.array(rng.integers(-(10**12), 10**12, N), pa.int64(), mask=MASK)
        columns[f"timestamp {unit}"] = ticks.cast(pa.timestamp(unit))
        columns[f"timestamp {unit} tz"] = ticks.cast(pa.timestamp(unit, "Europe/Rome"))
    return columns


def read_all(opener, footer, schema, names, block_rows=900):
    cursor = opener(footer, schema, names, 0, footer.n_rows, block_rows)
    starts = range(0, footer.n_rows, block_rows)
    pieces = [cursor.read(min(block_rows, footer.n_rows - row)) for row in starts]
    cursor.close()
    return [pa.concat_arrays(list(column)) for column in zip(*pieces, strict=True)]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_arrays_are_of_the_declared_types(tmp_path, version, compression, dictionary):
    table = pa.table(numeric_columns())
    footer, schema = write(
        tmp_path / "a.parquet",
        table,
        data_page_version=version,
        compression=compression,
        use_dictionary=dictionary,
        data_page_size=2_000,
    )
    for name, one in zip(schema.names, read_all(open_with_arrow, footer, schema, schema.names), strict=True):
        assert one.type == schema.field(name).type, name
        assert one.equals(table[name].combine_chunks()) or nearly(one, table[name].combine_chunks()), name


def test_legacy_int96_timestamps_agree(tmp_path):
    moments = [datetime.datetime(2020, 1, 1, 12, 30, 0, 123456), None, datetime.datetime(1901, 5, 5)]
    table = pa.table({"t": pa.array(moments, pa.timestamp("ns"))})
    footer, schema = write(tmp_path / "a.parquet", table, use_deprecated_int96_timestamps=True)
    (one,) = read_all(open_with_arrow, footer, schema, ["t"])
    assert one.type == schema.field("t").type == pa.timestamp("us")
    assert one.to_pylist() == moments


OTHERS = {
    "float16": pa.array(np.array([1.5, np.nan, -2.0], np.float16)),
    "decimal128": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3.00")], pa.decimal128(10, 2)),
    "decimal256": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-3.00")], pa.decimal256(60, 2)),
    "time64": pa.array([1, None, 3], pa.time64("us")),
    "duration": pa.array([1, None, 3], pa.duration("ns")),
    "null": pa.nulls(3),
    "dictionary of int": pa.array([10, None, 10**12]).dictionary_encode(),
    "dictionary of float": pa.array([0.5, None, 2.5]).dictionary_encode(),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_numbers_come_back_decoded(tmp_path, name):
    values = OTHERS[name]
    footer, schema = write(tmp_path / "a.parquet", pa.table({"x": values}), row_group_size=2)
    (read,) = read_all(open_with_arrow, footer, schema, ["x"], block_rows=2)
    expected = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    assert repr(read.to_pylist()) == repr(expected.to_pylist())  # NaN equals NaN here
    assert read.type == expected.type


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize("stored_as_dictionary", [False, True])
def test_text_of_every_kind_becomes_a_dictionary(tmp_path, kind, stored_as_dictionary):
    words = ["b", None, "a", "", "é漢", "b", None, "long " * 50] * 50
    array = pa.array(words, kind)
    if stored_as_dictionary and kind != pa.string_view():
        array = array.dictionary_encode()
    footer, schema = write(tmp_path / "a.parquet", pa.table({"x": array, "y": range(400)}), row_group_size=37)
    blocks = list(read_columns(footer, schema, ["y", "x"], 11, 390, 100))
    assert all(block[1].type == TEXT for block in blocks)
    assert [value for block in blocks for value in block[1].to_pylist()] == words[11:390]
    assert [value for block in blocks for value in block[0].to_pylist()] == list(range(11, 390))


layout = st.lists(st.integers(0, 40), min_size=1, max_size=9).filter(sum)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(sizes=layout, data=st.data())
def test_any_range_in_any_blocks_is_the_slice_of_the_whole_file(tmp_path, sizes, data):
    total = sum(sizes)
    table = pa.table({"i": pa.array(range(total)), "t": pa.array([str(i % 11) for i in range(total)])})
    path = tmp_path / "h.parquet"
    with pq.ParquetWriter(path, table.schema) as writer:
        position = 0
        for size in sizes:  # also empty row groups
            writer.write_table(table.slice(position, size))
            position += size
    (footer,), (schema,) = read_footers([str(path)])
    start = data.draw(st.integers(0, total - 1))
    stop = data.draw(st.integers(start + 1, total))
    block_rows = data.draw(st.integers(1, total + 5))
    names = data.draw(st.sampled_from([["i"], ["t", "i"]]))
    blocks = list(read_columns(footer, schema, names, start, stop, block_rows))
    lengths = [len(block[0]) for block in blocks]
    assert lengths[:-1] == [block_rows] * (len(blocks) - 1)
    assert sum(lengths) == stop - start
    expected = pq.read_table(path, columns=["i"])["i"].to_pylist()[start:stop]
    assert [value for block in blocks for value in block[names.index("i")].to_pylist()] == expected
    if "t" in names:
        text = [value for block in blocks for value in block[0].to_pylist()]
        assert text == [str(i % 11) for i in expected]


def pieces(footer, schema, names, edges):
    return [
        value
        for start, stop in pairwise(edges)
        for block in read_columns(footer, schema, names, start, stop, 64)
        for value in block[0].to_pylist()
    ]


def test_pieces_of_one_row_group_are_right_in_any_order(tmp_path):
    footer, schema = write(tmp_path / "a.parquet", pa.table({"x": range(1_000)}), row_group_size=1_000)
    assert pieces(footer, schema, ["x"], [0, 300, 301, 800, 1_000]) == list(range(1_000))
    assert pieces(footer, schema, ["x"], [500, 700]) == list(range(500, 700))
    assert pieces(footer, schema, ["x"], [700, 1_000]) == list(range(700, 1_000))  # the parked cursor
    assert pieces(footer, schema, ["x"], [700, 1_000]) == list(range(700, 1_000))  # without one


def test_unsupported_columns_beside_the_wanted_ones_do_no_harm(tmp_path):
    odd = {
        "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
        "struct": pa.array([{"a": 1}]),
        "list": pa.array([[1, 2]]),
        "binary": pa.array([b"\xff"]),
        "decimal256": pa.array([decimal.Decimal(1)], pa.decimal256(60, 2)),
        "x.y": pa.array([7]),
    }
    footer, schema = write(tmp_path / "a.parquet", pa.table({"x": [1.5], **odd}))
    (block,) = read_columns(footer, schema, ["x"], 0, 1, 10)
    assert block[0].to_pylist() == [1.5]
    (block,) = read_columns(footer, schema, ["x.y"], 0, 1, 10)
    assert block[0].to_pylist() == [7]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "lz4", "brotli"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_plain_pages_are_read_like_any_others(tmp_path, monkeypatch, version, compression, dictionary):
    columns = numeric_columns()
    opened = []
    monkeypatch.setattr(
        readers, "open_with_pages", lambda *args: opened.append(open_with_pages(*args)) or opened[-1]
    )
    options = {"compression": compression, "use_dictionary": dictionary, "data_page_version": version}
    options["compression_level"] = 1 if compression == "brotli" else None
    footer, schema = write(tmp_path / "a.parquet", pa.table(columns), data_page_size=900, **options)
    names = list(columns)
    for start, stop in ((0, N), (700, 2_100)):
        blocks = list(read_columns(footer, schema, names, start, stop, 430))
        for j, name in enumerate(names):
            found = pa.concat_arrays([block[j] for block in blocks])
            assert found.equals(columns[name].slice(start, stop - start)) or nearly(
                found, columns[name].slice(start, stop - start)
            ), name
    assert all((cursor is not None) == (compression != "brotli") for cursor in opened)


def nearly(found, expected):
    """NaN differs from itself for Arrow."""
    return found.null_count == expected.null_count and np.array_equal(
        found.to_numpy(zero_copy_only=False), expected.to_numpy(zero_copy_only=False), equal_nan=True
    )
