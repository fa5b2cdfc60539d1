"""The embedded executor: threads of this process; kernels and decoders release the GIL."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from concurrent.futures._base import DoneAndNotDoneFutures
from dataclasses import replace
from functools import partial
from typing import Any

from scalable.data.shard import Shard
from scalable.errors import UsageError
from scalable.execution.fetching import fetch, reading
from scalable.execution.merge_tree import Results
from scalable.execution.process_wide import one_blas_thread
from scalable.execution.work import Group, GroupRows, InTurns, Report, StoppedError, Work, shards_ahead
from scalable.kernels.buffers import begin_stage, give_back
from scalable.kernels.processors import available_processors

GIVE_BACK_SECONDS = 1.0


class Threads:
    """Runs work on `n` threads of this process.

    Of a task that waits for the disk, as its attribute `waits` says, a thread more: others go on meanwhile.

    Parameters
    ----------
    n : int, optional
        Threads; by default the processors this process may use.
    """

    def __init__(self, n: int | None = None) -> None:
        if n is not None and n < 1:
            raise UsageError(f"the number of threads must be at least 1, found {n}")
        self.n_workers = available_processors() if n is None else n
        self._gave_back = time.monotonic()

    def run(self, work: Work, report: Report) -> list[Any]:
        """Return the results in the order of their groups; the first failure stops the rest and is raised."""
        began = time.monotonic()
        try:
            with reading(work.reader), one_blas_thread():
                return self._run(work, report)
        finally:
            if time.monotonic() - began > GIVE_BACK_SECONDS:  # what follows may be no work on blocks
                give_back(whole=True)
            else:
                self._give_back_at_times()
                begin_stage()

    def _give_back_at_times(self) -> None:
        """Give free memory back every second of work: else the peak of a long job grows with its rows."""
        if time.monotonic() - self._gave_back > GIVE_BACK_SECONDS:
            give_back()
            self._gave_back = time.monotonic()

    def _run(self, work: Work, report: Report) -> list[Any]:
        stop, results = threading.Event(), Results(work.task)
        if self.n_workers == 1 or len(work.groups) == 1:
            work.run(stop.is_set, report, results)
            return [result.value for result in results.in_order()]
        n = self.n_workers + getattr(work.task, "waits", False)
        pool = ThreadPoolExecutor(n, thread_name_prefix="work")
        sequential, shared = work.reader.source.sequential, None
        if isinstance(work.task, InTurns) and not sequential:
            shared = _Turns(work.task, work, stop.is_set, report, n)
            jobs: list[Callable[[], Any]] = [shared.run] * min(n, len(work.groups))
        else:
            parts = work.partition(n if sequential else len(work.groups))
            # Threads take parts as they get free: a part is likely to be followed by the n-th after it.
            for k in range(len(parts) - n):
                parts[k] = replace(parts[k], following=parts[k + n].groups[0])
            jobs = [partial(part.run, stop.is_set, report, results) for part in parts]
        try:
            futures = [pool.submit(job) for job in jobs]
            # In slices: a handler of SIGINT such as polars' restarts system calls, so that an endless wait
            # would see Ctrl-C only when the next thread is done.
            while not _settled(wait(futures, timeout=0.2, return_when=FIRST_EXCEPTION)):
                self._give_back_at_times()
            failed = [f.exception() for f in futures if f.done() and f.exception() is not None]
            stop.set()
            for error in failed:
                if error is not None and not isinstance(error, StoppedError):
                    raise error
            return shared.results if shared else [result.value for result in results.in_order()]
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def __repr__(self) -> str:
        return f"Threads({self.n_workers})"


class _Turns:
    """Groups that threads work on in turns: a shard of whichever has most rows left, so that all end together.

    A thread that kept to its group would leave the others idle while it ends the last one; of three groups on two
    threads that is a quarter of the time.

    Parameters
    ----------
    task : InTurns
        What is done with each group.
    work : Work
        The groups.
    stopped, report : callable
        See `GroupRows`.
    n_workers : int
        Threads that take turns.

    Attributes
    ----------
    results : list
        One a group, in order, when all threads have run.
    """

    def __init__(
        self, task: InTurns, work: Work, stopped: Callable[[], bool], report: Report, n_workers: int = 1
    ) -> None:
        self.results: list[Any] = [None] * len(work.groups)
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, int, int, Generator[None, None, Any]]] = []
        self._left = []
        for k, group in enumerate(work.groups):
            rows = GroupRows(group, work.reader, stopped, report, (), work.first + k, expects=False)
            left = [sum(shard.n_rows for shard in group[turn:]) for turn in range(len(group) + 1)]
            self._left.append(left)
            self._waiting.append((-left[0], k, 0, task.turns(rows)))
        heapq.heapify(self._waiting)
        self._reader, self._ahead = (
            work.reader,
            n_workers * max((shards_ahead(group) for group in work.groups if group), default=1),
        )
        self._order = (*self._in_turn(work.groups), *work.following)
        self._begun, self._expected = 0, n_workers  # the first turns fetch for themselves

    def _in_turn(self, groups: Sequence[Group]) -> Iterator[Shard]:
        """Yield all shards about as they are learned from, so that they are fetched in that order."""
        waiting = [(-left[0], k, 0) for k, left in enumerate(self._left) if groups[k]]
        heapq.heapify(waiting)
        while waiting:
            _, k, turn = heapq.heappop(waiting)
            yield groups[k][turn]
            if turn + 1 < len(groups[k]):
                heapq.heappush(waiting, (-self._left[k][turn + 1], k, turn + 1))

    def _expect(self) -> None:
        """Have shards of later turns fetched; called at each turn."""
        self._begun += 1
        first, self._expected = self._expected, max(self._expected, self._begun + self._ahead)
        fetch(self._reader, self._order[first : self._expected])

    def run(self) -> None:
        """Take turns until no group waits for one; each of a pool of threads does so."""
        while True:
            with self._lock:
                if not self._waiting:  # the groups of other threads are ended by those
                    return
                _, k, turn, turns = heapq.heappop(self._waiting)
                self._expect()
            try:
                next(turns)
            except StopIteration as end:
                self.results[k] = end.value
                continue
            with self._lock:
                heapq.heappush(self._waiting, (-self._left[k][turn + 1], k, turn + 1, turns))


def _settled(waited: DoneAndNotDoneFutures[Any]) -> bool:
    return not waited.not_done or any(future.exception() is not None for future in waited.done)
