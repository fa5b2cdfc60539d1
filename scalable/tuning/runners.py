"""Who measures trials: this process, or the workers of a Dask cluster, each one trial at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Protocol

from scalable.boosting.workers.placement import Team, local_team, team_of
from scalable.errors import ClusterError, UsageError
from scalable.execution.dask import FROZEN_SECONDS, current
from scalable.execution.liveness import LOST, Liveness
from scalable.execution.local import preloads
from scalable.execution.process_wide import one_blas_thread
from scalable.kernels.processors import available_processors
from scalable.tuning.trials import Measured, Plan, forget, measure

POLL_SECONDS = 1.0
NO_WORKER_SECONDS = 30.0
SEND_SECONDS, FORGET_SECONDS = 60.0, 5.0
MOST_LOSSES = 3  # of workers that one trial may cost


class Runner(Protocol):
    """Measures trials."""

    def run(self, trials: Sequence[int], budget: int) -> Iterator[tuple[int, Measured]]:
        """Yield each trial with what it reached, as they come."""


@contextmanager
def team_for(client: Any, n_workers: int | None, paths: tuple[str, ...]) -> Iterator[Team]:
    """Yield who searches: without a client, `n_workers` processes of this machine, or this one alone."""
    if client is not None or n_workers in (None, 1):
        with team_of(client, n_workers if client is not None else None, paths) as team:
            yield team
        return
    if n_workers is not None and n_workers < 1:
        raise UsageError(f"n_workers must be at least 1, found {n_workers}")
    from distributed import Client, LocalCluster

    threads = max(1, available_processors() // (n_workers or 1))
    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=threads,
            dashboard_address="127.0.0.1:0",  # None would listen on a fixed port
            memory_limit=0,
            preload=preloads(),
        ) as cluster,
        Client(cluster, set_as_default=False) as opened,
        team_of(opened, None, paths) as team,
    ):
        yield team


@contextmanager
def runner_of(team: Team, plan: Plan) -> Iterator[Runner]:
    """Yield who measures the trials of a plan; frees their memory afterwards."""
    if team.client is None:
        try:
            yield Here(plan, local_team(1).places[0].n_threads)
        finally:
            forget(plan.token)
        return
    cluster = OnCluster(team.client, [place.name for place in team.places], plan)
    try:
        yield cluster
    finally:
        cluster.close()


class Here:
    """Measures one trial after the other in this process, with all its processors."""

    def __init__(self, plan: Plan, n_threads: int) -> None:
        self._plan, self._threads = plan, n_threads

    def run(self, trials: Sequence[int], budget: int) -> Iterator[tuple[int, Measured]]:
        """See `Runner.run`."""
        for trial in trials:
            yield trial, measure(self._plan, trial, budget, self._threads)


def measure_there(plan: Plan, trial: int, budget: int) -> Measured:
    """Measure a trial on the Dask worker that runs this."""
    from distributed import get_worker

    with one_blas_thread():
        return measure(plan, trial, budget, max(1, get_worker().state.nthreads))


class OnCluster:
    """Gives every worker a trial whenever it has none: one that it began in an earlier rung where there is one.

    A trial whose worker is lost is measured by another, from its beginning and to the same bits.
    """

    def __init__(self, client: Any, workers: Sequence[str], plan: Plan) -> None:
        self._client, self._plan, self._chosen = client, plan, set(workers)
        self._liveness = Liveness(client)
        self._send()
        self._home: dict[int, str] = {}
        self._busy: dict[Any, tuple[int, str]] = {}
        self._losses: dict[int, int] = {}

    def run(self, trials: Sequence[int], budget: int) -> Iterator[tuple[int, Measured]]:
        """See `Runner.run`."""
        from distributed import TimeoutError as Late
        from distributed import wait

        waiting, since = deque(trials), time.monotonic()
        while waiting or self._busy:
            self._liveness.check(FROZEN_SECONDS, self._chosen.union(name for _, name in self._busy.values()))
            try:
                workers = sorted(self._client.nthreads())
            except OSError as error:  # before the client's status tells it
                raise ClusterError(LOST) from error
            present = [
                name for name in workers if name in self._chosen
            ] or workers  # others, once all are lost
            self._requeue(waiting, present)
            taken = {name for _, name in self._busy.values()}
            for worker in [name for name in present if name not in taken][: len(waiting)]:
                self._start(worker, waiting, budget)
            if present:
                since = time.monotonic()
            elif time.monotonic() - since > NO_WORKER_SECONDS:
                raise ClusterError(
                    f"the Dask cluster has had no worker for {NO_WORKER_SECONDS:.0f} s; start some and resume the "
                    "search"
                )
            if not self._busy:
                time.sleep(POLL_SECONDS)
                continue
            with suppress(Late, TimeoutError, CancelledError), current(self._client):
                wait(list(self._busy), timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")
            if self._client.status != "running":
                continue
            for future in [each for each in self._busy if each.done()]:
                trial, worker = self._busy.pop(future)
                found = self._result(future, trial, worker, waiting)
                if found is not None:
                    self._home[trial] = worker
                    yield trial, found

    def _send(self) -> None:
        """Give the plan to all workers; one that is frozen would be waited for, for ever."""
        from distributed import TimeoutError as Late

        send = partial(self._client.scatter, self._plan, broadcast=True, hash=False, asynchronous=True)
        try:
            self._sent = self._client.sync(send, callback_timeout=SEND_SECONDS)
        except (Late, TimeoutError) as error:
            raise ClusterError(
                f"the workers did not take the search's plan within {SEND_SECONDS:.0f} s; look at their logs, or "
                "restart the frozen one, and resume the search"
            ) from error

    def _start(self, worker: str, waiting: deque[int], budget: int) -> None:
        """Give a worker a trial that it began, or one that nobody did, or another's."""
        trial = min(waiting, key=lambda one: {worker: 0, "": 1}.get(self._home.get(one, ""), 2))
        waiting.remove(trial)
        future = self._client.submit(
            measure_there, self._sent, trial, budget, workers=[worker], allow_other_workers=False, pure=False
        )
        self._busy[future] = (trial, worker)

    def _requeue(self, waiting: deque[int], present: Sequence[str]) -> None:
        for future in [each for each, (_, worker) in self._busy.items() if worker not in present]:
            trial, worker = self._busy.pop(future)
            future.cancel()
            self._lost(trial, f"worker {worker} is gone", waiting)

    def _result(self, future: Any, trial: int, worker: str, waiting: deque[int]) -> Measured | None:
        """Return what a task found, or None where its worker or the plan was lost and it must run again.

        A worker may die with what it found before it is fetched. Its task then waits for this worker, for ever.
        """
        from distributed.scheduler import KilledWorker

        try:
            found: Measured = future.result(timeout=POLL_SECONDS)
        except (KilledWorker, CancelledError, OSError) as error:
            if isinstance(error, TimeoutError) and future.status != "error":  # else the trial's own
                self._busy[future] = trial, worker  # asked for again, unless the worker turns out to be gone
                return None
            self._send()
            self._lost(trial, str(error), waiting)
            return None
        return found

    def _lost(self, trial: int, why: str, waiting: deque[int]) -> None:
        self._home = {one: name for one, name in self._home.items() if one != trial}
        self._losses[trial] = self._losses.get(trial, 0) + 1
        if self._losses[trial] >= MOST_LOSSES:
            raise ClusterError(
                f"trial {trial} cost {MOST_LOSSES} workers ({why}); see their logs, likely for memory, and resume the "
                "search"
            )
        waiting.appendleft(trial)

    def close(self) -> None:
        """Stop what runs, and free the workers' memory."""
        for future in self._busy:
            future.cancel()
        with suppress(Exception):  # workers that are gone have freed it, one that is frozen is not waited for
            self._client.run(forget, self._plan.token, on_error="ignore", callback_timeout=FORGET_SECONDS)
