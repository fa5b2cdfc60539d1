"""What strangers bring: definitions that do not fit, clocks that are off, full disks, stores that vanish."""

import os
import resource
import shutil
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.errors import DataError, DataWarning
from scalable.feature_store import OnlineStore, check_leaks, materialize, point_in_time_join, push
from scalable.feature_store.online import requests
from scalable.feature_store.online.requests import RequestFeatures
from tests.feature_store.examples import DEFINITIONS, MINUTE, random_events, random_keys, write
from tests.feature_store.test_replay import WITHOUT_CREATED, in_order


@contextmanager
def full_disk(n_bytes):
    """No file may become longer: what a full disk does, for one process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def joined(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def one_line(error):
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ('"amount", ', '"amont", ', r"\[views.pay\].*'amont'.*did you mean 'amount'"),
        ('entity = "customer"', 'entity = "custmer"', r"\[views.pay\].*'custmer'.*did you mean 'customer'"),
        ('event_time = "at"', 'event_time = "att"', r"\[views.pay\].*'att'.*did you mean 'at'"),
        (
            'created_time = "created"',
            'created_time = "creatd"',
            r"\[views.pay\].*'creatd'.*did you mean 'created'",
        ),
        ('column = "n"', 'column = "m"', r"\[views.pay\].*'m'"),
        ('source = "events"', 'source = "evens"', "evens"),
    ],
)
def test_definitions_of_unknown_columns_are_refused_by_all(tmp_path, was, now, message):
    rng = np.random.default_rng(0)
    path = write(tmp_path, random_events(rng, 40, 3), text=DEFINITIONS.replace(was, now, 1))
    keys = random_keys(rng, 10, 3).append_column("pay_country", pa.array(["de"] * 10))
    for use in (
        lambda: point_in_time_join(keys, path, tmp_path / "out"),
        lambda: materialize(path, tmp_path / "store"),
        lambda: check_leaks(keys, path),
    ):
        with pytest.raises(DataError, match=message) as error:
            use()
        one_line(error)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("customer", pa.array(["c"] * 40), "customer"),
        ("at", pa.array([0] * 40, pa.timestamp("us", "UTC")), "at"),
        ("at", pa.array([0] * 40), "at"),
    ],
    ids=["entity", "zone", "number"],
)
def test_files_that_differ_in_entity_or_time_are_refused(tmp_path, name, values, message):
    rng = np.random.default_rng(1)
    events = random_events(rng, 40, 3)
    path = write(tmp_path, events)
    other = events.set_column(events.column_names.index(name), name, values)
    pq.write_table(other, tmp_path / "events" / "9.parquet")
    for use in (
        lambda: point_in_time_join(random_keys(rng, 10, 3), path, tmp_path / "out"),
        lambda: materialize(path, tmp_path / "store"),
    ):
        with pytest.raises(DataError, match=rf"9.parquet.*{message}|{message}.*9.parquet") as error:
            use()
        one_line(error)


def test_zones_may_differ_where_all_have_one(tmp_path):
    """A moment is a moment, whatever clock on the wall tells it."""
    rng = np.random.default_rng(2)
    events, keys = random_events(rng, 200, 5), random_keys(rng, 60, 5)
    plain = write(tmp_path, events)
    point_in_time_join(keys, plain, tmp_path / "plain")
    zoned = tmp_path / "zoned"
    zoned.mkdir()
    for name, zone in (("at", "Europe/Berlin"), ("created", "UTC")):
        place = events.column_names.index(name)
        events = events.set_column(place, name, events.column(name).cast(pa.timestamp("us", zone)))
    path = write(zoned, events)
    asked = keys.set_column(2, "time", keys.column("time").cast(pa.timestamp("us", "Asia/Tokyo")))
    point_in_time_join(asked, path, tmp_path / "out")
    one, other = (pq.read_table(tmp_path / place).drop_columns(["time"]) for place in ("plain", "out"))
    assert repr(one.to_pydict()) == repr(other.to_pydict())


def test_a_clock_that_is_put_back_finds_what_was_pushed(tmp_path):
    rng = np.random.default_rng(3)
    path = write(tmp_path, random_events(rng, 60, 3))
    materialize(path, tmp_path / "store")
    with OnlineStore(path, tmp_path / "store", create=True) as store:
        now = 10**18
        for k in range(3):  # with a horizon of each push, older events are let go
            times = pa.array([now // 1000 - k] * 3, pa.timestamp("us"))
            more = random_events(rng, 3, 1).set_column(0, "customer", pa.array([1, 1, 1]))
            more = more.set_column(1, "at", times).set_column(2, "created", times.cast(pa.timestamp("ns")))
            push(store, "pay", more, now=now - 60 * 10**9)
        assert store.lookup({"customer": 1}, at=now - 59 * 10**9)["pay_count_1h"] == 0
        assert store.lookup({"customer": 1}, at=now)["pay_count_1h"] == 9


def test_an_event_that_comes_twice_is_counted_and_left_out_where_asked(tmp_path):
    rng = np.random.default_rng(4)
    once = random_events(rng, 60, 3)
    dropping = DEFINITIONS.replace("time_since_last", 'duplicates = "drop"\ntime_since_last')
    path = write(tmp_path, once, text=dropping)
    materialize(path, tmp_path / "store", horizon=0)
    with OnlineStore(path, tmp_path / "store", create=True) as store:
        before = [repr(store.lookup({"customer": k}, at=800 * MINUTE)) for k in range(3)]
        done = push(store, "pay", once, now=0)
        assert done.repeated >= once.column("customer").length() - once.column("customer").null_count - 1
        assert [repr(store.lookup({"customer": k}, at=800 * MINUTE)) for k in range(3)] == before


@pytest.mark.parametrize("n_bytes", [3_000, 120_000])
@pytest.mark.parametrize("road", ["windows", "stream", "replay"])
def test_a_full_disk_loses_nothing_of_a_join(tmp_path, road, n_bytes):
    rng = np.random.default_rng(5)
    events, keys = random_events(rng, 4000, 50), random_keys(rng, 3000, 50)
    text = DEFINITIONS if road == "windows" else WITHOUT_CREATED
    path = write(tmp_path, in_order(events, False) if road == "replay" else events, text=text)
    pq.write_table(keys, tmp_path / "keys.parquet")
    point_in_time_join(tmp_path / "keys.parquet", path, tmp_path / "whole")
    with full_disk(n_bytes), pytest.raises(DataError, match=r"File too large.*give it room") as error:
        point_in_time_join(tmp_path / "keys.parquet", path, tmp_path / "out")
    one_line(error)
    point_in_time_join(tmp_path / "keys.parquet", path, tmp_path / "out", resume=True)
    assert joined(tmp_path / "out") == joined(tmp_path / "whole")


def test_a_full_disk_loses_nothing_of_a_store(tmp_path):
    rng = np.random.default_rng(6)
    path = write(tmp_path, random_events(rng, 300, 5))
    materialize(path, tmp_path / "store")
    with OnlineStore(path, tmp_path / "store") as store:
        before = repr(store.lookup({"customer": 1}, at=900 * MINUTE))
    pq.write_table(random_events(rng, 4000, 5), tmp_path / "events" / "9.parquet")
    with full_disk(150_000), pytest.raises(DataError, match="give it room") as error:
        materialize(path, tmp_path / "store")
    one_line(error)
    with OnlineStore(path, tmp_path / "store") as store:
        assert repr(store.lookup({"customer": 1}, at=900 * MINUTE)) == before
    materialize(path, tmp_path / "store")
    with OnlineStore(path, tmp_path / "store") as store:
        assert repr(store.lookup({"customer": 1}, at=900 * MINUTE)) != before


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setattr(requests, "AGAIN_SECONDS", 0.0)
    path = write(tmp_path, random_events(np.random.default_rng(7), 300, 5))
    materialize(path, tmp_path / "store")
    features = RequestFeatures(path, tmp_path / "store")
    yield tmp_path, path, features
    features.close()


def count(features):
    return features.lookup_into({"customer": 2}, at=900 * MINUTE)["pay_count_400d"]


def test_a_store_that_is_taken_away_gives_defaults_until_another_comes(served):
    folder, path, features = served
    assert count(features) > 0
    os.rename(folder / "store", folder / "old")
    with pytest.warns(DataWarning, match="is no online store.*defaults are served meanwhile, and counted"):
        assert count(features) == 0
    assert count(features) == 0
    assert (features.requests, features.defaults) == (3, 2)
    pq.write_table(random_events(np.random.default_rng(8), 300, 5), folder / "events" / "9.parquet")
    materialize(path, folder / "store")
    assert count(features) > 60  # of the new one
    assert features.trouble is None


def test_a_store_of_other_definitions_that_takes_its_place_is_not_believed(served):
    folder, path, features = served
    other = folder / "other.toml"
    other.write_text(path.read_text().replace('"400d"', '"300d"'))
    materialize(other, folder / "new")
    os.rename(folder / "store", folder / "old")
    os.rename(folder / "new", folder / "store")
    with pytest.warns(DataWarning, match="holds features of other definitions.*defaults are served"):
        assert count(features) == 0
    assert features.defaults == 1


def test_garbage_that_takes_its_place_gives_defaults(served):
    folder, _, features = served
    shutil.rmtree(folder / "store")
    (folder / "store").mkdir()
    (folder / "store" / "data.mdb").write_bytes(b"\x01" * 65_536)
    with pytest.warns(DataWarning, match="not laid out as LMDB.*defaults are served"):
        assert count(features) == 0
    assert "scalable_feature_defaults_total 1\n" in features.metrics()


def test_what_reading_raises_gives_defaults(served, monkeypatch):
    _, _, features = served
    lookup = features._lookups[0]

    def failing(*_):
        raise features._store.error("MDB_PAGE_NOTFOUND")

    monkeypatch.setattr(lookup, "_begin", failing)
    with pytest.warns(DataWarning, match="cannot be read.*PAGE_NOTFOUND.*defaults are served"):
        assert count(features) == 0
    monkeypatch.undo()
    assert count(features) > 0


COUNTED = '[[views.v.aggregates]]\nfunctions = ["count"]\nwindows = ["1d"]\n'


@pytest.mark.parametrize(
    ("more", "first"), [("", 1700), ("", 2000), (COUNTED, 1700)], ids=["run", "mixed", "windows"]
)
def test_events_of_centuries_ago_are_old(tmp_path, more, first):
    """More nanoseconds ago than int64 holds: they would be of tomorrow, and never end to live."""
    times = ["1700-01-01", "1999-01-01"] if first == 1700 else ["1999-01-01", "1700-01-01"]
    entities = [1, 2] if first == 1700 else [2, 1]
    events = pa.table({"e": entities, "t": pa.array(times).cast(pa.timestamp("us")), "x": [1.0, 1.0]})
    pq.write_table(events, tmp_path / "events.parquet")
    path = tmp_path / "f.toml"
    path.write_text(
        '[views.v]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\nvalues = ["x"]\n'
        f'time_since_last = true\ntime_to_live = "36500d"\n{more}'
        '[views.w]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\ntime_since_last = true\n'
    )
    asked = pa.array(["1700-01-02", "2026-01-01"]).cast(pa.timestamp("us"))
    point_in_time_join(pa.table({"e": [1, 1], "time": asked}), path, tmp_path / "out")
    found = pq.read_table(tmp_path / "out").to_pydict()
    assert (found["v_x"], found["v_time_since_last"]) == ([1.0, None], [86_400.0, None])
    assert found["w_time_since_last"] == [86_400.0, 10_287_561_600.0]
    materialize(path, tmp_path / "store", horizon=0)
    with OnlineStore(path, tmp_path / "store") as store:
        at = asked[1].cast(pa.timestamp("ns")).value
        answer = store.lookup({"e": 1}, at=at)
    assert np.isnan(answer["v_x"])
    assert answer["w_time_since_last"] == 10_287_561_600.0


def test_the_number_that_stands_for_no_value_is_refused(tmp_path):
    events = pa.table({"e": [1], "t": pa.array([5], pa.timestamp("us")), "x": [-(2**63)]})
    pq.write_table(events, tmp_path / "events.parquet")
    path = tmp_path / "f.toml"
    path.write_text('[views.v]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\nvalues = ["x"]\n')
    keys = pa.table({"e": [1], "time": pa.array([9], pa.timestamp("us"))})
    for use in (
        lambda: point_in_time_join(keys, path, tmp_path / "out"),
        lambda: materialize(path, tmp_path / "store"),
    ):
        with pytest.raises(DataError, match="column 'x' holds -9223372036854775808"):
            use()


@pytest.mark.parametrize("kind", [pa.int64(), pa.timestamp("ns")], ids=str)
@pytest.mark.parametrize("name", ["t", "k", "time"])
def test_a_time_that_stands_for_none_is_refused(tmp_path, kind, name):
    """NaT written as a number: an event of 1677 that was known before all others."""

    def times(column):
        return pa.array([5, -(2**63) if column == name else 6], pa.int64()).cast(kind)

    events = pa.table({"e": [1, 1], "t": times("t"), "k": times("k"), "x": [1.0, 2.0]})
    pq.write_table(events, tmp_path / "events.parquet")
    path, unit = tmp_path / "f.toml", 'time_unit = "ns"\n' if kind == pa.int64() else ""
    path.write_text(
        '[views.v]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\ncreated_time = "k"\n'
        f'values = ["x"]\n{unit}'
    )
    with pytest.raises(DataError, match=rf"'{name}' is {-(2**63)}, which stands for no time"):
        point_in_time_join(pa.table({"e": [1, 1], "time": times("time")}), path, tmp_path / "out")
