"""Processes of contenders: what they report, how they die, what their timed part weighs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.peers.launch import Launch, _watch, launch

MB = 2**20


def _interpreter(path: Path, body: str) -> str:
    """Return a program that is started as an interpreter would be, and runs `body` instead."""
    start = "import json, os, subprocess, sys, time\n"
    options = "option = dict(zip(sys.argv[1:], sys.argv[2:]))\nevents = int(option['--events'])\n"
    finish = "finish = lambda row: open(option['--result'], 'w').write(json.dumps(row))\n"
    path.write_text(f"#!{sys.executable}\n{start}{options}{finish}{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def _how(tmp_path: Path, *bodies: str, timeout: float = 60) -> Launch:
    pythons = [_interpreter(tmp_path / f"python{i}", body) for i, body in enumerate(bodies)]
    return Launch(pythons, 3, timeout, tmp_path / "logs", tmp_path / "scratch")


def test_memory_is_that_of_the_timed_part_and_of_all_processes(tmp_path: Path) -> None:
    body = """
import psutil
def fill(megabytes): return bytearray(os.urandom(2**20)) * megabytes
fill(300)
os.write(events, b"timed\\n")
code = "import os, time; x = bytearray(os.urandom(2**20)) * 80; time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code])
mine = fill(60)
time.sleep(2.5)
child.kill(); child.wait()
os.write(events, b"done\\n")
time.sleep(0.3)
more = fill(300)
time.sleep(0.5)
finish({"status": "ok"})
"""
    row = launch(_how(tmp_path, body), "linear", "any", tmp_path / "task.json")
    assert row["status"] == "ok"
    assert 140 * MB < row["peak_memory_bytes"] < 290 * MB


def test_threads_and_the_project_reach_the_process(tmp_path: Path) -> None:
    body = (
        "finish({'status': 'ok', 'threads': os.environ['OMP_NUM_THREADS'], 'path': os.environ['PYTHONPATH']})"
    )
    row = launch(_how(tmp_path, body), "linear", "any name", tmp_path / "task.json")
    assert row["threads"] == "3"
    assert (Path(row["path"].split(os.pathsep)[0]) / "bench" / "peers" / "child.py").is_file()
    assert row["command"].endswith(f"-m bench.peers.child linear 'any name' --task {tmp_path / 'task.json'}")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os.kill(os.getpid(), 9)", "ended by SIGKILL, perhaps for lack of memory"),
        ("os.kill(os.getpid(), 11)", "ended by SIGSEGV"),
        ("print('what went wrong'); sys.exit(3)", "ended with exit code 3 and no result"),
    ],
)
def test_a_death_is_a_failure_that_names_the_log(tmp_path: Path, body: str, message: str) -> None:
    row = launch(_how(tmp_path, body), "linear", "some peer", tmp_path / "task.json")
    log = tmp_path / "logs" / "linear-some-peer.log"
    assert (row["status"], row["message"]) == ("failed", f"{message}; see {log}")
    assert "what went wrong" in log.read_text() or "kill" in body


def test_who_takes_too_long_is_ended_with_all_he_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    body = f"""
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(pid)!r}, "w").write(str(child.pid))
time.sleep(600)
"""
    row = launch(_how(tmp_path, body, timeout=3), "linear", "any", tmp_path / "task.json")
    assert row["message"] == "took longer than 3 s in all, so it was ended"
    deadline = time.monotonic() + 10
    while psutil.pid_exists(int(pid.read_text())) and time.monotonic() < deadline:
        if psutil.Process(int(pid.read_text())).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    assert not psutil.pid_exists(int(pid.read_text()))


def test_what_a_contender_put_on_disk_is_removed_however_he_ends(tmp_path: Path) -> None:
    body = "open(option['--scratch'] + '/rows', 'w').write('much'); os.kill(os.getpid(), 9)"
    row = launch(_how(tmp_path, body), "linear", "any", tmp_path / "task.json")
    assert "SIGKILL" in row["message"]
    assert row["wall_seconds"] > 0
    assert not list((tmp_path / "scratch").iterdir())


def test_the_absent_are_looked_for_in_the_next_interpreter(tmp_path: Path) -> None:
    absent = "finish({'status': 'absent', 'message': 'not here'})"
    there = "finish({'status': 'ok', 'version': '7'})"
    row = launch(_how(tmp_path, absent, there), "linear", "any", tmp_path / "task.json")
    assert (row["status"], row["version"]) == ("ok", "7")
    assert row["command"].startswith(str(tmp_path / "python1"))
    row = launch(_how(tmp_path, absent, absent), "linear", "any", tmp_path / "task.json")
    assert (row["status"], row["message"]) == ("absent", "not here")


def test_a_timed_part_shorter_than_a_look_has_a_peak_too() -> None:
    hear, say = os.pipe()
    os.write(say, b"timed done ")  # both words before anybody looked
    code = "import time; print(flush=True); time.sleep(0.5)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # Python runs: what was just started has no megabyte yet
        try:
            peak, late = _watch(process, hear, time.monotonic() + 30)
        finally:
            os.close(hear)
            os.close(say)
    assert not late
    assert peak > 2**20
