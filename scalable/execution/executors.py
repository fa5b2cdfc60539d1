"""Choosing who does the work: threads of this process, or a Dask cluster by client or address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from scalable import progress
from scalable.errors import ClusterError, UsageError
from scalable.execution.dask import Dask
from scalable.execution.process_wide import quiet_distributed
from scalable.execution.threads import Threads
from scalable.execution.work import Report, Work

CONNECT_SECONDS = 10


class Executor(Protocol):
    """Does work and hands back one result a group, in order, or one of groups whose results the task merges."""

    @property
    def n_workers(self) -> int:
        """Number of workers that can run at once."""

    def run(self, work: Work, report: Report) -> list[Any]:
        """Run `work`."""


@contextmanager
def connected(client: Any) -> Iterator[Any]:
    """Yield a Dask client for a client or an address; closes only what it opened.

    Raises
    ------
    ClusterError
        When no scheduler answers at the address.
    UsageError
        When `client` is neither.
    """
    if not isinstance(client, str):
        if not hasattr(client, "scheduler_info") or not hasattr(client, "submit"):
            raise UsageError(f"client must be a dask Client, an address or None, not {type(client).__name__}")
        if getattr(client, "asynchronous", False):
            raise UsageError("client is asynchronous; give one made with asynchronous=False, or its address")
        if client.status != "running":
            raise ClusterError(
                f"the Dask client is {client.status}: it was closed, or its scheduler is gone; connect a new one"
            )
        yield client
        return
    try:
        with quiet_distributed():
            opened = _attempt(client)
    except TypeError as error:  # distributed's, without a word of what to do
        raise ClusterError(
            f"{client!r} wants TLS, for which no certificates are configured; give a Client made with "
            "security=Security(tls_ca_file=..., tls_client_cert=..., tls_client_key=...)"
        ) from error
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {client!r}; check the address, or start one with `dask scheduler`"
        ) from error
    with opened:
        yield opened


def _attempt(address: str) -> Any:
    from distributed import Client

    class Attempt(Client):
        """A client that ends what it began when it cannot connect.

        Otherwise the garbage collector does so, in whatever thread and moment: while another client starts, both
        want one lock, and wait for ever.
        """

        def __init__(self) -> None:
            try:
                super().__init__(address, timeout=CONNECT_SECONDS, set_as_default=False)
            except BaseException:
                self.close()
                raise

    return Attempt()


@contextmanager
def get_executor(client: Any = None, n_workers: int | None = None) -> Iterator[Executor]:
    """Yield the executor for a `client` argument.

    Parameters
    ----------
    client : distributed.Client, str or None
        A client, the address of a scheduler, or None for threads of this process.
    n_workers : int, optional
        Number of threads when there is no client; all processors by default.
    """
    if client is None:
        yield Threads(n_workers)
        return
    with connected(client) as dask_client:
        yield Dask(dask_client)


def run_shown(executor: Executor, work: Work, label: str | None) -> list[Any]:
    """Run `work` under a name on the progress display; silently without."""
    if label is None:
        return executor.run(work, lambda n_rows, metrics: None)
    total = None if work.reader.source.exact_rows is None else work.n_rows
    with progress.task(label, total) as shown:
        return executor.run(work, lambda n_rows, metrics: shown.advance(n_rows, **metrics))
