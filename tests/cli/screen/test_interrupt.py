"""Ctrl-C: the command ends soon, says how to go on, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.cli.app import COMMANDS, GROUPS, build
from scalable.cli.screen import interrupt as interrupt_module
from scalable.cli.screen.failure import run

PATIENCE = 60  # far above what is promised, so that only a hang fails on a busy machine


@pytest.fixture(scope="module")
def long_job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("long") / "rows.parquet"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400_000, 20)).astype(np.float32)
    label = (x[:, 0] + rng.normal(size=len(x)) > 0).astype(np.int8)
    pq.write_table(pa.table({**{f"x{j}": x[:, j] for j in range(20)}, "y": label}), file)
    return file


def start(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "scalable", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def session(sid: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == sid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def interrupt(process: subprocess.Popen[str], ready: int) -> tuple[int, str]:
    """Send Ctrl-C to the whole group, as a terminal does, once the command has `ready` processes."""
    deadline = time.monotonic() + PATIENCE
    while len(session(process.pid)) < ready and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    time.sleep(1.0)
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = session(process.pid)
    for other in left:
        other.kill()
    assert left == []
    return process.returncode, err


@pytest.mark.parametrize("ready", [1, 3])  # while it surveys; with both ranks at work
def test_lightgbm_on_worker_processes(ready: int, long_job: Path, tmp_path: Path) -> None:
    words = ["train", "lightgbm", long_job, "--target", "y", "--model", tmp_path / "m", "--workers", "2"]
    code, err = interrupt(start(*words, "--n-estimators", "5000", "--num-leaves", "255"), ready)
    assert code == 130, err
    assert "interrupted" in err
    assert "--resume" in err
    assert "Traceback" not in err
    assert not (tmp_path / "m").exists()


def test_generate(tmp_path: Path) -> None:
    code, err = interrupt(start("generate", "fraud", "--rows", "200M", "--out", tmp_path / "d"), 1)
    assert code == 130, err
    assert "--resume" in err
    assert "Traceback" not in err
    assert not (tmp_path / "d" / "manifest.json").exists()


def test_an_error_that_follows_from_ctrl_c_is_an_interruption() -> None:
    """As an import does that is broken off and tried again."""
    body = """
import os, signal, sys
import scalable.cli.screen.failure as failure
from scalable.cli.screen.interrupt import watch

class Command:
    def main(self, **kwargs):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(10_000_000):
                pass
        except KeyboardInterrupt:
            pass
        raise NameError("name '_half_imported' is not defined")

watch(["train"])
sys.exit(failure.run(Command(), ["train"]))
"""
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 130, done.stderr
    assert "interrupted" in done.stderr
    assert "NameError" not in done.stderr


def test_the_next_command_of_a_process_is_not_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    class Command:
        def main(self, **_: object) -> None:
            raise NameError("name 'x' is not defined")

    interrupt_module._asked.set()
    assert run(Command(), ["train"]) == 1
    assert "unexpected NameError" in capsys.readouterr().err


def test_every_command_that_can_go_on_says_so() -> None:
    tree = build()
    for name in COMMANDS:
        words = name.split()
        command = (
            tree.commands[words[0]] if words[0] not in GROUPS else tree.commands[words[0]].commands[words[1]]
        )
        can = any("--resume" in parameter.opts for parameter in command.params)
        hint = interrupt_module.resume_hint([*words, "data/"])
        assert hint.startswith("go on with: ") == can, name
    hint = interrupt_module.resume_hint(["train", "logistic", "data/2026-*.parquet", "--target", "is paid"])
    assert hint == "go on with: scalable train logistic 'data/2026-*.parquet' --target 'is paid' --resume"


def test_ctrl_c_before_the_commands_are_there() -> None:
    body = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["scalable", "train", "ridge"]
from scalable.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 130, done.stderr
    assert done.stderr == "scalable: interrupted; go on with: scalable train ridge --resume\n"
