"""Progress of a worker, passed on a few times a second."""

from __future__ import annotations

import time
from typing import Any, Protocol

TELL_SECONDS = 0.2


class Tell(Protocol):
    """Takes messages for the driver."""

    def __call__(self, kind: str, **content: Any) -> None:
        """Send one message."""


class Throttle:
    """Passes progress on a few times a second."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._last = 0.0
        self._rows = 0
        self._trees: dict[str, Any] | None = None

    def rows(self, n: int) -> None:
        """Count rows that were filled."""
        self._rows += n
        if self._due():
            self._tell("filled", rows=self._rows)
            self._rows = 0

    def trees(self, done: int, seconds: float, metrics: dict[str, float], extra: dict[str, Any]) -> None:
        """Take note of a finished iteration."""
        self._trees = {"done": done, "seconds": seconds, "metrics": metrics, **extra}
        if self._due():
            self.flush()

    def flush(self) -> None:
        """Pass on what is left."""
        if self._trees is not None:
            self._tell("trees", **self._trees)
            self._trees = None

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._last < TELL_SECONDS:
            return False
        self._last = now
        return True
