"""Commands work in a folder where the user's own modules bear the names of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scalable.kernels.jit import cache_root
from tests.cli.conftest import ROOT, in_one_process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("mine")
    for name in ("data_gen", "bench", "scalable"):
        (here / name).mkdir()
        (here / name / "__init__.py").write_text(
            f"raise SystemExit('the user has his own {name} was imported')\n"
        )
    (here / "random.py").write_text("raise SystemExit('the user has his own random was imported')\n")
    return here


def test_generating_training_in_processes_and_scoring(folder: Path) -> None:
    lines = (
        "generate physics --rows 3000 --out data",
        "train lightgbm data --target signal --model m --workers 2 --n-estimators 2",
        "evaluate m data --target signal",
    )
    done = in_one_process([line.split() for line in lines], cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"own" not in done.stderr


def test_started_as_a_module(folder: Path) -> None:
    (folder / "scalable" / "__init__.py").unlink()  # Python itself would take that one
    (folder / "scalable").rmdir()
    words = [sys.executable, "-m", "scalable", "generate", "physics", "--rows", "1000", "--out", "other"]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "SCALABLE_CACHE_DIR": str(cache_root().parent)}
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=200, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
