"""The online store: the bits of the join, whatever way events came; crash-safe, incremental, refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalable.errors import DataError, UsageError
from scalable.feature_store import OnlineStore, materialize, point_in_time_join, push, read_definitions
from tests.feature_store.examples import DEFINITIONS, MINUTE, plain_events, random_events, write
from tests.feature_store.reference import row_features, same

YEAR = 365 * 1440 * MINUTE


def in_order_of_arrival(events):
    created = events.column("created").cast(pa.int64()).to_numpy()
    order = np.argsort(created, kind="stable")
    return events.take(pa.array(order)), created[order]


def offline(folder, definitions, entities, times):
    keys = pa.table({"customer": entities, "time": pa.array(times, pa.int64()).cast(pa.timestamp("ns"))})
    shutil.rmtree(folder / "out", ignore_errors=True)
    point_in_time_join(keys, definitions, folder / "out")
    rows = pq.read_table(folder / "out").drop_columns(["customer", "time"])
    days = rows.column("pay_day").cast(pa.int32())
    return rows.set_column(rows.column_names.index("pay_day"), "pay_day", days).to_pylist()


def join_counts(folder, definitions):
    keys = pa.table({"customer": [1], "time": pa.array([0], pa.timestamp("ns"))})
    return point_in_time_join(keys, definitions, folder / "counted").counts["pay"]


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert same(found[name], value), (name, found[name], value)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 120),
    texts=st.booleans(),
    cuts=st.lists(st.floats(0, 1), max_size=4),
    first=st.floats(0, 1),
    drop=st.booleans(),
)
def test_offline_equals_online_bit_for_bit(seed, n, texts, cuts, first, drop):
    """Events in the order of their creation: some from files, the others pushed; looked up as time goes on."""
    rng = np.random.default_rng(seed)
    events, arrived = in_order_of_arrival(random_events(rng, n, 3, texts))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "events").mkdir()
        n_first = max(1, int(first * n))
        pq.write_table(events.slice(0, n_first), folder / "events" / "0.parquet")
        text = (
            DEFINITIONS.replace("time_since_last", 'duplicates = "drop"\ntime_since_last')
            if drop
            else DEFINITIONS
        )
        (folder / "f.toml").write_text(text)
        definitions = read_definitions(folder / "f.toml")
        materialize(definitions, folder / "store", horizon=int(arrived[n_first - 1]))
        edges = sorted({n_first, n, *(n_first + int(cut * (n - n_first)) for cut in cuts)})
        entities = [f"c{i}" for i in range(4)] if texts else list(range(4))
        asked, answers = [], []
        with OnlineStore(definitions, folder / "store", create=True) as store:
            for start, stop in zip([n_first, *edges], edges, strict=False):
                if stop > start:
                    push(store, "pay", events.slice(start, stop - start), now=int(arrived[stop - 1]))
                now = int(arrived[stop - 1])
                until = int(arrived[stop]) - 1 if stop < n else now + 10 * YEAR
                for t in {now, (now + until) // 2, until} if until >= now else ():
                    for entity in entities:
                        asked.append((entity, t))
                        answers.append(store.lookup({"customer": entity}, at=t))
        if n > n_first:
            pq.write_table(events.slice(n_first), folder / "events" / "1.parquet")
        if asked:
            for found, expected in zip(
                answers, offline(folder, definitions, *zip(*asked, strict=True)), strict=True
            ):
                assert_same(found, expected)


def test_lookups_equal_brute_force_far_and_near(tmp_path):
    rng = np.random.default_rng(0)
    events = random_events(rng, 500, 4)
    definitions = read_definitions(write(tmp_path, events))
    materialize(definitions, tmp_path / "store", horizon=0)
    view, plain = definitions.views["pay"], plain_events(events)
    with OnlineStore(definitions, tmp_path / "store") as store:
        for t in (0, 17 * MINUTE, 300 * MINUTE, 800 * MINUTE, YEAR, 2 * YEAR):
            for entity in range(5):
                expected = row_features(view, plain, entity, t)
                day = expected["pay_day"]
                expected["pay_day"] = None if day is None else (day - day.fromordinal(719163)).days
                assert_same(store.lookup({"customer": entity}, at=t), expected)


@pytest.fixture
def made(tmp_path):
    rng = np.random.default_rng(1)
    events, _ = in_order_of_arrival(random_events(rng, 90, 5))
    path = write(tmp_path, events)
    materialize(path, tmp_path / "store")
    return tmp_path, path, events


def test_materializing_again_takes_new_files_only(made):
    folder, path, _ = made
    again = materialize(path, folder / "store")["pay"]
    assert (again.events, again.skipped_files) == (0, 3)
    more = random_events(np.random.default_rng(2), 10, 5)
    pq.write_table(more, folder / "events" / "3.parquet")
    once = materialize(path, folder / "store", horizon=0)["pay"]
    assert (once.events, once.skipped_files) == (10 - more.column("customer").null_count, 3)
    anew = materialize(path, folder / "anew", horizon=0)["pay"]
    assert anew.counts == {**join_counts(folder, path), "repeated": 0}
    assert anew.counts["events"] == 100
    assert anew.counts["created before they happened"] > 0
    with OnlineStore(path, folder / "store") as one, OnlineStore(path, folder / "anew") as other:
        for entity in range(6):
            assert repr(one.lookup({"customer": entity})) == repr(other.lookup({"customer": entity}))
    pq.write_table(more.slice(2), folder / "events" / "3.parquet")
    with pytest.raises(DataError, match=r"3.parquet: changed since"):
        materialize(path, folder / "store")


def test_what_was_let_go_is_not_made_up(made):
    folder, path, _ = made
    with OnlineStore(path, folder / "store") as store:
        store.lookup({"customer": 1})
    text = path.read_text().replace('"1h", "400d"', '"1h"')
    path.write_text(text)
    materialize(path, folder / "short", horizon=1000 * MINUTE)
    with OnlineStore(path, folder / "short") as store:
        store.lookup({"customer": 1}, at=1000 * MINUTE)
        with pytest.raises(DataError, match="keeps what is needed from 1970-01-01T16:40"):
            store.lookup({"customer": 1}, at=999 * MINUTE)


def test_a_store_of_other_definitions_is_refused(made):
    folder, path, _ = made
    path.write_text(path.read_text().replace('"3h"', '"4h"'))
    with pytest.raises(DataError, match=r"holds features of other definitions .* they differ in view pay"):
        OnlineStore(path, folder / "store")
    with pytest.raises(DataError, match="is no online store"):
        OnlineStore(path, folder / "nowhere")


@pytest.mark.parametrize("entity", ["x", 1.5, None, True, 2**63])
def test_entities_of_another_type_are_refused(made, entity):
    folder, path, _ = made
    with (
        OnlineStore(path, folder / "store") as store,
        pytest.raises(DataError, match="whole numbers of 64 bits"),
    ):
        store.lookup({"customer": entity})


def test_events_of_other_columns_are_refused_and_nothing_is_added(made):
    folder, path, events = made
    with OnlineStore(path, folder / "store", create=True) as store:
        before = store.lookup({"customer": 1})
        with pytest.raises(DataError, match="there is no values column 'amount'"):
            push(store, "pay", events.drop_columns(["amount"]))
        with pytest.raises(DataError, match="made of columns of other types"):
            push(store, "pay", events.set_column(3, "amount", events.column("amount").cast(pa.float32())))
        with pytest.raises(DataError, match="there is no view 'paid'"):
            push(store, "paid", events)
        late = events.set_column(1, "at", pa.nulls(len(events), pa.timestamp("us")))
        with pytest.raises(DataError, match="event time 'at' is missing"):
            push(store, "pay", late)
        assert repr(store.lookup({"customer": 1})) == repr(before)


@pytest.mark.parametrize("texts", [False, True])
def test_events_are_pushed_whatever_the_layout_of_their_columns(tmp_path, texts):
    """A frame of pandas or polars has other units of time, widths and layouts of text than a file."""
    events, arrived = in_order_of_arrival(random_events(np.random.default_rng(3), 60, 3, texts))
    path = write(tmp_path, events.slice(0, 30), n_files=1)
    entities = ["c0", "c1"] if texts else [0, 1]
    wide = {
        "at": pa.timestamp("ns"), "created": pa.timestamp("us"), "n": pa.int64(), "day": pa.date64(),
        "country": pa.dictionary(pa.int8(), pa.string()), **({"customer": pa.large_string()} if texts else {}),
    }  # fmt: skip
    cast = pa.schema([(f.name, wide.get(f.name, f.type)) for f in events.schema])
    answers = []
    for name, rest in {
        "same": events.slice(30),
        "wide": events.slice(30).cast(cast),
        "polars": pl.from_arrow(events.slice(30)),
        "pandas": events.slice(30).to_pandas(types_mapper=pd.ArrowDtype),
    }.items():
        materialize(path, tmp_path / name, horizon=0)
        with OnlineStore(path, tmp_path / name, create=True) as store:
            push(store, "pay", rest, now=0)
            answers.append(repr([store.lookup({"customer": e}, at=int(arrived[-1])) for e in entities]))
    assert answers[1:] == answers[:1] * 3
    with OnlineStore(path, tmp_path / "same", create=True) as store:
        big = events.set_column(5, "n", pa.array([2**40] * 60))
        with pytest.raises(DataError, match="column 'n' is int64 here but int32 before, which cannot hold"):
            push(store, "pay", big)
        zoned = [events.column(name).cast(pa.timestamp("us", "UTC")) for name in ("at", "created")]
        zoned = events.set_column(1, "at", zoned[0]).set_column(2, "created", zoned[1])
        with pytest.raises(DataError, match=r"'at' was timestamp\[us\], is timestamp\[us, tz=UTC\] here"):
            push(store, "pay", zoned)


def test_a_store_open_for_reading_says_how_to_push(made):
    folder, path, events = made
    with OnlineStore(path, folder / "store") as store, pytest.raises(UsageError, match="create=True"):
        push(store, "pay", events)


def test_a_push_that_is_killed_leaves_all_or_nothing(made):
    folder, path, events = made
    pq.write_table(events, folder / "more.parquet")
    program = (
        "import os, signal\n"
        "from scalable.feature_store import OnlineStore, push\nfrom scalable.feature_store.online import materialize\n"
        "put = materialize.put\n"
        "materialize.put = lambda *args: (put(*args), os.kill(os.getpid(), signal.SIGKILL))\n"
        f"store = OnlineStore({str(path)!r}, {str(folder / 'store')!r}, create=True)\n"
        f"push(store, 'pay', {str(folder / 'more.parquet')!r})\n"
    )
    with OnlineStore(path, folder / "store") as store:
        before = [repr(store.lookup({"customer": entity}, at=1300 * MINUTE)) for entity in range(5)]
    killed = subprocess.run(
        [sys.executable, "-c", program], check=False, env={**os.environ}, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with OnlineStore(path, folder / "store", create=True) as store:
        assert [repr(store.lookup({"customer": entity}, at=1300 * MINUTE)) for entity in range(5)] == before
        push(store, "pay", events, now=0)
        assert [repr(store.lookup({"customer": entity}, at=1300 * MINUTE)) for entity in range(5)] != before


def test_damage_is_found(made):
    folder, path, _ = made
    with OnlineStore(path, folder / "store", create=True) as store:
        key = store.lookups()[0].key(1)
        with store.env.begin(write=True) as transaction:
            row = bytearray(transaction.get(key, db=store.tables["pay"]))
            row[30] ^= 4
            transaction.put(key, bytes(row), db=store.tables["pay"])
        with pytest.raises(DataError, match="the row of customer 1 is damaged"):
            store.lookup({"customer": 1})
    data = (folder / "store" / "data.mdb").read_bytes()
    (folder / "store" / "data.mdb").write_bytes(b"\x07" * len(data))
    with pytest.raises(DataError, match="not laid out as LMDB"):
        OnlineStore(path, folder / "store")


def test_a_full_disk_is_told_and_nothing_is_lost(made, monkeypatch):
    folder, path, events = made
    size = (folder / "store" / "data.mdb").stat().st_size
    monkeypatch.setattr("scalable.feature_store.online.store.MAP_BYTES", size // 4096 * 4096)
    many = pa.concat_tables([events] * 50)
    with OnlineStore(path, folder / "store", create=True) as store:
        before = repr(store.lookup({"customer": 1}, at=9 * YEAR))
        with pytest.raises(DataError, match="the disk is full; what was there stays"):
            push(store, "pay", many, now=0)
        assert repr(store.lookup({"customer": 1}, at=9 * YEAR)) == before


@pytest.mark.parametrize(
    "said", [b"\xff", b"[1]", b'{"format": 2}', b'{"format": 2, "meaning": 3, "views": {}}']
)
def test_what_a_store_says_of_itself_is_not_believed_unseen(tmp_path, said):
    features = write(tmp_path, random_events(np.random.default_rng(0), 40, 3))
    materialize(features, tmp_path / "store")
    with (
        OnlineStore(features, tmp_path / "store", create=True) as store,
        store.env.begin(write=True) as transaction,
    ):
        transaction.put(b"store", said, db=store._meta)
    with pytest.raises(DataError, match=r"store: damaged .*; materialize it anew elsewhere"):
        OnlineStore(features, tmp_path / "store")


@pytest.mark.parametrize("files", ["x", {}, [3], [[]], [[None, 9, 1]]])
def test_the_files_a_store_says_it_took_are_files(tmp_path, files):
    features = write(tmp_path, random_events(np.random.default_rng(0), 40, 3))
    materialize(features, tmp_path / "store")
    with (
        OnlineStore(features, tmp_path / "store", create=True) as store,
        store.env.begin(write=True) as transaction,
    ):
        said = json.loads(transaction.get(b"store", db=store._meta))
        said["views"]["pay"]["files"] = files
        transaction.put(b"store", json.dumps(said).encode(), db=store._meta)
    with pytest.raises(DataError, match=r"store: damaged .*; materialize it anew elsewhere"):
        materialize(features, tmp_path / "store")
