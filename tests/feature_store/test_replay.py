"""The join of latest values whose events are in order: against brute force, the other road, and events that are not."""

import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from scalable.execution.threads import Threads
from scalable.feature_store import join, point_in_time_join, read_definitions, stages
from scalable.feature_store.latest import courses, entity_numbers, matches, replay
from scalable.feature_store.spill import partition_by_time
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

FOREVER = WITHOUT_CREATED.replace('time_to_live = "9h"\n', "").replace("time_since_last = true\n", "")


@pytest.fixture
def small(monkeypatch):
    """Many partitions of few keys, several courses."""
    monkeypatch.setattr(courses, "PARTITION_ROWS", 30)
    monkeypatch.setattr(courses, "count_courses", lambda n_keys, n_events: 4)
    monkeypatch.setattr(stages, "GROUP_ROWS", 100)
    monkeypatch.setattr(matches, "_STRETCH", 16)


@pytest.fixture
def replayed(monkeypatch):
    """Which views were joined so."""
    found, real = [], join.replay_view

    def recording(*args):
        found.append(real(*args))
        return found[-1]

    monkeypatch.setattr(join, "replay_view", recording)
    return found


def in_order(events, created):
    """Events sorted by when they are known; those of one moment stay in their order."""
    at = events.column("at").cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy()
    known = np.maximum(at, events.column("created").cast(pa.int64()).to_numpy()) if created else at
    return events.take(np.argsort(known, kind="stable"))


@pytest.mark.parametrize(
    "text", [LATEST, WITHOUT_CREATED, FOREVER, AGE_ALONE], ids=["created", "no-created", "forever", "age"]
)
@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("entities", ["range", "spread", "texts"])
def test_equals_brute_force(tmp_path, small, replayed, monkeypatch, text, closed, entities):
    """Entities are numbers close together, numbers that are no range, or texts."""
    rng, texts = np.random.default_rng(0), entities == "texts"
    if entities == "spread":
        monkeypatch.setattr(entity_numbers, "_range_of", lambda *_: None)
    events = in_order(random_events(rng, 600, 9, texts), text == LATEST)
    keys = random_keys(rng, 200, 9, texts)
    without = pa.array(rng.random(200) < 0.05)
    customer = pa.array(keys.column("customer").to_pylist(), keys.schema.field("customer").type, mask=without)
    keys = keys.set_column(1, "customer", customer)
    definitions = read_definitions(write(tmp_path, events, text=text))
    pq.write_table(keys, tmp_path / "keys.parquet", row_group_size=40)
    done = point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "out", closed=closed)
    assert len(replayed) == 1
    assert replayed[0] is not None
    found = pq.read_table(tmp_path / "out")
    assert found.select(keys.column_names).equals(keys.cast(found.select(keys.column_names).schema))
    if text != LATEST:
        events = events.set_column(2, "created", events.column("at"))
    check_rows(found, definitions, events, keys, closed)
    assert done.counts["pay"]["events"] == 600
    assert done.counts["pay"]["without entity"] == pc.sum(pc.is_null(events.column("customer"))).as_py()
    assert (done.counts["pay"]["created late"] > 0) == (text == LATEST)


@pytest.mark.parametrize("text", [LATEST, WITHOUT_CREATED], ids=["created", "no-created"])
def test_both_roads_write_the_same_bytes(tmp_path, small, replayed, monkeypatch, text):
    rng = np.random.default_rng(3)
    events, keys = in_order(random_events(rng, 3000, 40), text == LATEST), random_keys(rng, 2000, 40)
    definitions = write(tmp_path, events, text=text)
    pq.write_table(keys, tmp_path / "keys.parquet")
    point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "replay")
    monkeypatch.setattr(join, "courses_of", lambda *_: None)
    point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "stream")
    assert len(replayed) == 1
    for path in (tmp_path / "replay").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "stream" / path.name).read_bytes()


