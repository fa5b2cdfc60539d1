"""The cluster executor: one long task per worker and round; data never passes the client."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from typing import Any

from threadpoolctl import threadpool_limits

from scalable.errors import ClusterError
from scalable.execution.work import Report, Work

NO_WORKER_SECONDS = 30.0


class Dask:
    """Runs work on a Dask cluster.

    A round is dealt as one task per worker, not pinned: when a worker is lost, the scheduler runs
    its task elsewhere and the result has the same bits.

    Parameters
    ----------
    client : distributed.Client
        A connected, synchronous client.
    """

    def __init__(self, client: Any) -> None:
        self.client = client

    @property
    def n_workers(self) -> int:
        """Number of workers connected now."""
        return max(1, len(self.client.scheduler_info(n_workers=-1)["workers"]))

    def run(self, work: Work, report: Report) -> list[Any]:
        """Return one state a group, in order.

        Raises
        ------
        ClusterError
            When no worker is left for ``NO_WORKER_SECONDS``.
        Exception
            The first failure of a task, as it was raised there; the other tasks are cancelled.
        """
        n = min(self.n_workers, len(work.groups))
        edges = [len(work.groups) * k // n for k in range(n + 1)]
        topic = f"scalable-{uuid.uuid4().hex}"
        self.client.subscribe_topic(topic, lambda event: report(event[1]["rows"], event[1]["metrics"]))
        key = f"scalable-round-{uuid.uuid4().hex[:12]}"
        futures = [
            self.client.submit(
                _run_part, work.part(range(edges[i], edges[i + 1])), topic, key=f"{key}-{i}", pure=False
            )
            for i in range(n)
        ]
        try:
            self._wait(futures)
            return [state for states in self.client.gather(futures) for state in states]
        finally:
            self.client.cancel(futures, force=True)
            self.client.unsubscribe_topic(topic)

    def _wait(self, futures: list[Any]) -> None:
        """Block until all are done or one failed, unless the cluster stays without workers."""
        from distributed import TimeoutError as WaitTimeout
        from distributed import wait

        alone_since: float | None = None
        while True:
            with suppress(WaitTimeout):
                wait(futures, timeout=1)
            if all(future.done() for future in futures) or any(f.status == "error" for f in futures):
                return
            if self.client.status != "running":
                raise ClusterError("the connection to the Dask scheduler was lost; restart it and resume")
            if self.client.scheduler_info(n_workers=-1)["workers"]:
                alone_since = None
            elif alone_since is None:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > NO_WORKER_SECONDS:
                raise ClusterError(
                    f"the cluster has had no worker for {NO_WORKER_SECONDS:.0f} s; start workers and resume"
                )

    def __repr__(self) -> str:
        return f"Dask({self.client.scheduler.address!r})"


def _run_part(work: Work, topic: str) -> list[Any]:
    """Run on a worker: fold the groups, tell the client about progress, stop when cancelled."""
    from distributed import get_worker

    threadpool_limits(1, user_api="blas")  # for good: the order of sums must not depend on threads
    worker = get_worker()
    key = worker.get_current_task()
    last = time.monotonic()
    rows = 0

    def stopped() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state not in {"executing", "long-running"}

    def report(n_rows: int, metrics: dict[str, float]) -> None:
        nonlocal last, rows
        rows += n_rows
        if time.monotonic() - last >= 0.2:
            worker.log_event(topic, {"rows": rows, "metrics": metrics})
            last, rows = time.monotonic(), 0

    states = work.run(stopped, report)
    if rows:
        worker.log_event(topic, {"rows": rows, "metrics": {}})
    return states
