"""What all threads of a process share and work here changes meanwhile: BLAS threads, warnings, a logger's level.

Changes of two threads overlap in any order. Each that put back what it had found would leave the other's behind, so
the first one in makes the change, and the last one out undoes it.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from threadpoolctl import ThreadpoolController


class ProcessWide:
    """A change of the process, made while anybody is inside.

    Parameters
    ----------
    change : callable
        Makes the change, and returns what undoes it.
    """

    def __init__(self, change: Callable[[], Callable[[], object]]) -> None:
        self._change = change
        self._lock = threading.Lock()
        self._inside = 0
        self._undo: Callable[[], object] = change

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Be inside."""
        with self._lock:
            if self._inside == 0:
                self._undo = self._change()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._undo()


@functools.lru_cache(1)
def _libraries(n_modules: int) -> ThreadpoolController:
    """Return the BLAS libraries of this process; looked for again after an import, for it takes milliseconds."""
    return ThreadpoolController()


def _limit_blas() -> Callable[[], object]:
    limits = _libraries(len(sys.modules)).limit(limits=1, user_api="blas")
    return limits.restore_original_limits  # type: ignore[no-any-return]


def _silence_distributed() -> Callable[[], object]:
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    return lambda: logger.setLevel(level)


def _ignore(message: str, category: type[Warning]) -> Callable[[], object]:
    before = list(warnings.filters)
    warnings.filterwarnings("ignore", message, category)
    ours = warnings.filters[0]

    def undo() -> None:
        if ours not in before:
            with suppress(ValueError):  # somebody reset all filters meanwhile
                warnings.filters.remove(ours)  # type: ignore[attr-defined]

    return undo


# The order of BLAS's sums must not depend on free processors.
one_blas_thread = ProcessWide(_limit_blas)
# Its retries print tracebacks of their own.
quiet_distributed = ProcessWide(_silence_distributed)


@functools.cache
def ignoring(message: str, category: type[Warning] = Warning) -> ProcessWide:
    """Return what keeps warnings from being shown whose text begins with a regular expression."""
    return ProcessWide(functools.partial(_ignore, message, category))


# A model of many categories is megabytes, which Dask takes for data.
large_tasks = ignoring("Sending large graph", UserWarning)