def joined_by_the_other_road(place, events, keys, replayed):
    """Join events whose view is not replayed, and hold the rows against brute force."""
    definitions = write(place, events, text=WITHOUT_CREATED)
    done = point_in_time_join(keys, definitions, place / "out")
    assert replayed == [None]
    events = events.set_column(2, "created", events.column("at"))
    check_rows(pq.read_table(place / "out"), read_definitions(definitions), events, keys, "right")
    return done


@pytest.mark.parametrize("place", [0.1, 0.4, 0.999])
def test_an_event_out_of_order_is_seen_and_the_view_joined_by_the_other_road(
    tmp_path, replayed, monkeypatch, place
):
    monkeypatch.setattr(courses, "_LOOK_ROWS", 8)
    rng = np.random.default_rng(4)
    events, keys = in_order(random_events(rng, 900, 20), False), random_keys(rng, 300, 20)
    at = int(place * 899)
    order = np.arange(900)
    order[[at, at - 40]] = order[[at - 40, at]]
    events = events.take(order)
    done = joined_by_the_other_road(tmp_path, events, keys, replayed)
    assert done.counts["pay"]["events"] == 900


def test_more_entities_than_records_are_joined_by_the_other_road(tmp_path, replayed, monkeypatch):
    monkeypatch.setattr(replay, "RECORD_BYTES", 400)
    rng = np.random.default_rng(5)
    events, keys = in_order(random_events(rng, 500, 50), False), random_keys(rng, 300, 50)
    joined_by_the_other_road(tmp_path, events, keys, replayed)


@pytest.mark.parametrize("checked", [True, False])
def test_entities_are_found_in_crowded_buckets_and_not_mixed_up(checked):
    """Hashes of one upper half are all looked for in one bucket, and lie in those behind it, round the end."""
    rng = np.random.default_rng(6)
    words = ((rng.integers(-3, 3, 3000) * 2**30) << 32) + rng.integers(0, 2**20, 3000)
    checks, left_out = words * 7, rng.random(3000) < 0.1
    known, none = entity_numbers.EntityNumbers(checked), words[:0]
    for some in np.array_split(np.arange(3000), 4):
        known.enter(words[some], checks[some] if checked else none, left_out[some])
    assert known.told_apart
    first = list(dict.fromkeys(words[~left_out].tolist()))
    assert known.n == len(first)
    numbers = {word: k for k, word in enumerate(first)}
    expected = [-1 if out else numbers[w] for w, out in zip(words.tolist(), left_out, strict=True)]
    assert known.find(words, checks if checked else none, left_out).tolist() == expected
    strangers = words ^ (1 << 32)  # the lower half is known, and the bucket is the same
    expected = [numbers.get(word, -1) for word in strangers.tolist()]
    found = known.find(strangers, strangers * 7 if checked else none, np.zeros(3000, np.bool_))
    assert found.tolist() == expected
    assert (known.find(words, checks + 1, left_out) == -1).all() or not checked


@pytest.mark.parametrize("least", [-(2**63), -2, 0, 2**63 - 4])
def test_entities_of_a_range_are_numbered_from_the_least(least):
    known = entity_numbers.EntityRange(least, 4)
    inside = [least, least + 3, least + 2]
    outside = [each for each in (least - 1, least + 4, -(2**63), 2**63 - 1, 17) if -(2**63) <= each < 2**63]
    outside = [each for each in outside if not least <= each < least + 4]
    entity = np.array([*inside, *outside, least], np.int64)
    missing = np.arange(len(entity)) == len(entity) - 1
    found = known.of(None, entity, entity, missing).tolist()
    assert found == [0, 3, 2, *[-1] * len(outside), -1]


