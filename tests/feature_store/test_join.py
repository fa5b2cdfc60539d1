"""The point-in-time join against brute force and polars; resumed, on Dask, refused."""

import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.errors import DataError, UsageError
from scalable.feature_store import join, point_in_time_join, read_definitions, stages
from tests.feature_store.examples import (
    DEFINITIONS,
    LATEST,
    plain_events,
    random_events,
    random_keys,
    write,
    written_by_each,
)
from tests.feature_store.reference import row_features, same


@pytest.fixture
def tiny_partitions(monkeypatch):
    monkeypatch.setattr(join, "PARTITION_ROWS", 64)
    monkeypatch.setattr(stages, "GROUP_ROWS", 100)


def read(out):
    return pq.read_table(out)


def check_rows(found, definitions, events, keys, closed):
    view = next(iter(definitions.views.values()))
    plain = plain_events(events)
    times = keys.column("time").cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist()
    entities = keys.column("customer").to_pylist()
    rows = found.to_pylist()
    for i, (entity, t) in enumerate(zip(entities, times, strict=True)):
        expected = row_features(view, [] if entity is None else plain, entity, t, closed)
        for name, value in expected.items():
            assert same(rows[i][name], value), (i, name, rows[i][name], value)


@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_equals_brute_force(tmp_path, tiny_partitions, closed, texts, seed):
    rng = np.random.default_rng(seed)
    events, keys = random_events(rng, 400, 6, texts), random_keys(rng, 150, 6, texts)
    definitions = read_definitions(write(tmp_path, events))
    pq.write_table(keys, tmp_path / "keys.parquet", row_group_size=40)
    done = point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "out", closed=closed)
    found = read(tmp_path / "out")
    assert done.rows == 150
    assert done.counts["pay"]["events"] == 400
    assert done.counts["pay"]["created late"] > 0
    assert done.counts["pay"]["created before they happened"] > 0
    assert found.select(keys.column_names).equals(keys.cast(found.select(keys.column_names).schema))
    check_rows(found, definitions, events, keys, closed)
    assert not (tmp_path / "out" / join.WORK).exists()


def test_many_events_of_one_entity_late_and_early(tmp_path):
    rng = np.random.default_rng(5)
    events, keys = random_events(rng, 3000, 2), random_keys(rng, 60, 2)
    definitions = read_definitions(write(tmp_path, events))
    point_in_time_join(keys, definitions, tmp_path / "out")
    check_rows(read(tmp_path / "out"), definitions, events, keys, "right")


def test_equals_polars_join_asof(tmp_path):
    rng = np.random.default_rng(1)
    n, m = 20_000, 3000
    events = pl.DataFrame(
        {
            "e": rng.integers(0, 300, n),
            "t": rng.permutation(n) * 7,
            "x": rng.random(n),
            "y": rng.integers(0, 9, n),
        }
    )
    keys = pl.DataFrame({"e": rng.integers(0, 310, m), "time": rng.integers(-10, 8 * n, m)})
    events.write_parquet(tmp_path / "events.parquet")
    (tmp_path / "f.toml").write_text(
        '[views.v]\nsource = "events.parquet"\nentity = "e"\nevent_time = "t"\ntime_unit = "s"\nvalues = ["x", "y"]\n'
    )
    point_in_time_join(keys, tmp_path / "f.toml", tmp_path / "out")
    ours = pl.read_parquet(tmp_path / "out/*.parquet")
    theirs = (
        keys.with_row_index()
        .sort("time")
        .join_asof(events.sort("t"), left_on="time", right_on="t", by="e", check_sortedness=False)
    )
    theirs = theirs.sort("index").select("e", "time", v_x="x", v_y="y")
    assert ours.equals(theirs)


def test_dask_and_threads_write_the_same_bytes(tmp_path, tiny_partitions, dask_client):
    rng = np.random.default_rng(2)
    events, keys = random_events(rng, 300, 5, True), random_keys(rng, 100, 5, True)
    definitions = read_definitions(write(tmp_path, events))
    one, two, dask = written_by_each(tmp_path, keys, definitions, dask_client)
    assert one == two == dask


def test_a_killed_join_is_resumed_to_the_same_bytes(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    events, keys = random_events(rng, 6000, 500), random_keys(rng, 2000, 500)
    definitions = write(tmp_path, events)
    pq.write_table(keys, tmp_path / "keys.parquet")
    point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "whole")
    program = (
        "import os, signal\n"
        "from scalable.feature_store import join, partition, stages\n"
        "join.PARTITION_ROWS, stages.GROUP_ROWS = 2000, 3000\n"
        "run, calls = partition.JoinPartition.run, []\n"
        "def stop(self, rows):\n"
        "    calls.append(1)\n"
        "    run(self, rows)\n"
        "    if len(calls) == 2:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "partition.JoinPartition.run = stop\n"
        f"join.point_in_time_join({str(tmp_path / 'keys.parquet')!r}, "
        f"{str(definitions)!r}, {str(tmp_path / 'killed')!r})\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with pytest.raises(UsageError, match="--resume"):
        point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "killed")
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "killed" / join.WORK).glob("joined*.spill")}
    assert before
    monkeypatch.setattr(join, "PARTITION_ROWS", 2000)
    monkeypatch.setattr(stages, "GROUP_ROWS", 3000)
    point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / "killed", resume=True)
    for path in (tmp_path / "whole").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "killed" / path.name).read_bytes()


