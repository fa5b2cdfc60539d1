"""The embedded executor: threads of this process; kernels and decoders release the GIL."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from concurrent.futures._base import DoneAndNotDoneFutures
from dataclasses import replace
from typing import Any

from scalable.errors import UsageError
from scalable.execution.process_wide import one_blas_thread
from scalable.execution.work import Report, StoppedError, Work
from scalable.kernels.processors import available_processors


class Threads:
    """Runs work on `n` threads of this process.

    Parameters
    ----------
    n : int, optional
        Threads; by default the processors this process may use.
    """

    def __init__(self, n: int | None = None) -> None:
        if n is not None and n < 1:
            raise UsageError(f"the number of threads must be at least 1, found {n}")
        self.n_workers = available_processors() if n is None else n

    def run(self, work: Work, report: Report) -> list[Any]:
        """Return one result a group, in order; the first failure stops the rest and is raised."""
        try:
            with one_blas_thread():
                return self._run(work, report)
        finally:
            work.reader.source.release()

    def _run(self, work: Work, report: Report) -> list[Any]:
        stop = threading.Event()
        if self.n_workers == 1 or len(work.groups) == 1:
            return work.run(stop.is_set, report)
        pool = ThreadPoolExecutor(self.n_workers, thread_name_prefix="work")
        parts = work.partition(self.n_workers if work.reader.source.sequential else len(work.groups))
        try:
            # Threads take parts as they get free: a part is likely to be followed by the n-th after it.
            for k in range(len(parts) - self.n_workers):
                parts[k] = replace(parts[k], following=parts[k + self.n_workers].groups[0])
            futures = [pool.submit(part.run, stop.is_set, report) for part in parts]
            # In slices: polars' handler of SIGINT restarts system calls, so that an endless wait
            # would see Ctrl-C only when the next thread is done.
            while not _settled(wait(futures, timeout=0.2, return_when=FIRST_EXCEPTION)):
                pass
            failed = [f.exception() for f in futures if f.done() and f.exception() is not None]
            stop.set()
            for error in failed:
                if error is not None and not isinstance(error, StoppedError):
                    raise error
            return [result for future in futures for result in future.result()]
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def __repr__(self) -> str:
        return f"Threads({self.n_workers})"


def _settled(waited: DoneAndNotDoneFutures[Any]) -> bool:
    return not waited.not_done or any(future.exception() is not None for future in waited.done)
