"""The join of latest values, whose events pass once: against brute force and against the road of windows."""

import signal
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.execution.threads import Threads
from scalable.feature_store import join, point_in_time_join, read_definitions, stages
from scalable.feature_store.latest import matches, stream
from scalable.kernels.timeline import passing_events
from scalable.kernels.timeline.words import MISSING
from tests.feature_store.examples import (
    AGE_ALONE,
    LATEST,
    WITHOUT_CREATED,
    check_damage,
    random_events,
    random_keys,
    write,
    written_by_each,
)
from tests.feature_store.test_join import check_rows


@pytest.fixture
def small(monkeypatch):
    """Many partitions, streams and groups of few rows."""
    monkeypatch.setattr(stream, "PARTITION_ROWS", 30)
    monkeypatch.setattr(stages, "GROUP_ROWS", 100)
    monkeypatch.setattr(stream, "count_streams", lambda n_keys, n_events: 4)


@pytest.mark.parametrize("text", [LATEST, WITHOUT_CREATED, AGE_ALONE], ids=["created", "no-created", "age"])
@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_equals_brute_force(tmp_path, small, text, closed, texts, seed):
    rng = np.random.default_rng(seed)
    events, keys = random_events(rng, 600, 9, texts), random_keys(rng, 150, 9, texts)
    without = pa.array(rng.random(150) < 0.05)
    customer = pa.array(keys.column("customer").to_pylist(), keys.schema.field("customer").type, mask=without)
    keys = keys.set_column(1, "customer", customer)
    definitions = read_definitions(write(tmp_path, events, text=text))
    pq.write_table(keys, tmp_path / "keys.parquet", row_group_size=40)
    done = point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "out", closed=closed)
    found = pq.read_table(tmp_path / "out")
    assert found.select(keys.column_names).equals(keys.cast(found.select(keys.column_names).schema))
    if text != LATEST:
        events = events.set_column(2, "created", events.column("at"))
    check_rows(found, definitions, events, keys, closed)
    assert done.rows == 150
    counts = done.counts["pay"]
    assert counts["events"] == 600
    assert "repeated" not in counts
    assert (counts["created late"] > 0) == (text == LATEST)
    assert not (tmp_path / "out" / join.WORK).exists()


def test_both_roads_write_the_same_bytes(tmp_path, small, monkeypatch):
    rng = np.random.default_rng(3)
    events, keys = random_events(rng, 3000, 40), random_keys(rng, 2000, 40)
    definitions = write(tmp_path, events, text=LATEST)
    pq.write_table(keys, tmp_path / "keys.parquet")
    point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "stream")
    monkeypatch.setattr(join, "streams", lambda bound, n_keys: False)
    point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "partitions")
    for path in (tmp_path / "stream").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "partitions" / path.name).read_bytes()


def test_dask_and_threads_write_the_same_bytes(tmp_path, small, dask_client):
    rng = np.random.default_rng(2)
    events, keys = random_events(rng, 500, 5, True), random_keys(rng, 100, 5, True)
    definitions = read_definitions(write(tmp_path, events, text=LATEST))
    one, two, dask = written_by_each(tmp_path, keys, definitions, dask_client)
    assert one == two == dask


def test_one_road_or_the_other_in_one_file(tmp_path):
    rng = np.random.default_rng(6)
    events, keys = random_events(rng, 500, 5), random_keys(rng, 100, 5)
    path = write(tmp_path, events)
    path.write_text(path.read_text() + LATEST.replace("views.pay", "views.last"))
    both = read_definitions(path)
    point_in_time_join(keys, both, tmp_path / "out")
    found = pq.read_table(tmp_path / "out")
    check_rows(found, both, events, keys, "right")
    for name in ("amount", "country", "n", "flag", "day", "time_since_last"):
        last, pay = (repr(found.column(f"{view}_{name}").to_pylist()) for view in ("last", "pay"))
        assert last == pay


@pytest.mark.parametrize("after", ["IndexKeys", "OfferEvents", "SettleKeys", "GatherValues"])
def test_killed_after_any_stage_it_is_resumed_to_the_same_bytes(tmp_path, monkeypatch, after):
    rng = np.random.default_rng(3)
    events, keys = random_events(rng, 600, 50), random_keys(rng, 200, 50)
    definitions = write(tmp_path, events, text=LATEST)
    pq.write_table(keys, tmp_path / "keys.parquet")
    point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "whole")
    program = (
        "import os, signal\n"
        "from scalable.feature_store import join, stages\n"
        "from scalable.feature_store.latest import matches, stream\n"
        "from scalable.execution.threads import Threads\n"
        "stream.PARTITION_ROWS, stages.GROUP_ROWS = 60, 100\n"
        f"task = getattr(stream, {after!r}, None) or matches.{after}\n"
        "run = task.run\n"
        "def stop(self, rows):\n"
        "    run(self, rows)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "task.run = stop\n"
        f"join.point_in_time_join({str(tmp_path / 'keys.parquet')!r}, {str(definitions)!r}, "
        f"{str(tmp_path / 'killed')!r}, executor=Threads(1))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "killed" / join.WORK).iterdir()}
    assert before
    monkeypatch.setattr(stream, "PARTITION_ROWS", 60)
    monkeypatch.setattr(stages, "GROUP_ROWS", 100)
    point_in_time_join(
        tmp_path / "keys.parquet", definitions, tmp_path / "killed", resume=True, executor=Threads(1)
    )
    for path in (tmp_path / "whole").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "killed" / path.name).read_bytes()


