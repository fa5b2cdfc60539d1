from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]

CODE = f"""
import json, sys
sys.path[:] = [{str(ROOT)!r}, *(part for part in sys.path if part)]  # no folder of the caller, as when installed
from scalable.cli import main
lines = json.loads(bytes.fromhex(sys.argv[1]))
for words in lines:
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@functools.cache
def commands() -> Any:
    """All commands, built once: it takes as long as a short command."""
    from scalable.cli.app import build

    return build()


@pytest.fixture
def scalable(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process, as `main` does."""
    from scalable.cli.screen.failure import run

    def call(*argv: object) -> Outcome:
        capfd.readouterr()
        code = run(commands(), [str(argument) for argument in argv])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of 3,000 rows: numbers, text, nulls, a constant; a two-class and a numeric target."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(7)
    for part in range(2):
        n = 3000
        x = rng.normal(size=n)
        city = rng.choice(["Bern", "Lima", "Oslo"], n)
        logit = 1.5 * x - 0.5 + (city == "Lima")
        label = rng.random(n) < 1 / (1 + np.exp(-logit))
        table = pa.table(
            {
                "x": x,
                "count": rng.poisson(4, n),
                "city": city,
                "gap": pa.array(
                    np.where(rng.random(n) < 0.1, np.nan, x + rng.normal(size=n)), from_pandas=True
                ),
                "flag": rng.random(n) < 0.5,
                "same": np.ones(n, np.int32),
                "label": np.where(label, "yes", "no"),
                "amount": 3 * x + rng.normal(size=n),
            }
        )
        pq.write_table(table, folder / f"part-{part}.parquet", row_group_size=1000)
    return folder


def in_one_process(
    lines: Sequence[Sequence[object]], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[Any]:
    """Run command lines one after the other in a fresh process, until one fails; its output is in bytes.

    To start a process and import what a command needs takes longer than the command.
    """
    words = json.dumps([[str(word) for word in line] for line in lines]).encode().hex()  # whatever the locale
    return subprocess.run(
        [sys.executable, "-c", CODE, words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        timeout=200,
        check=False,
    )
