"""Two ways of starting the ranks of one attempt: threads of this process, or one Dask task per worker."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from scalable.boosting.workers.job import Outcome, RankJob
from scalable.boosting.workers.supervise import Mailbox, supervise
from scalable.errors import ClusterError
from scalable.execution.liveness import Liveness

Message = dict[str, Any]
TELL_SECONDS = 5.0
FETCH_SECONDS = 10.0
GANG = "scalable-boosting-start"
SLACK_SECONDS = 5.0  # a frozen process is given up by its peers first, who know more
STOP_SECONDS = 1.5  # for supervisors to end their ranks before the tasks themselves are cancelled


class Launcher(Protocol):
    """Starts ranks and tells how they ended."""

    def start(self, jobs: Sequence[RankJob], tell: Callable[[Message], None]) -> None:
        """Start one supervised process per job."""

    def deliver(self, roster: list[tuple[str, int]]) -> None:
        """Tell every rank where its peers listen; all of them run by now."""

    def outcomes(self) -> dict[int, Outcome]:
        """Return how ranks ended that ended."""

    def stop(self) -> None:
        """End every rank that still runs, and return when none of them can do more."""


class LocalLauncher:
    """Ranks as children of this process."""

    def __init__(self) -> None:
        self._mailbox = Mailbox()
        self._threads: list[threading.Thread] = []
        self._outcomes: dict[int, Outcome] = {}

    def start(self, jobs: Sequence[RankJob], tell: Callable[[Message], None]) -> None:
        """See `Launcher.start`."""
        for job in jobs:
            thread = threading.Thread(
                target=self._run, args=(job, tell), name=f"rank-{job.rank}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _run(self, job: RankJob, tell: Callable[[Message], None]) -> None:
        try:
            self._outcomes[job.rank] = supervise(job, self._mailbox, tell)
        except Exception as error:
            self._outcomes[job.rank] = Outcome("error", job.rank, error=error)

    def deliver(self, roster: list[tuple[str, int]]) -> None:
        """See `Launcher.deliver`."""
        self._mailbox.roster = roster

    def outcomes(self) -> dict[int, Outcome]:
        """See `Launcher.outcomes`."""
        return dict(self._outcomes)

    def stop(self) -> None:
        """See `Launcher.stop`."""
        self._mailbox.stop.set()
        for thread in self._threads:
            thread.join(5.0)


# Per worker process: the mailboxes of the ranks that run on it, by fit.
_mailboxes: dict[str, Mailbox] = {}
_mailboxes_lock = threading.Lock()


def _mailbox_of(fit: str) -> Mailbox:
    with _mailboxes_lock:
        return _mailboxes.setdefault(fit, Mailbox())


def run_on_worker(job: RankJob, topic: str) -> Outcome:
    """Supervise one rank inside a Dask task; stops when the task is cancelled."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def cancelled() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state not in {"executing", "long-running"}

    mailbox = _mailbox_of(job.fit)
    try:
        return supervise(job, mailbox, lambda message: worker.log_event(topic, message), cancelled)
    finally:
        with _mailboxes_lock:
            _mailboxes.pop(job.fit, None)


async def leave_roster(fit: str, roster: list[tuple[str, int]]) -> None:
    """Run on a worker: hand the roster to the fit's supervisors there."""
    with _mailboxes_lock:
        mailbox = _mailboxes.get(fit)
    if mailbox is not None:  # else its ranks have ended already
        mailbox.roster = roster


async def ask_to_stop(fit: str) -> None:
    """Run on a worker: make the fit's supervisors there end their ranks."""
    with _mailboxes_lock:
        mailbox = _mailboxes.get(fit)
    if mailbox is not None:
        mailbox.stop.set()


