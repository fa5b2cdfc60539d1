"""BLAS on one thread while reductions run: the order of its sums must not depend on free processors."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_users = 0
_limits: Any = None


@functools.lru_cache(1)
def _libraries(n_modules: int) -> ThreadpoolController:
    """Return the BLAS libraries of this process; looked for again after an import, for it takes milliseconds."""
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread in this process until the last concurrent user leaves."""
    global _users, _limits  # noqa: PLW0603  the limit itself is the process's
    with _lock:
        if _users == 0:
            _limits = _libraries(len(sys.modules)).limit(limits=1, user_api="blas")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limits.restore_original_limits()
