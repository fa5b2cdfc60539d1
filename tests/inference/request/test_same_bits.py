"""A row as a dict has the bits that it has in a batch, whatever its columns are."""

import datetime
import decimal
import json
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.bayes import GaussianNB
from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.errors import DataError, UsageError
from scalable.linear import LinearRegression, LinearSVC, LogisticRegression, SGDRegressor
from tests.inference.request.kinds import KINDS, learn, table_of_all_kinds

UTC = datetime.UTC


@pytest.fixture(scope="module")
def table():
    return table_of_all_kinds()


NUMBERS = [name for name, kind in KINDS.items() if not pa.types.is_string(kind)]
TREES = {"n_estimators": 12, "num_leaves": 15, "verbose": -1, "n_workers": 1}
LEARNERS = {
    "binary forest": lambda t, p: learn(LGBMClassifier(**TREES), t, "c", p),
    "classes forest": lambda t, p: learn(LGBMClassifier(**TREES), t, "k", p),
    "forest": lambda t, p: learn(LGBMRegressor(**TREES), t, "y", p),
    "logistic": lambda t, p: learn(LogisticRegression(n_workers=1), t, "c", p),
    "softmax": lambda t, p: learn(LogisticRegression(n_workers=1), t, "k", p),
    "ten classes": lambda t, p: learn(GaussianNB(n_workers=1, var_smoothing=1e-40), t, "ten", p, NUMBERS),
    "least squares": lambda t, p: learn(LinearRegression(n_bins=2**7, n_workers=1), t, "y", p),
    "log": lambda t, p: learn(SGDRegressor(loss="poisson", n_workers=1), t, "c", p),
    "margin": lambda t, p: learn(LinearSVC(n_workers=1), t, "c", p),
    "bayes": lambda t, p: learn(GaussianNB(n_workers=1, var_smoothing=1e-40), t, "c", p, NUMBERS),
}


@pytest.fixture(scope="module", params=LEARNERS)
def model(request, table, tmp_path_factory):
    return LEARNERS[request.param](table, tmp_path_factory.mktemp("model") / "model")


def as_json(value):
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    return value


def rows_of(table, names):
    """Rows as dicts of Python's values; times that Python cannot hold as integers."""
    columns = {}
    for name in names:
        column = table.column(name)
        exact = name in ("ns", "span")
        columns[name] = (column.cast(pa.int64()) if exact else column).to_pylist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def test_every_row_of_a_table(model, table):
    some = table.slice(0, 500)
    expected = model.predict(some.select(model.needed))
    rows = rows_of(some, model.needed)
    found = np.array([model.predict_one(row) for row in rows])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(model.predict(rows[:5]), expected[:5])
    texts = [json.dumps({name: as_json(value) for name, value in row.items()}) for row in rows[:200]]
    np.testing.assert_array_equal([model.predict_json(text.encode()) for text in texts], expected[:200])
    np.testing.assert_array_equal(model.predict_json(f"[{','.join(texts)}]"), expected[:200])


def test_sums_of_a_batch_do_not_depend_on_its_size(model, table):
    rows = table.slice(0, 40).select(model.needed)
    ones = np.concatenate([model.predict(rows.slice(i, 1)) for i in range(40)])
    np.testing.assert_array_equal(ones, model.predict(rows))


STRANGE = {
    "i8": [True, -128, 127, 3.5, None, np.int16(7), float("nan")],
    "u64": [2**64 - 1, 2**53 + 1, np.uint64(2**64 - 1)],
    "i64": [-(2**63), 2**63 - 1],
    "f64": [1e-300, -0.0, 7, np.float32(0.1), decimal.Decimal("0.5"), 10**20],
    "f32": [np.float32(0.1), 0.5, -(10**20)],
    "card_id": [-(2**63), 2**63 - 1, 12.0, np.int64(5)],
    "few": ["unseen", "", "few ä3", "\0", None],
    "many": ["", "x" * 5000, "\N{GRINNING FACE}"],
    "us": [
        datetime.datetime(1901, 1, 1, 3, tzinfo=UTC),
        datetime.datetime(2200, 1, 1, 23, 59, 59, 999999, tzinfo=UTC),
    ],
    "ns": [np.datetime64("2026-01-01T00:59:59.999999999", "ns"), datetime.datetime(2026, 1, 1, 23)],
    "day": [datetime.date(1890, 1, 1), datetime.date(9999, 12, 31)],
    "span": [datetime.timedelta(milliseconds=-5), datetime.timedelta(days=9)],
}
PLACES = [(name, value) for name, values in STRANGE.items() for value in values]


def test_single_values_of_all_kinds(model, table):
    """Each beside the usual values of a row, against a table of the training schema."""
    base = rows_of(table.slice(3, 1), model.needed)[0]
    for name, value in PLACES:
        if name not in model.needed:
            continue
        kind = table.schema.field(name).type
        try:
            if name == "i8" and isinstance(value, float):
                raise TypeError  # Arrow would cut it
            beyond = type(value) is int and abs(value) > 2**64  # Arrow knows no integer of that size
            column = pa.array([float(value) if beyond else value], kind, from_pandas=True)
        except (pa.ArrowException, TypeError, OverflowError):
            column = pa.array([value], from_pandas=True)
        at = model.needed.index(name)
        batch = table.slice(3, 1).select(model.needed).set_column(at, name, column)
        np.testing.assert_array_equal(
            model.predict_one({**base, name: value}), model.predict(batch)[0], err_msg=f"{name} {value!r}"
        )


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32, min_value=-(2.0**90), max_value=2.0**90)
DRAWN = st.fixed_dictionaries(
    {
        "i64": st.integers(-(2**63), 2**63 - 1),
        "f32": FINITE | st.none(),
        "tail": FINITE,
        "card_id": st.integers(-(2**63), 2**63 - 1) | st.none(),
        "many": st.text(st.characters(codec="utf-8"), max_size=40) | st.none(),
        "ns": st.integers(-(2**62), 2**62) | st.none(),
        "us": st.datetimes(timezones=st.just(UTC)) | st.none(),
    }
)


