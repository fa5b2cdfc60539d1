"""A training that is killed goes on from its checkpoint to the same bits."""

import os
import signal
import subprocess
import sys
import time

import pytest

import data_gen
from scalable.models.store import read_model

WORDS = "train mlp rows --target signal -q --max-iter 6 --batch-size 64 --dropout 0.1"
TRAIN = WORDS.split()


def run(*words, **given):
    return subprocess.Popen([sys.executable, "-m", "scalable", *words], **given)


@pytest.mark.slow
def test_a_killed_command_resumes_to_the_same_model(tmp_path):
    data_gen.generate("physics", rows=60_000, out=tmp_path / "rows", seed=0)
    assert run(*TRAIN, "--model", "whole", cwd=tmp_path).wait(300) == 0
    told = ["--model", "resumed", "--resume"]
    kept, kills = tmp_path / "resumed.checkpoint", 0
    for _ in range(50):
        child = run(*TRAIN, *told, cwd=tmp_path)
        deadline = time.monotonic() + 120
        before = _stamp(kept)
        while child.poll() is None and time.monotonic() < deadline and _stamp(kept) in (before, None):
            time.sleep(0.02)
        if child.poll() is not None:
            break
        child.send_signal(signal.SIGKILL)
        child.wait()
        kills += 1
    assert child.returncode == 0
    assert kills > 0
    whole, resumed = read_model(tmp_path / "whole"), read_model(tmp_path / "resumed")
    assert all((whole.arrays[name] == resumed.arrays[name]).all() for name in whole.arrays)
    assert not kept.exists()


def _stamp(path):
    try:
        return os.stat(path / "model.json").st_mtime_ns
    except OSError:
        return None