def test_only_close_numbers_are_a_range(tmp_path, replayed):
    """Whichever numbering is taken, negative ids and keys without entity among them."""
    for spread in (1, 10**12):
        place = tmp_path / str(spread)
        place.mkdir()
        e = (np.arange(400) % 7 - 3) * spread
        events = pa.table({"e": e, "t": np.arange(400), "x": np.arange(400) * 1.0})
        pq.write_table(events, place / "events.parquet")
        (place / "f.toml").write_text(
            '[views.v]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\ntime_unit = "s"\nvalues = ["x"]\n'
        )
        ids = pa.array([None, *(np.arange(20) % 9 - 4) * spread], pa.int64())
        point_in_time_join(pa.table({"e": ids, "time": [399] * 21}), place / "f.toml", place / "out")
        last = {int(each): float(x) for each, x in zip(e, np.arange(400), strict=True)}
        expected = [last.get(each) for each in ids.to_pylist()]
        assert pq.read_table(place / "out").column("v_x").to_pylist() == expected
    assert None not in replayed


def test_entities_that_halves_of_hashes_cannot_tell_apart_are_joined_by_the_other_road(
    tmp_path, replayed, monkeypatch
):
    known = entity_numbers.EntityNumbers()
    known.enter(np.array([5, 5 + (1 << 32)]), np.zeros(2, np.int64), np.zeros(2, np.bool_))
    assert not known.told_apart
    monkeypatch.setattr(replay, "open_numbers", lambda *_: known)
    rng = np.random.default_rng(5)
    events, keys = in_order(random_events(rng, 300, 9), False), random_keys(rng, 100, 9)
    joined_by_the_other_road(tmp_path, events, keys, replayed)


def test_dask_and_threads_write_the_same_bytes(tmp_path, small, dask_client):
    rng = np.random.default_rng(2)
    events, keys = in_order(random_events(rng, 500, 5, True), True), random_keys(rng, 100, 5, True)
    definitions = read_definitions(write(tmp_path, events, text=LATEST))
    one, two, dask = written_by_each(tmp_path, keys, definitions, dask_client)
    assert one == two == dask


