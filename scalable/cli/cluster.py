"""A local Dask cluster for commands that want worker processes but were given no address."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def local_cluster(n_workers: int) -> Iterator[Any]:
    """Yield a client of `n_workers` one-thread worker processes on the loopback interface.

    No dashboard, no listener beyond 127.0.0.1; all processes have ended when the block is left.
    """
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.worker.memory.target": False,  # native memory cannot be spilled
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.nanny.pre-spawn-environ.POLARS_MAX_THREADS": "1",
        "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": "1",
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
