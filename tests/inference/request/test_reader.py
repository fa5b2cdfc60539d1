"""Kernels that read Python's objects themselves: what they take, what they leave, and that nothing is kept."""

import collections
import datetime
import signal
import sys
import types
import zoneinfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scalable.data.table import TableSource
from scalable.errors import DataError
from scalable.inference import load_model
from scalable.inference.request import answers
from scalable.inference.request.reader import readable
from scalable.inference.request.times import NotATimeError, tick_reader
from scalable.kernels.encode.iso_time import BAD, datetime_micros, iso_micros
from scalable.linear import LogisticRegression

UTC, ZONE_UTC = datetime.UTC, zoneinfo.ZoneInfo("UTC")
TYPES = {True: pa.timestamp("us", "UTC"), False: pa.timestamp("us")}


def of_python(value, zoned):
    try:
        return tick_reader(TYPES[zoned])(value)
    except NotATimeError:
        return BAD


def of_text(text, zoned):
    data = np.frombuffer(text.encode() + b"99", np.uint8)  # what follows must not be read
    return iso_micros(np.uintp(data.ctypes.data), len(data) - 2, zoned)


ZONES = st.sampled_from(["", "Z", "+00:00", "-00:00", "+05:30", "-11:00", "+23:59", "+24:00", "+0530", "z"])
FORMS = st.sampled_from(
    ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.5"]
)


@given(when=st.datetimes(), form=FORMS, zone=ZONES, zoned=st.booleans())
@example(datetime.datetime(1900, 2, 28, 23), "%Y-%m-%d %H:%M", "", False)
@example(datetime.datetime(2000, 2, 29, 23), "%Y-%m-%dT%H:%M:%S", "Z", True)
def test_usual_texts_of_times_are_python_s(when, form, zone, zoned):
    text = when.strftime(form).rjust(len(when.isoformat()) if when.year < 1000 else 0, "0")
    expected = of_python(text + zone, zoned)
    found = of_text(text + zone, zoned)
    assert found == expected or (found == BAD and zone == "+0530")


@given(
    text=st.text("0123456789-T :.Z+", min_size=10, max_size=30)
    | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", fullmatch=True)
)
@example("2023-02-29T00:00:00")
@example("2024-00-10T00:00")
@example("2024-01-10T24:00")
@example("2024-01-10T23:00:60")
@example("2024-01-10 23:00:10.1234567")
@example("2024-01-10 23:00:10.")
def test_other_texts_are_left_to_python(text):
    found = of_text(text, False)
    assert found in (BAD, of_python(text, False))


@given(
    when=st.datetimes(),
    zone=st.sampled_from([None, UTC, ZONE_UTC, datetime.timezone(datetime.timedelta(0, 60))]),
)
def test_datetimes_are_python_s(when, zone):
    when = when.replace(tzinfo=zone)
    for zoned in (False, True):
        found = datetime_micros(np.uintp(id(when)), zoned, np.uintp(id(UTC)), np.uintp(id(ZONE_UTC)))
        usual = zone in (UTC, ZONE_UTC) if zoned else zone is None
        assert found == (of_python(when, zoned) if usual else BAD)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    rng = np.random.default_rng(0)
    n = 400
    table = pa.table(
        {
            "x": rng.normal(size=n),
            "narrow": rng.normal(size=n).astype(np.float32),
            "kind": rng.choice(["a", "b", "c"], n),
            "card_id": rng.integers(-(2**40), 2**40, n),
            "when": pa.array(rng.integers(0, 10**9, n), pa.timestamp("s")),
            "y": rng.integers(0, 2, n),
        }
    )
    path = tmp_path_factory.mktemp("reader") / "model"
    LogisticRegression(n_workers=1).fit(TableSource(table, "y")).save(path)
    return path


ROW = {"x": 0.5, "narrow": 1, "kind": "b", "card_id": 77, "when": "2026-01-31T12:00:00"}


class Shy:
    """A key that looks like a column's and changes the dict when it is compared."""

    def __init__(self, row):
        self.row = row

    def __hash__(self):
        return hash("kind")

    def __eq__(self, other):
        self.row.clear()
        return False


ROWS = [
    ROW,
    {**ROW, "kind": "unseen", "card_id": None},
    {**ROW, "x": np.float64(0.5), "narrow": np.float32(0.1)},
    {**ROW, "x": True, "when": datetime.datetime(2026, 1, 31)},
    {**ROW, "card_id": np.int64(5), "when": datetime.date(2026, 1, 31)},
    collections.OrderedDict(ROW),
    types.MappingProxyType(ROW),
]


def test_the_careful_way_has_the_same_bits(place, monkeypatch):
    assert readable()  # on a CPython of another layout this file tests nothing
    found = [load_model(place).predict_one(row) for row in ROWS]
    monkeypatch.setattr(answers, "readable", lambda: False)
    assert found == [load_model(place).predict_one(row) for row in ROWS]


def test_nothing_is_kept_of_a_row(place):
    model = load_model(place)
    values = ["x" * 50, 12345.678, 2**50 + 1, "2026-01-31T12:00:00.00", np.float64(0.25)]
    row = {"x": values[4], "narrow": values[1], "kind": values[0], "card_id": values[2], "when": values[3]}
    refused = {**row, "card_id": "text"}
    model.predict_one(row)
    before = [sys.getrefcount(value) for value in (*values, row)]
    for _ in range(200):
        model.predict_one(row)
        with pytest.raises(DataError):
            model.predict_one(refused)
    assert [sys.getrefcount(value) for value in (*values, row)] == before
    empty = dict.fromkeys(row)
    before = [sys.getrefcount(None), sys.getrefcount(float)]
    for _ in range(5000):
        model.predict_one(empty)
    after = [sys.getrefcount(None), sys.getrefcount(float)]
    np.testing.assert_allclose(after, before, rtol=0, atol=1000)


@pytest.mark.parametrize(
    "row", [{**ROW, "x": 10**400}, {**ROW, "card_id": "7"}, {**ROW, "when": 2**70}, {**ROW, "narrow": 1e39}]
)
def test_what_the_interpreter_refuses_is_refused_in_one_line(place, row):
    model = load_model(place)
    with pytest.raises(DataError, match=r"^column '"):
        model.predict_one(row)
    assert model.predict_one(ROW) == model.predict_one(dict(ROW))


def test_a_key_that_changes_the_dict_while_it_is_read(place):
    model = load_model(place)
    row = {}
    row |= {Shy(row): 1, **ROW}
    with pytest.raises(DataError, match="has no"):
        model.predict_one(row)


def test_ctrl_c_in_a_column_s_own_function_is_not_lost(place):
    asked = []

    class Stopped(datetime.datetime):
        def utcoffset(self):
            asked.append(1)
            if len(asked) == 1:
                raise KeyboardInterrupt
            return datetime.timedelta(0)

    model = load_model(place)
    watching = signal.set_wakeup_fd(-1)  # a command that ran in this process would end it a second later
    try:
        with pytest.raises(KeyboardInterrupt):
            model.predict_one({**ROW, "when": Stopped(2026, 1, 31)})
    finally:
        signal.set_wakeup_fd(watching)
    assert len(asked) > 0
