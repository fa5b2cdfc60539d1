"""Two ways of starting the workers of one attempt: threads of this process, or one Dask task each."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from scalable.boosting.workers.job import Outcome, WorkerJob
from scalable.boosting.workers.supervise import Mailbox, supervise
from scalable.errors import ClusterError
from scalable.execution.dask import current
from scalable.execution.liveness import Liveness
from scalable.execution.process_wide import large_tasks

Message = dict[str, Any]
TELL_SECONDS = 5.0
FETCH_SECONDS = 10.0
GANG = "scalable-boosting-start"
SLACK_SECONDS = 5.0  # a frozen process is given up by its peers first, who know more
STOP_SECONDS = 1.5  # for supervisors to end their workers before the tasks themselves are cancelled


class Launcher(Protocol):
    """Starts workers and tells how they ended."""

    def start(self, jobs: Sequence[WorkerJob], tell: Callable[[Message], None]) -> None:
        """Start one supervised process per job."""

    def deliver(self, peers: list[tuple[str, int]]) -> None:
        """Tell every worker where its peers listen; all of them run by now."""

    def outcomes(self) -> dict[int, Outcome]:
        """Return how workers ended that ended."""

    def stop(self) -> None:
        """End every worker that still runs, and return when none of them can do more."""


class LocalLauncher:
    """Workers as children of this process."""

    def __init__(self) -> None:
        self._mailbox = Mailbox()
        self._threads: list[threading.Thread] = []
        self._outcomes: dict[int, Outcome] = {}

    def start(self, jobs: Sequence[WorkerJob], tell: Callable[[Message], None]) -> None:
        """See `Launcher.start`."""
        for job in jobs:
            thread = threading.Thread(
                target=self._run, args=(job, tell), name=f"worker-{job.worker}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _run(self, job: WorkerJob, tell: Callable[[Message], None]) -> None:
        try:
            self._outcomes[job.worker] = supervise(job, self._mailbox, tell)
        except Exception as error:
            self._outcomes[job.worker] = Outcome("error", job.worker, error=error)

    def deliver(self, peers: list[tuple[str, int]]) -> None:
        """See `Launcher.deliver`."""
        self._mailbox.peers = peers

    def outcomes(self) -> dict[int, Outcome]:
        """See `Launcher.outcomes`."""
        return dict(self._outcomes)

    def stop(self) -> None:
        """See `Launcher.stop`."""
        self._mailbox.stop.set()
        for thread in self._threads:
            thread.join(5.0)


# Per Dask process: the mailboxes of the workers that run on it, by fit.
_mailboxes: dict[str, Mailbox] = {}
_mailboxes_lock = threading.Lock()


def _mailbox_of(fit: str) -> Mailbox:
    with _mailboxes_lock:
        return _mailboxes.setdefault(fit, Mailbox())


def run_on_worker(job: WorkerJob, topic: str) -> Outcome:
    """Supervise one worker inside a Dask task; stops when the task is cancelled."""
    from distributed import get_worker

    from scalable.boosting.comm.encryption import credentials_of

    host = get_worker()
    if job.encrypted:
        job = replace(job, credentials=credentials_of(host.security, host.address))
    key = host.get_current_task()

    def cancelled() -> bool:
        task = host.state.tasks.get(key)
        return task is None or task.state not in {"executing", "long-running"}

    mailbox = _mailbox_of(job.fit)
    try:
        return supervise(job, mailbox, lambda message: host.log_event(topic, message), cancelled)
    finally:
        with _mailboxes_lock:
            _mailboxes.pop(job.fit, None)


async def leave_peers(fit: str, peers: list[tuple[str, int]]) -> None:
    """Run on a worker: hand the peers to the fit's supervisors there."""
    with _mailboxes_lock:
        mailbox = _mailboxes.get(fit)
    if mailbox is not None:  # else its workers have ended already
        mailbox.peers = peers


async def ask_to_stop(fit: str) -> None:
    """Run on a worker: make the fit's supervisors there end their workers."""
    with _mailboxes_lock:
        mailbox = _mailboxes.get(fit)
    if mailbox is not None:
        mailbox.stop.set()


