"""Contenders in processes of their own, whose memory is sampled together with all below them."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil

SAMPLE_SECONDS = 0.2


class PeakMemory:
    """Peak proportional set size of this process and all below it, and of each worker process, in bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self.workers: dict[int, int] = {}

    def __enter__(self) -> PeakMemory:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(SAMPLE_SECONDS):
            total = 0
            for process in [me, *me.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    size = int(process.memory_full_info().pss)  # shared pages count once over the processes
                    total += size
                    if "scalable.boosting.workers.process" in process.cmdline():
                        self.workers[process.pid] = max(size, self.workers.get(process.pid, 0))
            self.bytes = max(self.bytes, total)

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()


def in_own_process(
    function: Callable[..., dict[str, Any]], *args: Any, watched: bool = True
) -> dict[str, Any]:
    """Run `function` in a fresh process; return its dict with seconds and, if `watched`, peak memory added.

    Watching costs: adding up the shared pages of several gigabytes, five times a second, slowed a fit by a third.

    Parameters
    ----------
    function : callable
        Module-level.
    *args
        Its arguments.
    watched : bool
        Whether memory is sampled.

    Returns
    -------
    dict
        With ``failed`` in place of a result when the process raised or was killed.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_child, args=(there, function, args, watched))
    began = time.perf_counter()
    process.start()
    there.close()
    result: dict[str, Any]
    try:
        result = here.recv()
    except EOFError:
        process.join()
        result = {"failed": f"ended with exit code {process.exitcode}"}
    process.join()
    result.setdefault("seconds", time.perf_counter() - began)
    return result


def _child(pipe: Any, function: Callable[..., dict[str, Any]], args: tuple[Any, ...], watched: bool) -> None:
    memory = PeakMemory()
    with memory if watched else contextlib.nullcontext():
        began = time.perf_counter()
        try:
            result = function(*args)
        except Exception as error:
            result = {"failed": f"{type(error).__name__}: {error}"[:300]}
        seconds = time.perf_counter() - began
    found: dict[str, Any] = {"seconds": seconds}
    if watched:
        found |= {"peak_bytes": memory.bytes, "worker_peak_bytes": list(memory.workers.values())}
    pipe.send({**found, **result})


def median_run(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run of median ``fit_seconds``, with those of all; one that failed, if any did."""
    for run in runs:
        if "failed" in run:
            return run
    sorted_runs = sorted(runs, key=lambda run: float(run["fit_seconds"]))
    return {**sorted_runs[len(runs) // 2], "fit_seconds_of_all": [run["fit_seconds"] for run in runs]}
