"""What losing a worker costs: one SIGKILL at a random tree of a fit that keeps checkpoints in memory."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from bench.boosting.contenders import auc
from bench.boosting.processes import in_own_process, median_run
from bench.boosting.rows import COLUMNS, held_out, wide

EVERY = 10


def section_kill(rows: int, trees: int, only: list[str], seed: int = 0, rounds: int = 1) -> dict[str, Any]:
    """Train on two workers without and with a kill, in turns."""
    directory = str(wide(rows))
    at = random.Random(seed).uniform(0.2, 0.9)
    with tempfile.TemporaryDirectory() as place:
        test = held_out(Path(place))
        runs: dict[float, list[dict[str, Any]]] = {-1.0: [], at: []}
        for _ in range(rounds):
            for strike, found in runs.items():
                found.append(in_own_process(_fit, directory, trees, test, strike, watched=False))
    undisturbed, killed = median_run(runs[-1.0]), median_run(runs[at])
    for run in (undisturbed, killed):
        if "failed" in run:
            raise SystemExit(f"a run failed: {run['failed']}")
    return {
        "rows": rows,
        "columns": COLUMNS,
        "trees": trees,
        "rounds": rounds,
        "checkpoint_every": EVERY,
        "killed_at_tree": int(at * trees),
        "overhead": killed["fit_seconds"] / undisturbed["fit_seconds"] - 1,
        "auc_difference": abs(killed["auc"] - undisturbed["auc"]),
        "runs": {"undisturbed": undisturbed, "killed": killed},
    }


def _fit(directory: str, trees: int, test: str, at: float) -> dict[str, Any]:
    from scalable import ParquetSource, progress
    from scalable.boosting import LGBMClassifier

    watch = _Strike(int(at * trees) if at >= 0 else -1)
    progress.install(watch)
    began = time.perf_counter()
    model = LGBMClassifier(trees, num_leaves=63, n_workers=2).fit(
        ParquetSource(directory, target="y"), on_loss="replace", checkpoint_every=EVERY
    )
    seconds = time.perf_counter() - began
    return {
        "fit_seconds": seconds,
        "auc": auc(model.booster_, test),
        "stats": model.stats_,
        "struck": watch.struck,
    }


class _Strike:
    """A progress display that kills one worker when so many trees are done."""

    def __init__(self, at: int) -> None:
        self._at, self._done, self.struck = at, 0.0, False
        self._lock = threading.Lock()

    def open(self, label: str, total: float | None, unit: str) -> _Strike:
        self._done = 0.0
        return self

    def advance(self, amount: float, **metrics: Any) -> None:
        with self._lock:
            self._done += amount
            if self._at < 0 or self.struck or "s/tree" not in metrics or self._done < self._at:
                return
            self.struck = True
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # one that has ended
                if "scalable.boosting.workers.process" in process.cmdline():
                    os.kill(process.pid, signal.SIGKILL)
                    return

    def close(self, finished: bool) -> None:
        """Do nothing: the display is this object."""
