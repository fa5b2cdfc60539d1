"""Files written by the workers of a Dask cluster, one task a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from data_gen.datasets import recipe
from data_gen.errors import GenerationError
from data_gen.writing.journal import Journal
from data_gen.writing.request import Part, Request
from scalable.storage.places import place

NO_WORKER_SECONDS = 60.0
_LOOK_SECONDS = 5.0

Write = Callable[[Journal, Any, Part, Callable[[int], None]], None]


def write_remotely(
    write: Write, out: str, request: Request, shards_of: tuple[int, int] | None, index: int
) -> int:
    """Write one file on a Dask worker and return its rows."""
    journal = Journal(place(out), request, shards_of)
    part = request.part(index)
    write(journal, recipe(request.dataset, request.seed, request.knobs), part, lambda rows: None)
    return part.rows


def run_dask(
    client: Any, write: Write, journal: Journal, parts: list[Part], advance: Callable[[int], None]
) -> None:
    """Write files on a cluster and report the rows of each finished one.

    Parameters
    ----------
    client : distributed.Client or str
    write : callable
        Writes one part on a worker; importable there.
    journal : Journal
    parts : list of Part
    advance : callable
        Called with rows; may raise to cancel.

    Raises
    ------
    GenerationError
        When the cluster has had no worker for ``NO_WORKER_SECONDS``; finished files stay.
    """
    from distributed import Client

    own = Client(client) if isinstance(client, str) else None
    cluster: Any = own or client
    out = str(journal.out.resolve())
    waiting = {
        cluster.submit(write_remotely, write, out, journal.request, journal.shards_of, part.index, pure=False)
        for part in parts
    }
    try:
        _gather(cluster, waiting, advance)
    except BaseException:
        cluster.cancel(list(waiting))
        raise
    finally:
        if own is not None:
            own.close()


def _gather(cluster: Any, waiting: set[Any], advance: Callable[[int], None]) -> None:
    from distributed import wait

    alive = time.monotonic()
    while waiting:
        try:
            with cluster.as_current():
                done = wait(waiting, timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            done = set()
        waiting -= done
        for future in done:
            advance(future.result())
        if done or cluster.nthreads():
            alive = time.monotonic()
        elif time.monotonic() - alive > NO_WORKER_SECONDS:
            raise GenerationError(
                f"the cluster has had no worker for {NO_WORKER_SECONDS:.0f} s; start workers "
                f"(dask worker {cluster.scheduler.address}) and pass --resume"
            )