@pytest.mark.parametrize("kind", ["keys", "index", "best", "matches", "joined"])
def test_damage_on_the_way_is_found_and_mended(tmp_path, small, monkeypatch, kind):
    rng = np.random.default_rng(7)
    definitions = write(tmp_path, random_events(rng, 200, 5), text=LATEST)
    check_damage(
        tmp_path, monkeypatch, kind, (stages, stream, matches), definitions, random_keys(rng, 100, 5)
    )


def test_shards_of_which_no_key_has_a_row_are_not_read(tmp_path, monkeypatch):
    n = 4000
    events = pa.table({"e": pa.array(np.arange(n) // 1000), "t": np.arange(n), "x": np.arange(n) * 0.5})
    pq.write_table(events[::-1], tmp_path / "events.parquet", row_group_size=100)
    (tmp_path / "f.toml").write_text(
        '[views.v]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\ntime_unit = "s"\nvalues = ["x"]\n'
    )
    read, real = [], matches.gather_float_words
    monkeypatch.setattr(matches, "gather_float_words", lambda *args: read.append(len(args[2])) or real(*args))
    keys = pa.table({"e": [2, 2, 0, 9], "time": [2500, 2501, -1, 7]})
    point_in_time_join(keys, tmp_path / "f.toml", tmp_path / "out")
    assert pq.read_table(tmp_path / "out").column("v_x").to_pylist() == [1250.0, 1250.5, None, None]
    assert read == [2]


def test_the_least_number_is_an_entity_and_no_key_without_one_gets_its_features(tmp_path):
    least = -(2**63)
    events = pa.table({"e": pa.array([least, None, 5]), "t": [1, 1, 1], "x": [1.0, 2.0, 3.0]})
    pq.write_table(events, tmp_path / "events.parquet")
    (tmp_path / "f.toml").write_text(
        '[views.v]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\ntime_unit = "s"\nvalues = ["x"]\n'
    )
    keys = pa.table({"e": pa.array([None, least, None, 5, 6], pa.int64()), "time": [2, 2, 3, 2, 2]})
    point_in_time_join(keys, tmp_path / "f.toml", tmp_path / "out")
    assert pq.read_table(tmp_path / "out").column("v_x").to_pylist() == [None, 1.0, None, 3.0, None]


def test_streams_are_as_many_as_memory_and_work_allow():
    assert stream.count_streams(10**7, 10**8) == 2
    assert stream.count_streams(10**6, 10**8) == 16
    assert stream.count_streams(1, 1) == 2
    assert stream.count_streams(10**3, 10**10) == 32


def offered(rng, n_keys, n_events, late, pieces):
    """Keys and events of a few entities whose hashes collide, and what the kernels leave of them."""
    entity = np.sort(rng.integers(0, 7, n_keys))
    words = (entity - 3) * (2**62 // 3)  # a hash of few high bits: runs of full slots, the end of the table
    time = rng.integers(0, 60, n_keys)
    order = np.lexsort([time, entity])
    words, time, entity = words[order], time[order], entity[order]
    places = np.zeros(n_keys, np.int64)
    n = passing_events.count_entities(words, words, places)
    slots = np.zeros(2 * (n + 1), np.int64)
    passing_events.enter_entities(words, words, places, slots)
    events = {
        "e": rng.integers(0, 9, n_events), "t": rng.integers(-5, 65, n_events), "gone": rng.random(n_events) < 0.1,
    }  # fmt: skip
    events["c"] = events["t"] + (rng.integers(-3, 20, n_events) if late else 0)
    width = 3 if late else 2
    kept = []
    edges = np.linspace(0, n_events, pieces + 1).astype(int)
    for a, b in pairwise(edges):
        best = np.full((n_keys, width), MISSING, np.int64)
        best[:, 1] = -1
        w = (events["e"][a:b] - 3) * (2**62 // 3)
        t, c = events["t"][a:b], events["c"][a:b]
        passing_events.offer_events(
            w, w, events["gone"][a:b], np.maximum(t, c), t, c, a, slots, time, np.empty(0, np.int64),
            np.empty(passing_events.BATCH, np.int64), width, best.reshape(-1),
        )  # fmt: skip
        kept.append(best)
    for other in kept[1:]:
        passing_events.keep_later(kept[0], other)
    passing_events.carry_forward(words, words, places, kept[0])
    return entity, time, events, kept[0]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("pieces", [1, 3])
def test_kernels_keep_the_latest_known_event_of_each_key(late, pieces):
    rng = np.random.default_rng(4)
    entity, time, events, best = offered(rng, 300, 1000, late, pieces)
    assert len(np.unique(entity)) == 7
    for k in range(len(entity)):
        known = (events["e"] == entity[k]) & ~events["gone"]
        known &= np.maximum(events["t"], events["c"]) <= time[k]
        rows = np.flatnonzero(known)
        last = max(((events["t"][r], events["c"][r], r) for r in rows), default=None)
        assert best[k, 1] == (-1 if last is None else last[2])