class DaskLauncher:
    """Workers under one task per Dask worker, each pinned to its worker.

    Parameters
    ----------
    client : distributed.Client
        Connected and synchronous.
    addresses : sequence of str
        Of Dask workers, one per worker of the fit.
    """

    def __init__(self, client: Any, addresses: Sequence[str]) -> None:
        self.client = client
        self.addresses = list(addresses)
        self._futures: list[Any] = []
        self._outcomes: dict[int, Outcome] = {}
        self._fit = ""
        self._gang: Any = None
        self._liveness = Liveness(client)
        self._silence = 0.0

    def start(self, jobs: Sequence[WorkerJob], tell: Callable[[Message], None]) -> None:
        """See `Launcher.start`."""
        self._fit = jobs[0].fit
        self._silence = jobs[0].silence + SLACK_SECONDS
        self._topic = f"scalable-boosting-{self._fit}"
        self.client.subscribe_topic(self._topic, lambda event: tell(event[1]))
        self._take_gang_lock()
        for job, address in zip(jobs, self.addresses, strict=True):
            with large_tasks():
                future = self.client.submit(
                    run_on_worker, job, self._topic, key=f"boost-{self._fit}-{job.worker}", workers=[address],
                    allow_other_workers=False, pure=False, retries=0,
                )  # fmt: skip
            self._futures.append(future)

    def deliver(self, peers: list[tuple[str, int]]) -> None:
        """See `Launcher.deliver`."""
        self._free_gang_lock()
        self._tell_workers(leave_peers, self._fit, peers, workers=self.addresses)

    def _take_gang_lock(self) -> None:
        """Start all workers of one fit before any of another: two that hold half the workers each wait for ever."""
        from distributed import Lock

        with current(self.client):
            self._gang = Lock(GANG)
            while not self._gang.acquire(timeout=1.0):  # in turns, so that Ctrl-C is heard
                continue

    def _free_gang_lock(self) -> None:
        gang, self._gang = self._gang, None
        if gang is not None:
            with contextlib.suppress(Exception), current(self.client):
                gang.release()

    def _tell_workers(self, function: Any, *args: Any, workers: list[str]) -> None:
        """Run a coroutine on workers without waiting for it, nor for ever for a worker that is frozen."""
        with contextlib.suppress(Exception):
            self.client.sync(
                self.client._run, function, *args, workers=workers, wait=False, on_error="ignore",
                callback_timeout=TELL_SECONDS,
            )  # fmt: skip

    def outcomes(self) -> dict[int, Outcome]:
        """See `Launcher.outcomes`; a worker that left the cluster counts as died."""
        for worker, future in enumerate(self._futures):
            if worker in self._outcomes or not future.done():
                continue
            if future.status == "finished":
                self._outcomes[worker] = self._fetch(worker, future)
            elif future.status == "cancelled":
                self._outcomes[worker] = Outcome("stopped", worker, reason="its Dask task was cancelled")
            else:
                self._outcomes[worker] = _failed(worker, future.exception())
        self._check_workers()
        return dict(self._outcomes)

    def _fetch(self, worker: int, future: Any) -> Outcome:
        try:
            outcome: Outcome = future.result(timeout=FETCH_SECONDS)
        except Exception as error:
            return _failed(worker, error)
        return outcome

    def _check_workers(self) -> None:
        """Tell workers that left, and those whose process is frozen: their workers may run on, or never have begun."""
        ages = self._liveness.ages()
        lost = self.client.status != "running"
        if lost or self._liveness.scheduler_age() > self._silence:
            what = "was lost" if lost else f"has been silent for {self._silence:.0f} s"
            error = ClusterError(f"boosting stopped: the connection to the Dask scheduler {what}; restart it")
            for worker in range(len(self._futures)):
                self._outcomes.setdefault(worker, Outcome("error", worker, error=error))
            return
        if ages is None:
            return
        for worker, address in enumerate(self.addresses):
            age = ages.get(address, float("inf"))
            if worker not in self._outcomes and age > self._silence:
                reason = "left the cluster" if address not in ages else f"has been frozen for {age:.0f} s"
                self._outcomes[worker] = Outcome("died", worker, reason=f"its Dask worker {address} {reason}")

    def stop(self) -> None:
        """See `Launcher.stop`."""
        running = [w for worker, w in enumerate(self.addresses) if worker not in self._outcomes]
        with contextlib.suppress(Exception):
            self._free_gang_lock()
            if running:
                self._tell_workers(ask_to_stop, self._fit, workers=running)
                self._await_end(time.monotonic() + STOP_SECONDS)
        with contextlib.suppress(Exception):
            self.client.cancel(self._futures, force=True)
        with contextlib.suppress(Exception):
            self.client.unsubscribe_topic(self._topic)
        self._futures = []

    def _await_end(self, deadline: float) -> None:
        while time.monotonic() < deadline and not all(future.done() for future in self._futures):
            time.sleep(0.05)


def _failed(worker: int, error: BaseException | None) -> Outcome:
    name = type(error).__name__
    if name in {"KilledWorker", "CancelledError", "FutureCancelledError", "CommClosedError", "TimeoutError"}:
        return Outcome("died", worker, reason=f"its Dask worker was lost ({name})")
    return Outcome(
        "error", worker, error=error if isinstance(error, Exception) else RuntimeError(repr(error))
    )
