"""Names beyond ASCII, where the locale knows ASCII alone; names that are not UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import in_one_process

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def scalable(*words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "scalable", *map(os.fsencode, map(str, words))]
    return subprocess.run(command, env={**os.environ, **ASCII}, capture_output=True, check=False)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    place = tmp_path / "zahlen für später.parquet"
    city = rng.choice(["Zürich", "Łódź"], 500)
    pq.write_table(pa.table({"größe": x, "ort": city, "señal": (x > 0).astype(int)}), place)
    return place


def test_names_of_columns_and_files_are_read_and_written(rows: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "modèle", tmp_path / "sortie"
    lines = [
        ("describe", rows),
        ("train", "logistic", rows, "--target", "señal", "--model", model, "--quiet"),
        ("predict", model, rows, "--out", out, "--quiet"),
    ]
    done = in_one_process(lines, env=ASCII)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert "größe" in done.stdout.decode()
    assert pq.read_table(out).num_rows == 500


def test_what_is_wrong_is_one_line(rows: Path, tmp_path: Path) -> None:
    done = scalable("train", "logistic", rows, "--target", "senal", "--model", tmp_path / "m")
    assert done.returncode == 1
    assert done.stderr.decode().strip().splitlines()[-1].endswith("did you mean 'señal'?")
    odd = os.fsencode(tmp_path) + b"/\xff.parquet"
    Path(os.fsdecode(odd)).write_bytes(rows.read_bytes())
    done = scalable("describe", os.fsdecode(odd))
    assert done.returncode != 0
    assert b"its name is not UTF-8" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
