"""A Dask cluster of worker processes on this machine, for those who gave no address."""

from __future__ import annotations

import logging
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any


@contextmanager
def local_cluster(n_workers: int, threads_per_worker: int = 1) -> Iterator[Any]:
    """Yield a client of `n_workers` processes on the loopback interface; all have ended after the block.

    Ctrl-C reaches this process alone, which then ends its workers; they never see the signal.

    Parameters
    ----------
    n_workers : int
        Worker processes.
    threads_per_worker : int
        Threads each of them may use, OpenMP's included.
    """
    from distributed import Client

    with tempfile.TemporaryDirectory(prefix="scalable-dask-") as scratch:
        with ThreadPoolExecutor(1, initializer=_block_interrupts) as starter:
            cluster = starter.submit(_start, n_workers, threads_per_worker, scratch).result()
        with cluster, Client(cluster, set_as_default=False) as client:
            yield client


def preloads() -> list[str]:
    """Return what our own worker processes load first: what the user's settings name, after what makes that light."""
    import dask.config

    named = dask.config.get("distributed.worker.preload", [])
    return ["scalable.deferred", *([named] if isinstance(named, str) else named)]


def _block_interrupts() -> None:
    # Threads and processes inherit the mask of the thread that starts them. multiprocessing's
    # tracker process, started on first need, would unblock the signal again.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _start(n_workers: int, threads_per_worker: int, scratch: str) -> Any:
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=threads_per_worker,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",  # None would still listen, on a fixed port
        memory_limit=0,  # native memory cannot be spilled; budgets are checked before the start
        local_directory=scratch,
        silence_logs=logging.CRITICAL,
        env={"OMP_NUM_THREADS": str(threads_per_worker)},
        preload=preloads(),
    )
