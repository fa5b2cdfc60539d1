"""The embedded executor: threads of this process; kernels and decoders release the GIL."""

from __future__ import annotations

import os
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from threadpoolctl import threadpool_limits

from scalable.execution.work import Report, StoppedError, Work


class Threads:
    """Runs work on `n` threads of this process.

    Parameters
    ----------
    n : int, optional
        Threads; by default the processors this process may use.
    """

    def __init__(self, n: int | None = None) -> None:
        self.n_workers = n or len(os.sched_getaffinity(0))

    def run(self, work: Work, report: Report) -> list[Any]:
        """Return one state a group, in order; the first failure stops the rest and is raised."""
        with threadpool_limits(1, user_api="blas"):  # the order of sums must not depend on threads
            return self._run(work, report)

    def _run(self, work: Work, report: Report) -> list[Any]:
        stop = threading.Event()
        if self.n_workers == 1 or len(work.groups) == 1:
            return work.run(stop.is_set, report)
        pool = ThreadPoolExecutor(self.n_workers, thread_name_prefix="fold")
        try:
            futures = [pool.submit(work.part([i]).run, stop.is_set, report) for i in range(len(work.groups))]
            wait(futures, return_when=FIRST_EXCEPTION)
            failed = [f.exception() for f in futures if f.done() and f.exception() is not None]
            stop.set()
            for error in failed:
                if error is not None and not isinstance(error, StoppedError):
                    raise error
            return [state for future in futures for state in future.result()]
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def __repr__(self) -> str:
        return f"Threads({self.n_workers})"
