"""Filters select what pandas selects, whatever the values and the names of columns; missing values never."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.errors import UsageError

BIG = 2**63
NANOSECOND = 10**18 + 379


def selected(path, filters, column="v"):
    source = ParquetSource(path, features=[column], filters=filters)
    blocks = [block for shard in source.shards for block in source.raw_blocks(shard)]
    return np.concatenate([block.arrays[column].to_numpy(zero_copy_only=False) for block in blocks]).tolist()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("filters") / "a.parquet"
    frame = pd.DataFrame(
        {
            "v": np.arange(8),
            "zero": [0.0, -0.0, 1.0, -1.0, 0.0, -0.0, np.nan, 2.0],
            "big": np.array([0, 1, BIG - 1, BIG, BIG + 1, 2**64 - 1, 7, BIG], np.uint64),
            "small": np.arange(8, dtype=np.int8),
            "word": pd.Categorical(list("abcabcab")),
        }
    )
    frame.to_parquet(place, row_group_size=4)
    return place


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (("zero", "in", [0]), [0, 1, 4, 5]),
        (("zero", "in", [-0.0, 2.0]), [0, 1, 4, 5, 7]),
        (("zero", "==", -0.0), [0, 1, 4, 5]),
        (("zero", "not in", [0.0]), [2, 3, 7]),
        (("big", "==", BIG), [3, 7]),
        (("big", ">=", BIG), [3, 4, 5, 7]),
        (("big", ">", BIG + 1), [5]),
        (("big", "<", BIG), [0, 1, 2, 6]),
        (("big", "in", [BIG, 1]), [1, 3, 7]),
        (("big", "in", [-1, BIG + 1]), [4]),
        (("big", "!=", 7), [0, 1, 2, 3, 4, 5, 7]),
        (("small", "==", 300), []),
        (("small", "<", BIG), list(range(8))),
        (("small", "in", [1, 2.5, 6]), [1, 6]),
        (("word", "in", ["a", "c"]), [0, 2, 3, 5, 6]),
        (("big", ">", 1.5), [2, 3, 4, 5, 6, 7]),  # integers beyond 2^53 beside a fraction
        (("big", "==", float(BIG)), [3, 7]),
        (("big", "<", float("inf")), list(range(8))),
    ],
)
def test_rows_are_those_that_pandas_selects(path, condition, expected):
    if not expected:
        expected = pytest.raises(Exception, match="can hold rows")
        with expected:
            selected(path, [condition])
        return
    assert selected(path, [condition]) == expected


def test_a_field_of_a_struct_is_no_column_of_the_same_path(tmp_path):
    struct = pa.array([{"b": k} for k in range(6)])
    table = pa.table({"a": struct, "a.b": [9] * 6, "v": list(range(6))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    assert selected(tmp_path / "a.parquet", [("a.b", "==", 9)]) == list(range(6))


@pytest.mark.parametrize("name", ["^x.*$", "*", "^y", "a.b", "x$", "x'\"`", "größe"])
def test_names_are_names(tmp_path, name):
    n = 300_000  # enough for every reader
    rng = np.random.default_rng(0)
    columns = {"x1": rng.normal(size=n), name: rng.normal(size=n), "x2": rng.normal(size=n)}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    source = ParquetSource(tmp_path / "a.parquet", features=[name, "x2"])
    blocks = [block for shard in source.shards for block in source.raw_blocks(shard)]
    for column in (name, "x2"):
        found = np.concatenate([block.arrays[column].to_numpy() for block in blocks])
        np.testing.assert_array_equal(found, columns[column])


@pytest.mark.parametrize(
    ("name", "condition", "expected"),
    [
        ("nan", ("!=", 3.0), [4]),  # statistics tell nothing of NaN, and NaN is missing like null
        ("nan", ("not in", [3.0]), [4]),
        ("nan", ("in", [float("nan"), 3.0]), [0, 2]),
        ("nan", (">", 3.0), [4]),
        ("single", ("==", 0.1), [0, 1, 3]),  # the 0.1 of the column
        ("single", ("in", [0.1, 7]), [0, 1, 3]),
        ("single", ("in", {0.1, 0.25}), [0, 1, 2, 3]),
        ("single", ("<=", 0.1), [0, 1, 3]),
        ("single", ("<", 1e300), [0, 1, 2, 3, 4, 5]),
        ("price", ("==", 0.1), [0, 1, 2]),
        ("price", ("in", [0.1, Decimal("0.2")]), [0, 1, 2, 3]),
        ("price", ("==", 3), [5]),
        ("price", ("in", [3, 10]), [5]),
        ("price", (">=", Decimal("0.199")), [3, 4, 5]),
        ("double", ("<=", np.float32(0.1)), [0, 1, 2, 3]),  # beside a double, a little above .1
        ("double", ("==", np.float32(0.1)), [2]),
        ("double", ("==", Decimal("0.1")), [0, 1, 3]),
        ("half", (">=", 0.1), [2, 3, 4, 5]),
        ("half", ("in", [0.1, 8]), [2, 5]),
        ("moment", ("==", pd.Timestamp(NANOSECOND)), [3]),
        ("moment", (">", pd.Timestamp(NANOSECOND)), [4, 5]),
        ("moment", ("in", [pd.Timestamp(NANOSECOND), pd.Timestamp(NANOSECOND + 2)]), [3, 5]),
        ("moment", ("<", np.datetime64(NANOSECOND, "ns")), [0, 1, 2]),
        ("span", ("==", pd.Timedelta(NANOSECOND)), [3]),
    ],
)
def test_statistics_leave_out_no_row_that_is_selected(tmp_path, name, condition, expected):
    nan = float("nan")
    table = pa.table(
        {
            "v": list(range(6)),
            "nan": [3.0, nan, 3.0, nan, 4.0, nan],
            "single": pa.array([0.1, 0.1, 0.25, 0.1, 0.5, 0.75], pa.float32()),
            "double": [0.1, 0.1, float(np.float32(0.1)), 0.1, 0.5, 0.75],
            "half": pa.array(np.array([-1, 0, 0.1, 0.5, 0.75, 8], np.float16)),
            "moment": pa.array(np.arange(6) + NANOSECOND - 3, pa.timestamp("ns")),
            "span": pa.array(np.arange(6) + NANOSECOND - 3, pa.duration("ns")),
            "price": pa.array([Decimal(t) for t in ("0.10", "0.10", "0.10", "0.20", "0.30", "3.00")]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    pq.write_table(table, tmp_path / "b.parquet")
    for file in "ab":
        assert selected(tmp_path / f"{file}.parquet", [(name, *condition)]) == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (("v", "==", [1, 2, 3]), "'==' takes one value; for several there is 'in'"),
        (("v", "!=", np.arange(8)), "'!=' takes one value"),
        (("word", "in", "abc"), "'in' takes a list of values"),
        (("v", "not in", 3), "'not in' takes a list of values"),
    ],
)
def test_one_value_or_several_as_the_operator_has_it(path, condition, message):
    with pytest.raises(UsageError, match=message):
        ParquetSource(path, filters=[condition])


def test_a_split_by_ids_does_not_depend_on_nulls_nearby(tmp_path):
    ids = np.arange(2**55, 2**55 + 1000)
    mask = np.zeros(1000, bool)
    for k, hole in enumerate((False, True)):
        mask[17] = hole
        pq.write_table(pa.table({"id": pa.array(ids, mask=mask), "v": ids}), tmp_path / f"{k}.parquet")
    parts = [set(selected_part(tmp_path / f"{k}.parquet")) - {2**55 + 17} for k in (0, 1)]
    assert parts[0] == parts[1]
    assert 300 < len(parts[0]) < 700


def selected_part(path):
    source = ParquetSource(path, features=["v"]).split_rows(1, 1, by="id")[0]
    return [v for shard in source.shards for b in source.raw_blocks(shard) for v in b.arrays["v"].to_pylist()]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (("day", "not in", [datetime(2020, 1, 2, 1), datetime(2020, 1, 1, 1)]), [0, 1, 2, 3]),
        (("day", "in", [date(2020, 1, 1), datetime(2020, 1, 2, 1)]), [0]),
        (("day", "in", [date(2020, 1, 1), date(2020, 1, 3)]), [0, 2]),
        (("time", "in", [datetime(2020, 1, 1), datetime(2020, 1, 1, 0, 0, 0, 1)]), [0]),
        (("time", "not in", [date(2020, 1, 1)]), [1, 2, 3]),
        (("whole", "in", [timedelta(0), timedelta(microseconds=2)]), "cannot be compared"),
        (("truth", "in", ["true"]), "cannot be compared"),
        (("truth", "in", [True]), [0, 2]),
    ],
)
def test_in_means_equal_to_one_of_them(tmp_path, condition, expected):
    days = pa.array(range(18262, 18266), pa.int32()).cast(pa.date32())
    table = pa.table(
        {"v": range(4), "day": days, "time": days.cast(pa.timestamp("s")), "whole": range(4),
         "truth": [True, False] * 2}
    )  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet", write_statistics=False)
    if isinstance(expected, str):
        with pytest.raises(UsageError, match=expected):
            selected(tmp_path / "a.parquet", [condition])
    else:
        assert selected(tmp_path / "a.parquet", [condition]) == expected


def test_statistics_that_are_no_text_tell_nothing(tmp_path):
    """Some writers cut long texts within a letter."""
    path = tmp_path / "a.parquet"
    table = pa.table({"s": ["zzq"] * 4 + ["aaq"] * 4, "v": range(8)})
    pq.write_table(
        table, path, row_group_size=4, use_dictionary=False, compression="none", store_schema=False
    )
    written = path.read_bytes()
    footer = len(written) - 8 - int.from_bytes(written[-8:-4], "little")
    path.write_bytes(written[:footer] + written[footer:].replace(b"zzq", b"\xffzq"))
    assert selected(path, [("s", ">", "b")]) == [0, 1, 2, 3]
    assert selected(path, [("s", "<", "b")]) == [4, 5, 6, 7]


def test_statistics_beyond_the_years_of_python(tmp_path):
    days = pa.array([10**8] * 4 + [18262] * 4, pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"day": days, "v": range(8)}), tmp_path / "a.parquet", row_group_size=4)
    assert selected(tmp_path / "a.parquet", [("day", ">", date(2020, 1, 1))]) == [0, 1, 2, 3]
    assert selected(tmp_path / "a.parquet", [("day", "<", date(2020, 1, 2)), ("v", "<", 6)]) == [4, 5]
