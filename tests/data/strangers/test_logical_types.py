"""A model remembers what the numbers of a column meant: other units are converted exactly or refused."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource
from scalable.data.types.logical import common_type, convert, type_named
from scalable.errors import DataError
from scalable.linear import LinearRegression

N = 500
TYPES = [
    pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null(), pa.string(),
    pa.large_string(), pa.string_view(), pa.date32(), pa.date64(), pa.timestamp("ns"), pa.time32("ms"),
    pa.timestamp("us", "Europe/Berlin"), pa.timestamp("s", "+01:00"), pa.time64("ns"), pa.duration("s"),
    pa.decimal128(10, 2), pa.decimal256(50, -2), pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int32(), pa.int64()),
]  # fmt: skip


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_a_type_is_read_back_from_its_name(kind):
    assert type_named(str(kind)) == kind


def days(n=N):
    return np.datetime64("2020-01-01") + np.random.default_rng(0).integers(0, 900, n).astype("timedelta64[D]")


CONVERTED = [
    ("timestamp[us]", ["timestamp[ns]", "timestamp[ms]", "timestamp[s]", "date32[day]", "date64[ms]"]),
    ("date32[day]", ["timestamp[ns]", "timestamp[us]", "date64[ms]"]),
    ("timestamp[us, tz=UTC]", ["timestamp[ns, tz=Europe/Berlin]", "timestamp[s, tz=UTC]"]),
    ("duration[ms]", ["duration[ns]", "duration[s]"]),
]


@pytest.mark.parametrize("trained", [name for name, _ in CONVERTED])
def test_a_model_predicts_the_same_on_every_unit(tmp_path, trained):
    when = days().astype("datetime64[us]")
    whole = pa.array(when if "duration" not in trained else when - np.datetime64("2020-01-01"))
    y = (when - np.datetime64("2020-01-01")).astype(np.int64) / 8.64e10
    pq.write_table(pa.table({"t": whole.cast(type_named(trained)), "y": y}), tmp_path / "train.parquet")
    model = LinearRegression().fit(ParquetSource(tmp_path / "train.parquet", target="y"))
    expected = model.predict(ParquetSource(tmp_path / "train.parquet", features=["t"]))
    np.testing.assert_allclose(expected, y, atol=0.1)
    for unit in dict(CONVERTED)[trained]:
        pq.write_table(pa.table({"t": whole.cast(type_named(unit))}), tmp_path / "new.parquet")
        found = model.predict(ParquetSource(tmp_path / "new.parquet", features=["t"]))
        np.testing.assert_array_equal(found, expected)
    if trained.startswith("timestamp[us]"):
        for unit in ("s", "ms", "us", "ns"):
            frame = pd.DataFrame({"t": when.astype(f"datetime64[{unit}]")})
            np.testing.assert_array_equal(model.predict(frame), expected)


@pytest.mark.parametrize(
    ("values", "trained", "message"),
    [
        (pa.array([5, 6], pa.int64()), "timestamp[us]", "'t' is int64 here but was timestamp.us."),
        (pa.array([5, 6], pa.timestamp("us")), "int64", "'t' is timestamp.us. here but was int64"),
        (pa.array([5, 6], pa.timestamp("us")), "timestamp[us, tz=UTC]", "but was timestamp.us, tz=UTC."),
        (pa.array([5, 6], pa.duration("s")), "double", "duration.s. here but was double"),
        (pa.array([1500], pa.timestamp("ns")), "timestamp[us]", "cannot hold"),
        (pa.array([10**18], pa.timestamp("s")), "timestamp[ns]", "cannot hold"),
        (pa.array([datetime.datetime(2020, 1, 1, 12)]), "date32[day]", "cannot hold"),
        (pa.array([1], pa.time64("us")), "time32[s]", "cannot hold"),
        (
            pa.array(["a"]).dictionary_encode(),
            "dictionary<values=int64, indices=int32, ordered=0>",
            "was dictionary",
        ),
    ],
)
def test_what_cannot_be_had_exactly_is_refused(values, trained, message):
    with pytest.raises(DataError, match=message):
        convert(values, "t", type_named(trained))


@pytest.mark.parametrize("trained", ["time32[s]", "time32[ms]", "time64[us]", "time64[ns]"])
@pytest.mark.parametrize("here", ["time32[s]", "time32[ms]", "time64[us]", "time64[ns]"])
def test_times_of_day_of_another_unit_are_converted(trained, here):
    hours = pa.array([3600, 7200, None], pa.time32("s"))
    found = convert(hours.cast(type_named(here)), "t", type_named(trained))
    assert found.equals(hours.cast(type_named(trained)))


@pytest.mark.parametrize(
    ("values", "trained"),
    [
        (pa.array([1, 2], pa.int8()), "int64"),
        (pa.array([0.5, None]), "float"),
        (pa.array([True, None]), "int8"),
        (pa.array([1.5]).cast(pa.decimal128(9, 2)), "double"),
    ],
)
def test_a_number_is_a_number(values, trained):
    assert convert(values, "x", type_named(trained)).equals(values)


def test_a_column_without_values_is_missing_in_every_type():
    for kind in TYPES:
        found = convert(pa.nulls(3), "x", kind)
        assert found.null_count == len(found) == 3
        assert pa.types.is_dictionary(found.type) == (str(kind).startswith(("string", "large", "dictionary")))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("int8", "int64", "int64"),
        ("uint32", "int32", "int64"),
        ("uint64", "int8", None),
        ("int32", "double", "double"),
        ("int64", "double", None),
        ("int16", "float", "float"),
        ("int32", "float", "double"),
        ("halffloat", "float", "float"),
        ("bool", "int8", None),
        ("null", "string", "string"),
        ("string", "large_string", "string"),
        ("string", "dictionary<values=string, indices=int32, ordered=0>", "string"),
        ("string", "int8", None),
        ("timestamp[ms]", "timestamp[ns]", "timestamp[ns]"),
        ("date32[day]", "timestamp[ms]", "timestamp[ms]"),
        ("timestamp[ms]", "timestamp[ms, tz=UTC]", None),
        ("duration[s]", "duration[us]", "duration[us]"),
        ("time32[ms]", "time64[us]", "time64[us]"),
        ("decimal128(10, 2)", "decimal128(5, 4)", "decimal128(12, 4)"),
        ("decimal128(38, 0)", "decimal128(38, 30)", None),
    ],
)
def test_the_common_type_loses_nothing(one, other, both):
    expected = None if both is None else type_named(both)
    assert common_type(type_named(one), type_named(other)) == expected
    if both is not None and family_of(one) != "text":
        assert common_type(type_named(other), type_named(one)) == expected


def family_of(name):
    return "text" if "string" in name else name