class DaskLauncher:
    """Ranks under one task per Dask worker, each pinned to its worker.

    Parameters
    ----------
    client : distributed.Client
        Connected and synchronous.
    workers : sequence of str
        Addresses, one per rank.
    """

    def __init__(self, client: Any, workers: Sequence[str]) -> None:
        self.client = client
        self.workers = list(workers)
        self._futures: list[Any] = []
        self._outcomes: dict[int, Outcome] = {}
        self._fit = ""
        self._gang: Any = None
        self._liveness = Liveness(client)
        self._silence = 0.0

    def start(self, jobs: Sequence[RankJob], tell: Callable[[Message], None]) -> None:
        """See `Launcher.start`."""
        self._fit = jobs[0].fit
        self._silence = jobs[0].silence + SLACK_SECONDS
        self._topic = f"scalable-boosting-{self._fit}"
        self.client.subscribe_topic(self._topic, lambda event: tell(event[1]))
        self._take_gang_lock()
        for job, worker in zip(jobs, self.workers, strict=True):
            future = self.client.submit(
                run_on_worker,
                job,
                self._topic,
                key=f"boost-{self._fit}-{job.rank}",
                workers=[worker],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
            self._futures.append(future)

    def deliver(self, roster: list[tuple[str, int]]) -> None:
        """See `Launcher.deliver`."""
        self._free_gang_lock()
        self._tell_workers(leave_roster, self._fit, roster, workers=self.workers)

    def _take_gang_lock(self) -> None:
        """Start all ranks of one fit before any of another: two fits that hold half the workers each wait for ever."""
        from distributed import Lock

        with self.client.as_current():
            self._gang = Lock(GANG)
            while not self._gang.acquire(timeout=1.0):  # in turns, so that Ctrl-C is heard
                continue

    def _free_gang_lock(self) -> None:
        gang, self._gang = self._gang, None
        if gang is not None:
            with contextlib.suppress(Exception), self.client.as_current():
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
        for rank, future in enumerate(self._futures):
            if rank in self._outcomes or not future.done():
                continue
            if future.status == "finished":
                self._outcomes[rank] = self._fetch(rank, future)
            elif future.status == "cancelled":
                self._outcomes[rank] = Outcome("stopped", rank, reason="its Dask task was cancelled")
            else:
                self._outcomes[rank] = _failed(rank, future.exception())
        self._check_workers()
        return dict(self._outcomes)

    def _fetch(self, rank: int, future: Any) -> Outcome:
        try:
            outcome: Outcome = future.result(timeout=FETCH_SECONDS)
        except Exception as error:
            return _failed(rank, error)
        return outcome

    def _check_workers(self) -> None:
        """Tell workers that left, and those whose process is frozen: their ranks may run on, or never have begun."""
        ages = self._liveness.ages()
        lost = self.client.status != "running"
        if lost or self._liveness.scheduler_age() > self._silence:
            what = "was lost" if lost else f"has been silent for {self._silence:.0f} s"
            error = ClusterError(f"boosting stopped: the connection to the Dask scheduler {what}; restart it")
            for rank in range(len(self._futures)):
                self._outcomes.setdefault(rank, Outcome("error", rank, error=error))
            return
        if ages is None:
            return
        for rank, worker in enumerate(self.workers):
            age = ages.get(worker, float("inf"))
            if rank not in self._outcomes and age > self._silence:
                reason = "left the cluster" if worker not in ages else f"has been frozen for {age:.0f} s"
                self._outcomes[rank] = Outcome("died", rank, reason=f"its Dask worker {worker} {reason}")

    def stop(self) -> None:
        """See `Launcher.stop`."""
        running = [w for rank, w in enumerate(self.workers) if rank not in self._outcomes]
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


def _failed(rank: int, error: BaseException | None) -> Outcome:
    name = type(error).__name__
    if name in {"KilledWorker", "CancelledError", "FutureCancelledError", "CommClosedError", "TimeoutError"}:
        return Outcome("died", rank, reason=f"its Dask worker was lost ({name})")
    return Outcome("error", rank, error=error if isinstance(error, Exception) else RuntimeError(repr(error)))