def test_keys_of_one_moment_are_shared_among_partitions(tmp_path, small, replayed):
    """As when all is scored as of today."""
    n = 2000
    events = pa.table({"e": np.arange(n) % 50, "t": np.arange(n) // 10, "x": np.arange(n) * 0.5})
    pq.write_table(events, tmp_path / "events.parquet", row_group_size=100)
    (tmp_path / "f.toml").write_text(
        '[views.v]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\ntime_unit = "s"\nvalues = ["x"]\n'
    )
    keys = pa.table({"e": np.arange(300) % 60, "time": np.where(np.arange(300) % 7, 120, 10**6)})
    point_in_time_join(keys, tmp_path / "f.toml", tmp_path / "out")
    assert replayed[0] is not None
    last = {120: 1209, 10**6: n - 1}
    expected = [
        None if e >= 50 else (last[t] - (last[t] - e) % 50) * 0.5
        for e, t in zip(*keys.to_pydict().values(), strict=True)
    ]
    assert pq.read_table(tmp_path / "out").column("v_x").to_pylist() == expected


def test_only_texts_that_keys_have_are_kept(tmp_path, monkeypatch):
    held, real = [], matches.write_texts

    def counting(path, table):
        held.append(len(table.texts))
        real(path, table)

    monkeypatch.setattr(matches, "write_texts", counting)
    n = 4000
    events = pa.table({"e": np.arange(n) % 7, "t": np.arange(n), "x": [f"text {k}" for k in range(n)]})
    pq.write_table(events, tmp_path / "events.parquet", row_group_size=40)
    (tmp_path / "f.toml").write_text(
        '[views.v]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\ntime_unit = "s"\nvalues = ["x"]\n'
    )
    times = np.random.default_rng(0).integers(0, n, 60)
    keys = pa.table({"e": np.arange(60) % 7, "time": times})
    point_in_time_join(keys, tmp_path / "f.toml", tmp_path / "out")
    last = times - (times - np.arange(60) % 7) % 7
    expected = [f"text {k}" if k >= 0 else None for k in last]
    assert pq.read_table(tmp_path / "out").column("v_x").to_pylist() == expected
    assert 0 < sum(held) <= 60


def test_times_are_parted_by_what_begins_last():
    found = partition_by_time(np.array([5, 7, 7, 7, 8, -(2**63), 100]), (-(2**63), 7, 7, 9))
    assert found.tolist() == [0, 1, 2, 1, 2, 0, 3]
    assert partition_by_time(np.array([5, 7]), (6,)).tolist() == [0, 0]


def test_times_further_apart_than_signed_words_reach(tmp_path, replayed):
    far = 2**62 + 2**61
    events = pa.table({"e": [1, 1, 1], "t": [-far, 0, far], "x": [1.0, 2.0, 3.0]})
    pq.write_table(events, tmp_path / "events.parquet")
    (tmp_path / "f.toml").write_text(
        '[views.v]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\ntime_unit = "ns"\nvalues = ["x"]\n'
    )
    keys = pa.table({"e": [1] * 5, "time": [far, -far, 0, -far - 1, far - 1]})
    point_in_time_join(keys, tmp_path / "f.toml", tmp_path / "out")
    assert replayed[0] is not None
    assert pq.read_table(tmp_path / "out").column("v_x").to_pylist() == [3.0, 1.0, 2.0, None, 2.0]


@pytest.mark.parametrize(
    ("after", "broken"),
    [("ReplayEvents", False), ("SettleKeys", False), ("GatherValues", False), ("ReplayEvents", True)],
)
def test_killed_after_any_stage_it_is_resumed_to_the_same_bytes(tmp_path, monkeypatch, after, broken):
    rng = np.random.default_rng(3)
    events, keys = in_order(random_events(rng, 600, 50), False), random_keys(rng, 200, 50)
    if broken:
        order = np.arange(600)
        order[[100, 590]] = [590, 100]
        events = events.take(order)
    definitions = write(tmp_path, events, text=WITHOUT_CREATED)
    pq.write_table(keys, tmp_path / "keys.parquet")
    program = (
        "import os, signal\n"
        "from scalable.feature_store import join\n"
        "from scalable.feature_store.latest import courses, matches, replay\n"
        "from scalable.execution.threads import Threads\n"
        "courses.PARTITION_ROWS, courses._LOOK_ROWS = 60, 8\n"
        f"task = getattr(replay, {after!r}, None) or matches.{after}\n"
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
    assert os.listdir(tmp_path / "killed" / join.WORK)
    monkeypatch.setattr(courses, "PARTITION_ROWS", 60)
    monkeypatch.setattr(courses, "_LOOK_ROWS", 8)
    for name in ("killed", "whole"):
        point_in_time_join(
            tmp_path / "keys.parquet", definitions, tmp_path / name, resume=True, executor=Threads(1)
        )
    for path in (tmp_path / "whole").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "killed" / path.name).read_bytes()


@pytest.mark.parametrize(
    "kind", ["times", "records", "waiting", "answered", "unmatched", "settled", "joined"]
)
def test_damage_on_the_way_is_found_and_mended(tmp_path, small, monkeypatch, kind):
    rng = np.random.default_rng(7)
    definitions = write(tmp_path, in_order(random_events(rng, 300, 40), False), text=WITHOUT_CREATED)
    modules = (stages, matches, replay, join)
    check_damage(tmp_path, monkeypatch, kind, modules, definitions, random_keys(rng, 100, 40))


def test_what_is_not_read_again_is_removed_on_the_way(tmp_path, monkeypatch):
    rng, left = np.random.default_rng(7), []
    definitions = write(tmp_path, in_order(random_events(rng, 300, 40), False), text=WITHOUT_CREATED)
    run = join.run_missing

    def look(*args):
        left.extend({path.name.partition("-")[0] for path in (tmp_path / "out" / join.WORK).glob("*.spill")})
        return run(*args)

    monkeypatch.setattr(join, "run_missing", look)  # that of the parts of the output
    point_in_time_join(random_keys(rng, 100, 40), definitions, tmp_path / "out")
    assert sorted(left) == ["joined", "records", "unmatched", "unsettled"]
