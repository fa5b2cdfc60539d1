"""Facts about the machine, which never cost a run."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from scalable.report import environment


def test_machine_is_known_here():
    machine = environment.machine()
    assert machine["cpu"]
    assert machine["cores"] == len(os.sched_getaffinity(0))
    assert machine["memory_bytes"] > 2**28
    assert json.loads(json.dumps(machine)) == machine


def test_machine_without_proc_has_gaps_not_errors(monkeypatch):
    monkeypatch.setattr("pathlib.Path.read_text", lambda self: (_ for _ in ()).throw(OSError()))
    monkeypatch.setattr("os.getloadavg", lambda: (_ for _ in ()).throw(OSError()))
    monkeypatch.setattr("psutil.virtual_memory", lambda: (_ for _ in ()).throw(RuntimeError()))
    machine = environment.machine()
    assert machine["load"] is machine["memory_bytes"] is machine["vectors"] is None
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
