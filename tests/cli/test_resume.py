"""SIGKILL in the middle of `scalable train`, then `--resume`: the same model as without the kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalable.models.store import read_model

Run = Callable[..., Any]
JOBS = {
    "lightgbm": ["--n-estimators", "150", "--checkpoint-every", "10", "--random-state", "0"],
    "logistic": ["--solver", "sgd", "--max-iter", "400", "--tol", "0"],
}


def kill_once_saved(command: list[str], checkpoint: Path) -> None:
    """SIGKILL the command and what it started as soon as a checkpoint is there."""
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if checkpoint.is_dir() and any(not name.startswith(".") for name in os.listdir(checkpoint)):
            break
        time.sleep(0.002)
    assert process.poll() is None, "it ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)


@pytest.mark.parametrize("learner", JOBS)
def test_killed_training_resumes_to_the_same_model(
    learner: str, scalable: Run, toy: Path, tmp_path: Path
) -> None:
    def words(name: str) -> list[str]:
        model = str(tmp_path / name)
        return ["train", learner, str(toy), "--target", "label", "--model", model, *JOBS[learner]]

    kill_once_saved([sys.executable, "-m", "scalable", *words("killed")], tmp_path / "killed.checkpoint")
    assert not (tmp_path / "killed").exists()
    forgetful = scalable(*words("killed"))
    assert forgetful.code == 2
    assert "go on with --resume, or start over with --overwrite" in forgetful.err
    outcome = scalable(*words("killed"), "--resume")
    assert outcome.code == 0, outcome.err
    assert "nothing to resume" not in outcome.out
    assert not (tmp_path / "killed.checkpoint").exists()
    outcome = scalable(*words("whole"), "--resume")
    assert outcome.code == 0, outcome.err
    assert "nothing to resume" in outcome.out

    killed, whole = read_model(tmp_path / "killed"), read_model(tmp_path / "whole")
    assert killed.texts == whole.texts
    assert {name: array.tobytes() for name, array in killed.arrays.items()} == {
        name: array.tobytes() for name, array in whole.arrays.items()
    }
