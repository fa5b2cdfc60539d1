from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow  # `make lint` does the same: the packages are checked there anyway
def test_a_strict_program_finds_types() -> None:
    words = [sys.executable, "-m", "mypy", "tests/typed/program.py"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
