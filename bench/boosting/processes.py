"""Contenders in processes of their own, whose memory is sampled together with all below them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

SAMPLE_SECONDS = 0.2
LIMITED_SECONDS = 100  # for a contender within a memory limit: whose worker was killed may wait for ever


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
    function: Callable[..., dict[str, Any]], *args: Any, limit: int = 0, watched: bool = True
) -> dict[str, Any]:
    """Run `function` in a fresh process; return its dict with seconds and, if `watched`, peak memory added.

    Watching costs: adding up the shared pages of several gigabytes, five times a second, slowed a fit by a third.

    Parameters
    ----------
    function : callable
        Module-level.
    *args
        Its arguments.
    limit : int
        Bytes that it and all below it may use together (a control group, which needs root); 0 for no limit.

    Returns
    -------
    dict
        With ``failed`` in place of a result when the process raised or was killed.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    with _capped(limit) as group:
        process = context.Process(target=_child, args=(there, function, args, group, watched))
        began = time.perf_counter()
        process.start()
        there.close()
        result: dict[str, Any]
        try:
            if group and not here.poll(LIMITED_SECONDS):
                result = {"failed": f"hung: no result after {LIMITED_SECONDS} s"}
                _end_all(Path(group))
            else:
                result = here.recv()
        except EOFError:
            process.join()
            result = {"failed": f"ended with exit code {process.exitcode}"}
        process.join()
        result.setdefault("seconds", time.perf_counter() - began)
        if group:
            result["kills_by_memory"] = _kills(Path(group))
    return result


def _child(
    pipe: Any,
    function: Callable[..., dict[str, Any]],
    args: tuple[Any, ...],
    group: str,
    watched: bool = True,
) -> None:
    if group:
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
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


@contextlib.contextmanager
def _capped(limit: int) -> Iterator[str]:
    """Make a memory control group (version 1 or 2); yield its directory, or "" without a limit."""
    if not limit:
        yield ""
        return
    root = Path("/sys/fs/cgroup/memory")
    old = root.is_dir()
    group = (root if old else Path("/sys/fs/cgroup")) / f"boosting-numbers-{os.getpid()}"
    group.mkdir()
    try:
        (group / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(limit))
        yield str(group)
    finally:
        deadline = time.monotonic() + 30
        while True:
            try:
                group.rmdir()
                break
            except OSError:  # processes of a killed contender may take a moment to end
                if time.monotonic() > deadline:
                    raise
                _end_all(group)
                time.sleep(0.2)


def _end_all(group: Path) -> None:
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(psutil.Error):
            psutil.Process(int(pid)).kill()


def _kills(group: Path) -> int:
    """Return how many processes the kernel killed for memory in the group."""
    for name in ("memory.oom_control", "memory.events"):
        if (group / name).is_file():
            fields = dict(line.split() for line in (group / name).read_text().splitlines())
            return int(fields.get("oom_kill", 0))
    return 0
