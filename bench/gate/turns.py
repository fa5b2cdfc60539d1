"""Two builds, each in its own process, take turns sample by sample, so that drift meets both alike."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.suites.gate import WORKS
from scalable import progress
from scalable.errors import UsageError

SUITE = Path(__file__).resolve().parents[1] / "suites" / "gate.py"
ANY_SUITE = Path(__file__).with_name("asv_suite.py")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS")
STARTS, TURNS = 4, 9


class Side:
    """A process that measures one build on demand."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def sample(self, work: str) -> float | str:
        """Return ns a row, or why there is no such number."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{work}\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return f"the process ended with code {self._process.wait()}"
        reply: dict[str, Any] = json.loads(line)
        return float(reply["value"]) if "value" in reply else str(reply["error"])


@contextmanager
def side(packages: Path, suite: Sequence[str] = (str(SUITE),)) -> Iterator[Side]:
    """Start a process that imports the project from `packages`; it has ended after the block.

    `suite` is the script that answers, with its arguments.
    """
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": str(packages)}
        environment["TMPDIR"] = folder  # the process is killed in the end, and what it wrote must go
        process = subprocess.Popen(
            [sys.executable, "-P", *suite], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment, cwd=folder, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield Side(process)
        finally:
            process.kill()
            process.communicate()


def works_of(packages: Path, folder: Path, only: str = "") -> list[str]:
    """Return the names of an asv suite's ``time_`` benchmarks that match a regular expression.

    Raises
    ------
    UsageError
        The suite cannot be imported, or has none.
    """
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    command = [sys.executable, "-P", str(ANY_SUITE), str(folder), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise UsageError(f"{folder}: the suite cannot be imported: {done.stderr.strip().splitlines()[-1]}")
    found = [name for name in json.loads(done.stdout) if re.search(only, name)]
    if not found:
        raise UsageError(
            f"{folder}: no benchmark named time_... {f'matches {only!r}' if only else 'is there'}"
        )
    return found


def take_turns(
    base: Path,
    head: Path,
    works: Sequence[str] = tuple(WORKS),
    starts: int = STARTS,
    turns: int = TURNS,
    suite: Sequence[str] = (str(SUITE),),
) -> dict[str, dict[str, Any]]:
    """Measure two builds in turns.

    Parameters
    ----------
    base, head : Path
        Directories with the packages of each.
    works : sequence of str
        Names of ``bench.suites.gate.WORKS``, or what `works_of` found in another suite.
    starts : int
        Pairs of fresh processes: where code and data come to lie in memory changes speed, too.
    turns : int
        Samples of each work a process takes; who goes first alternates.

    suite : sequence of str
        See `side`.

    Returns
    -------
    dict
        By work: ``base`` and ``head``, lists of ns a row, pair by pair; or ``missing``, why there are none.
    """
    found: dict[str, dict[str, Any]] = {work: {"base": [], "head": []} for work in works}
    with progress.task("gate", starts * turns * len(works), "turns") as shown:
        for _ in range(starts):
            with ExitStack() as stack:
                pair = [
                    ("base", stack.enter_context(side(base, suite))),
                    ("head", stack.enter_context(side(head, suite))),
                ]
                for turn in range(turns):
                    for work in works:
                        shown.advance(1)
                        if "missing" not in found[work]:
                            _turn(found, work, pair if turn % 2 else pair[::-1])
    return found


def _turn(found: dict[str, dict[str, Any]], work: str, pair: Sequence[tuple[str, Side]]) -> None:
    for name, one in pair:
        value = one.sample(work)
        if isinstance(value, str):
            found[work]["missing"] = f"{name}: {value}"
            return
        found[work][name].append(value)