@settings(max_examples=20)
@given(changed=DRAWN)
def test_drawn_rows(model, table, changed):
    base = table.slice(5, 1).select(model.needed)
    row = rows_of(base, model.needed)[0]
    for name, value in changed.items():
        if name not in model.needed:
            continue
        row[name] = value
        column = pa.array([value], pa.int64()).cast(pa.timestamp("ns")) if name == "ns" else None
        at = model.needed.index(name)
        base = base.set_column(at, name, pa.array([value], KINDS[name]) if column is None else column)
    np.testing.assert_array_equal(model.predict_one(row), model.predict(base)[0])
    text = json.dumps({name: as_json(value) for name, value in row.items()})
    np.testing.assert_array_equal(model.predict_json(text), model.predict(base)[0])


def test_keys_that_are_missing_or_too_many(model, table):
    row = rows_of(table.slice(3, 1), model.needed)[0]
    expected = model.predict_one({**row, "f64": None})
    row.pop("f64")
    with pytest.raises(DataError, match=r"no 'f64'.*give None if unknown"):
        model.predict_one(row)
    with pytest.raises(DataError, match="row 1: the row has no 'f64'"):
        model.predict([{**row, "f64": 1.0}, row])
    with pytest.raises(UsageError, match="missing_keys should be refuse or missing, found 'skip'"):
        model.predict_one(row, missing_keys="skip")
    np.testing.assert_array_equal(model.predict_one({**row, "extra": object()}, "missing"), expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("f64", "12", "'f64' is '12' .str. here but was double in training"),
        ("i64", {}, "'i64' is {}"),
        ("f32", 1e39, "'f32' is 1e[+]39.*out of range"),
        ("f64", 10**400, "'f64' is .*out of range"),
        ("i8", 2**64, "'i8' is .*more than 64 bits"),
        ("i64", -(2**63) - 1, "'i64' is .*more than 64 bits"),
        ("u64", 2**70, "'u64' is .*more than 64 bits"),
        ("card_id", 2**70, "'card_id' is .*more than 64 bits"),
        ("f64", datetime.date(2026, 1, 1), "'f64' is"),
        ("card_id", "x", "'card_id' is"),
        ("us", datetime.datetime(2026, 1, 1), "no zone, which the column has"),
        ("us", "2026-01-01 10:00", "no zone, which the column has"),
        ("s", "2026-01-01T10:00Z", "a zone, which the column has not"),
        ("s", "2026-01-01T10:00:00.5", "cannot hold .* exactly"),
        ("ms", "yesterday", "not a time of ISO 8601"),
        ("ms", "2026-13-01", "month must be in"),
        ("ms", 1.5, "'ms' is 1.5"),
        ("ms", True, "'ms' is True"),
        ("ms", 2**63, "out of range"),
        ("ns", "2026-01-01T00:00:00.0000000001", "finer than nanoseconds"),
        ("day", "2026-01-01T10:00", "cannot hold"),
        ("span", "5 s", "as an integer in the column's unit"),
        ("clock", "25:00", "hour must be in"),
        ("clock", "20260131", "not a time of day"),
        ("clock", 86_400_000_000, "out of range, or of another unit"),
        ("clock", -1, "out of range, or of another unit"),
        ("day", 1_769_817_600_000, "out of range, or of another unit"),
        ("day64", 20_484, "out of range, or of another unit"),
    ],
)
def test_what_is_no_value_of_the_column_is_refused(model, table, name, value, message):
    row = rows_of(table.slice(3, 1), model.needed)[0]
    with pytest.raises(DataError, match=message):
        model.predict_one({**row, name: value})
    with pytest.raises(DataError, match=message):
        model.predict([row, {**row, name: value}])


@pytest.mark.parametrize(
    ("name", "text", "ticks"),
    [
        ("s", "2026-01-31T12:30:00", 1_769_862_600),
        ("ms", "2026-01-31 12:30:00.25", 1_769_862_600_250),
        ("us", "2026-01-31T14:30:00.000001+02:00", 1_769_862_600_000_001),
        ("us", "2026-01-31T12:30:00Z", 1_769_862_600_000_000),
        ("ns", "2026-01-31 12:30:00.123456789", 1_769_862_600_123_456_789),
        ("day", "2026-01-31", 20_484),
        ("clock", "12:30:00.5", 45_000_500_000),
    ],
)
def test_texts_of_times(model, table, name, text, ticks):
    row = rows_of(table.slice(3, 1), model.needed)[0]
    np.testing.assert_array_equal(
        model.predict_one({**row, name: text}), model.predict_one({**row, name: ticks})
    )


def test_what_is_not_json_is_refused(model):
    for text in ("", "{", "[1]", "3", '{"a": NaN}', b"\xff", "[" * 100_000):
        with pytest.raises(DataError, match="JSON"):
            model.predict_json(text)


def test_models_that_answered_can_be_pickled(model, table):
    row = rows_of(table.slice(3, 1), model.needed)[0]
    expected = model.predict_one(row)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_one(row), expected)
