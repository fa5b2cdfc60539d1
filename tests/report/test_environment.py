"""Facts about the machine, which never cost a run, and what others use of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections import namedtuple

import psutil
import pytest

from scalable.report import environment, others

Times = namedtuple("Times", ["user", "nice", "system", "idle", "iowait", "guest"])


def test_machine_is_known_here():
    machine = environment.machine()
    assert machine["cpu"]
    assert machine["cores"] == len(os.sched_getaffinity(0))
    assert machine["memory_bytes"] > 2**28
    assert 0.0 <= machine["others"] <= os.cpu_count()
    assert json.loads(json.dumps(machine)) == machine


def test_machine_without_proc_has_gaps_not_errors(monkeypatch):
    monkeypatch.setattr("pathlib.Path.read_text", lambda self: (_ for _ in ()).throw(OSError()))
    monkeypatch.setattr("os.getloadavg", lambda: (_ for _ in ()).throw(OSError()))
    monkeypatch.setattr("psutil.virtual_memory", lambda: (_ for _ in ()).throw(RuntimeError()))
    monkeypatch.setattr("psutil.cpu_times", lambda: (_ for _ in ()).throw(OSError()))
    machine = environment.machine()
    assert machine["load"] is machine["others"] is machine["memory_bytes"] is machine["vectors"] is None
    assert machine["cpu"]


def test_absent_packages_are_left_out(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "no-such-package-at-all"))
    assert set(environment.versions()) == {"python", "numpy"}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", *identity, "-C", str(tmp_path), *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "one")
    monkeypatch.setattr(environment, "_ROOT", tmp_path)
    return tmp_path, git("rev-parse", "HEAD")


def test_commit_of_a_clean_and_of_a_changed_checkout(checkout):
    root, head = checkout
    (root / "untracked").write_text("")
    assert environment.git_commit() == head
    (root / "file").write_text("two")
    assert environment.git_commit() == f"{head}+changes"


def test_no_checkout_and_no_git_give_no_commit(tmp_path, checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert environment.git_commit() is None
    monkeypatch.setattr(environment, "_ROOT", tmp_path / "elsewhere")
    assert environment.git_commit() is None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A machine of four processors, used as the test says; this process has no children."""
    seconds = dict.fromkeys(("others", "own", "idle", "iowait", "guest", "now"), 0.0)

    def sleep(passed: float) -> None:
        seconds["now"] += passed

    monkeypatch.setattr(
        psutil,
        "cpu_times",
        lambda: Times(
            100.0 + seconds["others"] + seconds["own"],
            0.0,
            50.0,
            900.0 + seconds["idle"],
            seconds["iowait"],
            seconds["guest"],
        ),
    )
    monkeypatch.setattr(psutil.Process, "children", lambda self, recursive: [])
    monkeypatch.setattr(os, "times", lambda: (seconds["own"], 0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(others, "available_processors", lambda: 4)
    monkeypatch.setattr(others.time, "monotonic", lambda: seconds["now"])
    monkeypatch.setattr(others.time, "sleep", sleep)
    return seconds


def test_idle_processors_are_those_of_now(clock: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(passed: float) -> None:
        clock["others"] += 0.2
        clock["idle"] += 0.1
        clock["iowait"] += 0.1

    monkeypatch.setattr(others.time, "sleep", sleep)
    assert others.idle_processors() == pytest.approx(2.0)


def test_a_run_that_uses_all_processors_itself_is_not_called_disturbed(clock: dict[str, float]) -> None:
    watch = others.Watch()
    clock["now"] += 10.0
    clock["own"] += 38.0
    clock["idle"] += 2.0
    assert watch.others() == pytest.approx(0.0)


def test_what_others_use_is_counted_over_the_whole_run(clock: dict[str, float]) -> None:
    watch = others.Watch()
    clock["now"] += 10.0
    clock["own"] += 10.0
    clock["others"] += 20.0
    clock["guest"] += 20.0  # all of theirs, and part of it already
    clock["idle"] += 10.0
    assert watch.others() == pytest.approx(2.0)
    assert others.used_by_others({"others": 2.0, "cores": 4}) == 2.0
    assert others.used_by_others({"others": 0.7, "cores": 4}) is None
    assert others.used_by_others({"load": 12.0}) is None


def test_children_are_ours(clock: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    class Child:
        def cpu_times(self) -> tuple[float, ...]:
            return (clock["others"], 0.0, 0.0, 0.0)

    class Gone:
        def cpu_times(self) -> tuple[float, ...]:
            raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(psutil.Process, "children", lambda self, recursive: [Child(), Gone()])
    watch = others.Watch()
    clock["now"] += 10.0
    clock["others"] += 40.0
    assert watch.others() == pytest.approx(0.0)


def test_one_made_a_moment_ago_looks(clock: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(passed: float) -> None:
        clock["others"] += 0.3
        clock["idle"] += 0.1

    watch = others.Watch()
    monkeypatch.setattr(others.time, "sleep", sleep)
    assert watch.others() == pytest.approx(3.0)


def test_where_nobody_can_tell_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_times", lambda: (_ for _ in ()).throw(OSError()))
    assert others.Watch().others() is None
