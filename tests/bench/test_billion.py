"""The driver of the billion-row job: its commands, its watch, its journal. The job itself is a slow test."""

import subprocess
import sys
import time

import psutil
import pytest

from bench.billion import run as driver
from bench.billion.page import tables
from bench.billion.stages import NEWTON, Stage, cluster_stages, stages
from bench.billion.watch import StageError, end_orphan, watched


def python(name, code, **more):
    class Fake(Stage):
        def command(self, resume):
            return [sys.executable, "-c", code]

    return Fake(name, "fake", (), 1000, **more)


def test_memory_bytes_and_time_of_a_child_of_the_command_count(tmp_path):
    child = "x = b'1' * (200 << 20); import time; time.sleep(0.6)"
    code = f"""
import os, subprocess, sys, time
with open({str(tmp_path / "big")!r}, "wb") as file:
    file.write(b"1" * (8 << 20)); file.flush(); os.fsync(file.fileno())
subprocess.run([sys.executable, "-c", {child!r}], check=True)
"""
    cost = watched([sys.executable, "-c", code], tmp_path / "log", tmp_path / "note")
    assert cost.peak_memory_bytes > 200 << 20
    assert cost.written_bytes >= 8 << 20
    assert cost.seconds > 0.6
    assert cost.to_json().keys() == {"seconds", "peak_memory_bytes", "read_bytes", "written_bytes"}


def test_a_failing_command_says_its_last_words(tmp_path):
    with pytest.raises(StageError, match=r"exit code 3[^\n]*\nall is lost"):
        watched(
            [sys.executable, "-c", "print('all is lost'); raise SystemExit(3)"],
            tmp_path / "l",
            tmp_path / "n",
        )


def test_an_orphan_is_ended_and_a_stranger_with_its_number_is_not(tmp_path):
    note = tmp_path / "note"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        created = psutil.Process(process.pid).create_time()
        note.write_text(f"{process.pid} {created + 5:.2f}")
        end_orphan(note)
        assert process.poll() is None
        note.write_text(f"{process.pid} {created:.2f}")
        end_orphan(note)
        process.wait(5)  # not sixty seconds


def test_finished_stages_are_not_repeated_and_a_failed_one_is(tmp_path, monkeypatch):
    count = tmp_path / "count"
    again = f"open({str(count)!r}, 'a').write('1'); print('{{}}')"
    fail = f"import os; open({str(count)!r}, 'a').write('2'); print('{{}}'); raise SystemExit(not os.path.exists('ok'))"
    monkeypatch.setattr(
        driver, "stages", lambda rows, trees: [python("first", again), python("second", fail)]
    )
    out = tmp_path / "job"
    with pytest.raises(StageError):
        driver.run(out, [1000])
    (out / "1000" / "ok").touch()
    document = driver.run(out, [1000])
    assert count.read_text() == "122"
    assert [(r["stage"], r["interrupted"]) for r in document["sections"]["stages"]] == [
        ("first", False),
        ("second", True),
    ]
    driver.run(out, [1000])
    assert count.read_text() == "122"
    with pytest.raises(driver.UsageError, match="choose another directory"):
        driver.run(out, [2000])


def test_newton_stays_below_64_columns():
    import data_gen

    columns = {c.name: c for c in data_gen.datasets()["fraud"].columns}
    width = sum(len(columns[n].levels) or 1 for n in NEWTON) + sum(columns[n].nullable for n in NEWTON)
    assert width <= 64


def test_every_stage_of_the_cluster_writes_apart_from_the_machine_s():
    alone = {word for stage in stages(1000) for word in stage.arguments if word.endswith((".model", ".json"))}
    for stage in cluster_stages(1000, "tcp://x"):
        assert not {w for w in stage.arguments if w.endswith(".json")} & alone
        assert stage.arguments[-1] == "tcp://x"


def test_tables_say_what_took_longer_or_more_memory_than_asked():
    row = {"size": 10, "stage": "sgd", "rows": 10, "seconds": 100.0, "rows_per_second": 0.1, "read_bytes": 0,
           "written_bytes": 0, "peak_memory_bytes": 2 << 30, "most_seconds": 90,
           "most_memory_bytes": 1 << 30}  # fmt: skip
    (line,) = tables([row])["stages"][2:]
    assert line.count("(more than asked)") == 2
    (line,) = tables([{**row, "seconds": 80.0, "peak_memory_bytes": 1 << 29}])["stages"][2:]
    assert "more than asked" not in line


@pytest.mark.slow
def test_the_whole_job_goes_on_after_a_kill(tmp_path):
    command = [sys.executable, "-m", "bench.billion", "--out", str(tmp_path / "job"), "--rows", "1e6", "--trees", "12",
               "--cluster-at", "1e6"]  # fmt: skip
    journal = tmp_path / "job" / "journal.jsonl"
    with subprocess.Popen(command) as process:
        while process.poll() is None and not (tmp_path / "job" / "1000000" / "rotate.begun").exists():
            time.sleep(0.05)
        process.kill()
    assert '"stage": "newton"' in journal.read_text()
    subprocess.run(command, check=True)
    text = journal.read_text()
    for stage in (*stages(10**6), *cluster_stages(10**6, "")):
        assert text.count(f'"stage": "{stage.name}"') == 1