def test_another_job_is_not_resumed(tmp_path):
    rng = np.random.default_rng(3)
    definitions = write(tmp_path, random_events(rng, 60, 5))
    keys = random_keys(rng, 20, 5)
    point_in_time_join(keys, definitions, tmp_path / "out")
    assert point_in_time_join(keys, definitions, tmp_path / "out", resume=True).rows == 0
    with pytest.raises(DataError, match="closed was"):
        point_in_time_join(keys, definitions, tmp_path / "out", closed="left", resume=True)
    pq.write_table(random_events(rng, 10, 5), tmp_path / "events" / "9.parquet")
    with pytest.raises(DataError, match="files differs"):
        point_in_time_join(keys, definitions, tmp_path / "out", resume=True)


def test_duplicates_are_counted_and_dropped_where_asked(tmp_path):
    rng = np.random.default_rng(4)
    once = random_events(rng, 200, 4)
    path = write(tmp_path, pa.concat_tables([once, once]))
    keys = random_keys(rng, 50, 4)
    kept = point_in_time_join(keys, path, tmp_path / "kept").counts["pay"]["repeated"]
    assert kept >= 190
    path.write_text(path.read_text().replace("time_since_last", 'duplicates = "drop"\ntime_since_last'))
    point_in_time_join(keys, path, tmp_path / "dropped")
    check_rows(read(tmp_path / "dropped"), read_definitions(path), pa.concat_tables([once]), keys, "right")


def test_what_is_latest_does_not_depend_on_whether_repeated_events_are_dropped(tmp_path):
    """On every road; of events of one time the last one is latest, also where an earlier one is the same."""
    rng = np.random.default_rng(6)
    events = random_events(rng, 400, 2)
    events = pa.concat_tables([events, events.take(pa.array(rng.permutation(400)[:200]))])
    keys, road = random_keys(rng, 50, 2), {}
    for name, text in {"windows": DEFINITIONS, "latest": LATEST}.items():
        for duplicates in ("keep", "drop"):
            (folder := tmp_path / f"{name}-{duplicates}").mkdir()
            path = write(
                folder, events, text=text.replace("values", f'duplicates = "{duplicates}"\nvalues', 1)
            )
            point_in_time_join(keys, path, folder / "out")
            columns = [feature.name for feature in read_definitions(path).features if feature.window is None]
            road[name, duplicates] = read(folder / "out").select(columns).to_pylist()
    first = road.pop(("windows", "keep"))
    for name, rows in road.items():
        assert repr(rows) == repr(first), name


def replaced(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("customer", pa.array(["x"] * 20), "entity column 'customer' is string but int64 in view 'pay'"),
        ("customer", pa.array([0.5] * 20), "entities are whole numbers or text"),
        ("time", pa.array([0] * 20, pa.timestamp("us", "UTC")), "time zone"),
        ("time", pa.array([None] * 20, pa.timestamp("us")), "row 0: time 'time' is missing"),
        ("time", pa.array([2**62] * 20, pa.timestamp("us")), "further away than nanoseconds reach"),
        ("time", pa.array(["x"] * 20), "times are timestamps"),
        ("label", pa.array([0.5] * 20), "name of a feature"),
    ],
)
def test_keys_that_do_not_fit_are_refused(tmp_path, name, values, message):
    rng = np.random.default_rng(6)
    definitions = write(tmp_path, random_events(rng, 60, 5))
    keys = replaced(random_keys(rng, 20, 5), name, values)
    if "feature" in message:
        keys = keys.rename_columns(["pay_amount", "customer", "time"])
    with pytest.raises(DataError, match=message):
        point_in_time_join(keys, definitions, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("at", pa.array([None] * 60, pa.timestamp("us")), r"0.parquet, row 0: event time 'at' is missing"),
        ("created", pa.array([0] * 60, pa.timestamp("us", "UTC")), "time zones are mixed"),
        ("created", pa.array([0] * 60), "leave time_unit out|say of what"),
        ("amount", pa.array([1e300] * 60), "do not fit 63 bits with 2 decimals"),
        ("amount", pa.array([9e16] * 60), "do not fit 63 bits"),
        ("amount", pa.array(["x"] * 60), "means nothing"),
    ],
)
def test_events_that_do_not_fit_are_refused(tmp_path, name, values, message):
    rng = np.random.default_rng(6)
    definitions = write(tmp_path, replaced(random_events(rng, 60, 1), name, values))
    with pytest.raises(DataError, match=message):
        point_in_time_join(random_keys(rng, 20, 1), definitions, tmp_path / "out")


def test_damage_on_the_way_is_found(tmp_path, monkeypatch):
    rng = np.random.default_rng(7)
    definitions = write(tmp_path, random_events(rng, 60, 5))
    real = join.join_partitions

    def damaged(executor, spilled, n_partitions, work, left):
        for path in work.glob("events*.spill"):
            data = bytearray(path.read_bytes())
            data[40] ^= 1
            path.write_bytes(data)
        real(executor, spilled, n_partitions, work, left)

    monkeypatch.setattr(join, "join_partitions", damaged)
    with pytest.raises(DataError, match="is damaged; remove it, then --resume"):
        point_in_time_join(random_keys(rng, 20, 5), definitions, tmp_path / "out")


def test_output_within_the_events_is_refused(tmp_path):
    rng = np.random.default_rng(8)
    definitions = write(tmp_path, random_events(rng, 60, 5))
    with pytest.raises(UsageError, match="lies inside the data"):
        point_in_time_join(random_keys(rng, 20, 5), definitions, tmp_path / "events" / "out")
