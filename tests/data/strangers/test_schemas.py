"""Files need not have one schema: columns in use are widened without loss, or refused by name."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.boosting import LGBMRegressor
from scalable.errors import DataError, DataWarning

TEXT = ["a", "b", None]
DAY = datetime.date(2020, 5, 17)


def source_of(tmp_path, *tables, **roles):
    for k, table in enumerate(tables):
        pq.write_table(pa.table(table), tmp_path / f"{k}.parquet")
    return ParquetSource(tmp_path, **roles)


def read(source, name):
    return [
        v
        for s in source.shards
        for block in source.raw_blocks(s, [name])
        for v in block.arrays[name].to_pylist()
    ]


@pytest.mark.parametrize(
    ("one", "two", "kind"),
    [
        (pa.array([1, 2, None], pa.int32()), pa.array([2**40, 5, 6], pa.int64()), "int64"),
        (pa.array([1, 2, 3], pa.uint8()), pa.array([-5, 5, None], pa.int8()), "int16"),
        (pa.array([0.5, 1, 2], pa.float32()), pa.array([0.1, None, 3.0]), "double"),
        (pa.array([1, 2, 3], pa.int32()), pa.array([0.1, None, 3.0]), "double"),
        (pa.array([0.5, np.nan, None], pa.float32()), pa.array([0.1, np.nan, 3.0]), "double"),
        (pa.array(np.array([0.5, np.nan, 2], np.float16)), pa.array([0.1, 2.0, 3.0], pa.float32()), "float"),
        (pa.array(np.array([0.5, np.nan, 2], np.float16)), pa.array([1, 2, 3], pa.int8()), "float"),
        (pa.array(TEXT), pa.array(TEXT, pa.large_string()), "string"),
        (pa.array(TEXT), pa.array(TEXT).dictionary_encode(), "string"),
        (pa.array(TEXT), pa.array(TEXT, pa.string_view()), "string"),
        (pa.nulls(3), pa.array(TEXT), "string"),
        (pa.array([1.5, 2.5, None]), pa.nulls(3), "double"),
        (pa.nulls(3), pa.array([1, 2, 3]), "int64"),
        (pa.array([DAY] * 3), pa.array([datetime.datetime(2020, 5, 17)] * 3), "timestamp[us]"),
        (pa.array([1, 2, 3], pa.timestamp("ms")), pa.array([4, 5, 6], pa.timestamp("ns")), "timestamp[ns]"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_types_widen_without_loss(tmp_path, one, two, kind, turned):
    one, two = (two, one) if turned else (one, two)
    source = source_of(tmp_path, {"v": one, "y": [1, 2, 3]}, {"v": two, "y": [1, 2, 3]}, target="y")
    declared = source.field_type("v")
    if kind != "string":
        assert str(declared) == kind
        expected = pa.concat_arrays([each.cast(declared) for each in (one, two)]).to_pylist()
    else:
        expected = [*one.to_pylist(), *two.to_pylist()]
    np.testing.assert_equal(read(source, "v"), expected)
    types = {b.arrays["v"].type for s in source.shards for b in source.raw_blocks(s)}
    assert len(types) == 1


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        (
            pa.array([1, 2]),
            pa.array([0.5, 1]),
            "column 'v' is double, but int64 in .*0.parquet; name the features",
        ),
        (pa.array([1, 2]), pa.array(["a", "b"]), "column 'v' is string, but int64"),
        (pa.array([1, 2], pa.uint64()), pa.array([1, 2]), "column 'v' is int64, but uint64"),
        (pa.array([True, False]), pa.array([1, 2]), "column 'v' is int64, but bool"),
        (pa.array([1, 2], pa.timestamp("s")), pa.array([1, 2], pa.timestamp("s", "UTC")), "tz=UTC"),
        (pa.array([1, 2]), None, "1.parquet: column 'v' is missing, but .*0.parquet has it"),
    ],
)
def test_the_rest_is_refused_where_it_is_used(tmp_path, one, two, message):
    second = {"y": [1, 2], "x": [0.5, 1.5]} if two is None else {"y": [1, 2], "x": [0.5, 1.5], "v": two}
    tables = ({"v": one, "y": [1, 2], "x": [0.5, 1.5]}, second)
    for roles in ({"target": "y"}, {"target": "v"}, {"features": ["x"], "filters": [("v", "==", 1)]}):
        with pytest.raises(DataError, match=message):
            source_of(tmp_path, *tables, **roles)
    unused = source_of(tmp_path, *tables, target="y", features=["x"])
    assert read(unused, "x") == [0.5, 1.5, 0.5, 1.5]
    with pytest.raises(DataError, match=message):
        unused.with_features(["v"])


def test_extra_columns_are_left_out_with_a_word(tmp_path):
    with pytest.warns(
        DataWarning, match=r"0.parquet: lacks columns that other files have, which are left out: 'new'"
    ):
        source = source_of(tmp_path, {"x": [1.0], "y": [1]}, {"new": [5], "y": [2], "x": [2.0]}, target="y")
    assert source.feature_names == ["x"]
    assert read(source, "y") == [1, 2]


def test_times_too_far_for_the_finer_unit_are_refused(tmp_path):
    far = pa.array([datetime.datetime(9999, 12, 31)], pa.timestamp("ms"))
    source = source_of(tmp_path, {"t": pa.array([1], pa.timestamp("ns"))}, {"t": far})
    with pytest.raises(
        DataError, match=r"1.parquet: column 't' is timestamp.ms. here but timestamp.ns. in other files"
    ):
        read(source, "t")


def test_models_of_widened_files_are_those_of_one_file(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, 4000)
    y = np.sin(x / 9.0)
    tables = [
        {"x": pa.array(x[s], k), "y": y[s]}
        for s, k in ((slice(2000), pa.int16()), (slice(2000, None), pa.int64()))
    ]
    (tmp_path / "many").mkdir()
    (tmp_path / "one").mkdir()
    many = LGBMRegressor(10).fit(source_of(tmp_path / "many", *tables, target="y"))
    whole = LGBMRegressor(10).fit(source_of(tmp_path / "one", {"x": x, "y": y}, target="y"))
    assert many.booster_.model_to_string() == whole.booster_.model_to_string()
