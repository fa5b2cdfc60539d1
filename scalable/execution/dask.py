"""The cluster executor: one long task per worker thread and round; data never passes the client."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import Any

from scalable.errors import ClusterError
from scalable.execution.fetching import reading
from scalable.execution.liveness import Liveness
from scalable.execution.merge_tree import Result, Results
from scalable.execution.process_wide import large_tasks, one_blas_thread
from scalable.execution.threads import Threads
from scalable.execution.work import Report, Work

NO_WORKER_SECONDS = 30.0
FROZEN_SECONDS = 30.0
FETCH_SECONDS = 10.0
REPORT_SECONDS = 0.2


@contextmanager
def current(client: Any) -> Iterator[None]:
    """Make a client the one of this thread in the block, as ``Client.as_current`` does.

    That one changes dask's configuration too, which all threads share: two of them, entered and left in turns, leave
    it changed, and whoever computes afterwards is told that no client is active.
    """
    from distributed.client import _current_client

    token = _current_client.set(client)
    try:
        yield
    finally:
        _current_client.reset(token)


class Dask:
    """Runs work on a Dask cluster.

    Work is partitioned into one task per worker thread, not pinned: when a worker is lost, the
    scheduler runs its task elsewhere and the result has the same bits.

    Parameters
    ----------
    client : distributed.Client
        A connected, synchronous client.
    workers : sequence of str, optional
        Addresses of those that may take part; by default all.
    """

    def __init__(self, client: Any, workers: Sequence[str] | None = None) -> None:
        self.client, self._chosen = client, None if workers is None else list(workers)
        # One topic a fit, not a round: the scheduler remembers topics for ever.
        self._topic = f"scalable-{uuid.uuid4().hex}"

    @property
    def n_workers(self) -> int:
        """Number of worker threads connected now."""
        return max(1, sum(self._workers().values()))

    def run(self, work: Work, report: Report) -> list[Any]:
        """Return the results in the order of their groups.

        Work on rows that this process holds is done by threads of this process: sending the rows
        would cost more.

        Raises
        ------
        ClusterError
            When no worker is left for ``NO_WORKER_SECONDS``, a worker or the scheduler gave no sign of
            life for ``FROZEN_SECONDS``, a task has killed several workers, the work was cancelled from
            elsewhere, or the scheduler is lost.
        Exception
            The first failure of a task, as it was raised there; the other tasks are cancelled.
        """
        if work.reader.source.in_memory:
            return Threads().run(work, report)
        key = f"scalable-round-{uuid.uuid4().hex[:12]}"
        with self._progress(report, work.n_rows):
            futures = []
            try:
                for i, part in enumerate(work.partition(self.n_workers)):
                    futures.append(self._submit(part.packed(), f"{key}-{i}"))
                results = Results(work.task)
                for found in chain.from_iterable(self._gather(futures)):
                    results.add(found)
                return [result.value for result in results.in_order()]
            finally:
                if self.client.status == "running":
                    self.client.cancel(futures, force=True)

    def _submit(self, part: Work, key: str) -> Any:
        with large_tasks():
            return self.client.submit(_run_part, part, self._topic, key=key, pure=False, workers=self._chosen)

    def _workers(self) -> dict[str, int]:
        """Return threads by worker; ``scheduler_info`` is now and then refreshed without workers."""
        found: dict[str, int] = self.client.nthreads()
        return found if self._chosen is None else {a: n for a, n in found.items() if a in self._chosen}

    @contextmanager
    def _progress(self, report: Report, total: int) -> Iterator[None]:
        """Pass on what workers tell; rows that a lost worker had counted are not counted twice."""
        done = 0
        lock = threading.Lock()

        def hear(event: Any) -> None:
            nonlocal done
            with lock:
                rows = min(event[1]["rows"], total - done)
                done += rows
            if rows:
                report(rows, event[1]["metrics"])

        self.client.subscribe_topic(self._topic, hear)
        try:
            yield
            with lock:
                left, done = total - done, total
            if left:
                report(left, {})  # events may arrive after the results
        finally:
            with lock:
                done = total  # nobody listens any more
            if self.client.status == "running":
                self.client.unsubscribe_topic(self._topic)

    def _wait(self, futures: list[Any]) -> None:
        """Block until all are done or one failed, unless the cluster freezes or stays without workers."""
        from distributed import TimeoutError as WaitTimeout
        from distributed import wait

        alone_since: float | None = None
        liveness = Liveness(self.client)
        while True:
            with suppress(WaitTimeout, CancelledError), current(self.client):
                wait(futures, timeout=1)
            if all(future.done() for future in futures) or any(f.status == "error" for f in futures):
                return
            liveness.check(FROZEN_SECONDS)
            ages = liveness.ages()
            if ages is None or (self._workers() if self._chosen else ages):
                alone_since = None
            elif alone_since is None:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > NO_WORKER_SECONDS:
                raise ClusterError(
                    f"the cluster has had no worker for {NO_WORKER_SECONDS:.0f} s; start workers and resume"
                )

    def _gather(self, futures: list[Any], seconds: float = FETCH_SECONDS) -> list[Any]:
        """Wait for the results and fetch them.

        A worker may die after its task and before this: the task is run again, and waited for again.
        """
        from distributed.scheduler import KilledWorker

        self._wait(futures)
        failed = [future for future in futures if future.status == "error"]
        fetch = partial(self.client.gather, failed or futures, asynchronous=True)
        try:
            found: list[Any] = self.client.sync(fetch, callback_timeout=seconds)
        except TimeoutError:
            if failed:
                raise  # by a task
            return self._gather(futures, 2 * seconds)  # longer, for large results over a slow network
        except CancelledError as error:
            raise ClusterError(
                "the work was cancelled on the cluster, or the cluster restarted; run it again"
            ) from error
        except KilledWorker as error:
            raise ClusterError(
                f"a task lost {error.allowed_failures + 1} workers in a row (the last was "
                f"{error.last_worker.address}); look for a lack of memory in the workers' logs"
            ) from error
        return found

    def __repr__(self) -> str:
        return f"Dask({self.client.scheduler.address!r})"


def _run_part(work: Work, topic: str) -> list[Result]:
    """Run on a worker: work on the groups, tell the client about progress, stop when cancelled."""
    from distributed import get_worker

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
        if time.monotonic() - last >= REPORT_SECONDS:
            shown = {name: float(value) for name, value in metrics.items()}
            worker.log_event(topic, {"rows": rows, "metrics": shown})
            last, rows = time.monotonic(), 0

    with reading(work.reader), one_blas_thread():
        results = Results(work.task)
        work.run(stopped, report, results)
        return results.in_order()
