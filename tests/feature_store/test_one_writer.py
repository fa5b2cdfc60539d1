"""Two at once: of materializing and joining one goes on, nothing is taken twice; neither are files that were moved."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.errors import DataError, UsageError
from scalable.feature_store import OnlineStore, materialize, point_in_time_join, push
from scalable.feature_store.online import materialize as materializing
from tests.feature_store.examples import DEFINITIONS, plain_events, random_events, write


@pytest.fixture
def made(tmp_path):
    events = random_events(np.random.default_rng(0), 90, 5)
    return write(tmp_path, events), events


def test_of_two_that_materialize_one_is_refused(made, tmp_path, monkeypatch):
    path, events = made
    put, met = materializing.put, []

    def put_and_try(*given):
        with pytest.raises(DataError, match="another process is materializing"):
            materialize(path, tmp_path / "store")
        met.append(1)
        put(*given)

    monkeypatch.setattr(materializing, "put", put_and_try)
    done = materialize(path, tmp_path / "store")["pay"]
    assert met
    assert done.events == len(plain_events(events)) - events.column("customer").null_count
    left = sorted(each.name for each in (tmp_path / "store").iterdir())
    assert left == ["data.mdb", "lock.mdb"]


def test_what_a_killed_run_left_goes_and_what_others_left_stays(made, tmp_path):
    store = tmp_path / "store"
    (store / ".spill.0123456789ab.tmp").mkdir(parents=True)
    (store / "_spill").mkdir()
    (store / "_spill" / "mine").write_text("years")
    materialize(made[0], store)
    assert sorted(each.name for each in store.iterdir()) == ["_spill", "data.mdb", "lock.mdb"]
    assert (store / "_spill" / "mine").read_text() == "years"


def test_of_two_that_join_one_is_refused(made, tmp_path, monkeypatch):
    path, _ = made
    keys = pa.table({"customer": [1, 2], "time": pa.array([0, 1], pa.timestamp("ns"))})
    from scalable.feature_store import join

    written, met = join._write_parts, []

    def try_and_write(*given):
        with pytest.raises(UsageError, match="another process is writing there"):
            point_in_time_join(keys, path, tmp_path / "out", resume=True)
        met.append(1)
        return written(*given)

    monkeypatch.setattr(join, "_write_parts", try_and_write)
    assert point_in_time_join(keys, path, tmp_path / "out").rows == 2
    assert met
    assert pq.read_table(tmp_path / "out").num_rows == 2


def test_files_that_were_moved_are_not_taken_twice(made, tmp_path):
    path, _ = made
    materialize(path, tmp_path / "store")
    moved = tmp_path / "moved"
    shutil.move(path.parent / "events", moved)
    path.write_text(DEFINITIONS.replace('source = "events"', 'source = "moved"'))
    with pytest.raises(DataError, match=r"moved, its events would count twice"):
        materialize(path, tmp_path / "store")
    for file in moved.iterdir():
        file.touch()  # so somebody says that they are others
    assert materialize(path, tmp_path / "store")["pay"].repeated > 0


def test_files_that_were_taken_may_go(made, tmp_path):
    path, _ = made
    materialize(path, tmp_path / "store")
    for file in (path.parent / "events").iterdir():
        file.unlink()
    more = random_events(np.random.default_rng(2), 10, 5)
    pq.write_table(more, path.parent / "events" / "3.parquet")
    assert materialize(path, tmp_path / "store")["pay"].events == 10 - more.column("customer").null_count


@pytest.mark.parametrize("at", [2**63, -(2**63) - 1, 1.5, "now"])
def test_times_are_whole_and_of_64_bits(made, tmp_path, at):
    path, events = made
    with pytest.raises(DataError, match="no time"):
        materialize(path, tmp_path / "store", horizon=at)
    assert not (tmp_path / "store").exists()
    materialize(path, tmp_path / "store")
    with OnlineStore(path, tmp_path / "store", create=True) as store:
        with pytest.raises(DataError, match="no time"):
            store.lookup({"customer": 1}, at=at)
        with pytest.raises(DataError, match="no time"):
            push(store, "pay", events, now=at)


def test_what_is_needed_now_is_not_let_go_for_a_time_to_come(made, tmp_path):
    path, events = made
    far = 4 * 10**18  # in the year 2096
    with pytest.raises(DataError, match=r"2096-.* is yet to come"):
        materialize(path, tmp_path / "store", horizon=far)
    materialize(path, tmp_path / "store")
    with OnlineStore(path, tmp_path / "store", create=True) as store:
        with pytest.raises(DataError, match=r"2096-.* is yet to come"):
            push(store, "pay", events, now=far)
        store.lookup({"customer": 1})


def test_events_before_1970_are_kept_as_later_ones_are(tmp_path):
    (tmp_path / "events").mkdir()
    at = pa.array([-3, -2, -1], pa.timestamp("s"))
    pq.write_table(pa.table({"c": [1, 1, 2], "t": at, "v": [1.0, 2.0, 3.0]}), tmp_path / "events/0.parquet")
    path = Path(tmp_path / "f.toml")
    path.write_text('[views.p]\nsource = "events"\nentity = "c"\nevent_time = "t"\nvalues = ["v"]\n')
    materialize(path, tmp_path / "store")
    with OnlineStore(path, tmp_path / "store") as store:
        assert store.lookup({"c": 1}, at=-(10**9)) == {"p_v": 2.0}


def test_a_store_that_holds_nothing_yet_says_so(made, tmp_path):
    path, _ = made
    OnlineStore(path, tmp_path / "store", create=True).close()
    with pytest.raises(DataError, match="holds nothing yet"):
        OnlineStore(path, tmp_path / "store")


KILLED = """
import os, signal, sys
from scalable.feature_store import OnlineStore
store = OnlineStore(sys.argv[1], sys.argv[2])
with store.env.begin():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_readers_hold_no_place_and_no_pages(made, tmp_path):
    path, events = made
    materialize(path, tmp_path / "store")

    def kill_a_reader():
        command = [sys.executable, "-c", KILLED, str(path), str(tmp_path / "store")]
        assert subprocess.run(command, timeout=100, check=False).returncode == -9
        return len(store.env.readers().splitlines())

    with OnlineStore(path, tmp_path / "store", create=True) as store:
        store.lookup({"customer": 1})
        before = len(store.env.readers().splitlines())
        assert kill_a_reader() == before + 1
        push(store, "pay", events)
        assert len(store.env.readers().splitlines()) == before
        assert kill_a_reader() == before + 1
        OnlineStore(path, tmp_path / "store").close()
        assert len(store.env.readers().splitlines()) == before
