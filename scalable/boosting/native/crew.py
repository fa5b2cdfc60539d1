"""A fixed set of threads that do one thing each, over and over: kernels run outside the interpreter's lock."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self


class Crew:
    """Runs ``work(k)`` for k in [0, size), 0 on the calling thread.

    Parameters
    ----------
    size : int
        Threads in all.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._tasks: list[SimpleQueue[Callable[[int], Any] | None]] = [SimpleQueue() for _ in range(size - 1)]
        self._done: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, args=(k,), name=f"trees-{k}", daemon=True)
            for k in range(1, size)
        ]
        for thread in self._threads:
            thread.start()

    def _serve(self, k: int) -> None:
        while (work := self._tasks[k - 1].get()) is not None:
            try:
                self._done.put((k, work(k), None))
            except BaseException as error:  # handed to the caller of `run`
                self._done.put((k, None, error))

    def run(self, work: Callable[[int], Any]) -> list[Any]:
        """Return ``[work(0), work(1), ...]``; the first failure is raised once all have ended."""
        if self.size == 1:
            return [work(0)]
        for tasks in self._tasks:
            tasks.put(work)
        results: list[Any] = [None] * self.size
        failures: list[BaseException] = []
        try:
            results[0] = work(0)
        except BaseException as error:  # the others must end before arrays they write are given up
            failures.append(error)
        for _ in self._tasks:
            k, results[k], failure = self._done.get()
            if failure is not None:
                failures.append(failure)
        if failures:
            raise failures[0]
        return results

    @contextlib.contextmanager
    def beside(self, work: Callable[[int], Any]) -> Iterator[None]:
        """Run ``work(k)`` for k in [1, size) while the calling thread does something else; wait for its end.

        The caller sees to it that `work` ends, also when the caller itself fails. What `work` raises is raised here.
        """
        for tasks in self._tasks:
            tasks.put(work)
        try:
            yield
        finally:
            failures = [failure for _ in self._tasks if (failure := self._done.get()[2]) is not None]
            if failures:
                raise failures[0]

    def close(self) -> None:
        """End the threads."""
        for tasks in self._tasks:
            tasks.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
