"""How many processors others use: what a second process need not hope for, and what blurs a timing.

The load average would tell of the last minute: after an installation it calls an idle machine busy, and a run busy with
itself.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from scalable.kernels.processors import available_processors

LOOK_SECONDS = 0.1
BUSY = 0.2  # of the processors: from there on timings are blurred
_WAITING = ("idle", "iowait")
_COUNTED_TWICE = ("guest", "guest_nice")  # they are part of user and nice


@dataclass(frozen=True, slots=True)
class _Moment:
    """Processor seconds until then: of all processors, those in which they did nothing, and our own."""

    all: float
    idle: float
    own: float

    @property
    def used(self) -> float:
        return self.all - self.idle - self.own


def _now() -> _Moment:
    import psutil

    spent = psutil.cpu_times()._asdict()
    own = sum(os.times()[:4])  # with the children that have ended
    for child in psutil.Process().children(recursive=True):
        try:
            own += sum(child.cpu_times()[:4])
        except psutil.Error:  # it has ended meanwhile
            continue
    counted = {name: seconds for name, seconds in spent.items() if name not in _COUNTED_TWICE}
    return _Moment(sum(counted.values()), sum(counted.get(name, 0.0) for name in _WAITING), own)


def _look() -> tuple[_Moment, _Moment]:
    before = _now()
    time.sleep(LOOK_SECONDS)
    return before, _now()


def idle_processors() -> float:
    """Return how many of the available processors nobody uses, watched for a tenth of a second."""
    before, after = _look()
    passed = after.all - before.all
    return (after.idle - before.idle) / passed * available_processors() if passed > 0.0 else 0.0


class Watch:
    """Tells how much others have used since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        try:
            self._first: _Moment | None = _now()
        except Exception:  # a container may hide /proc
            self._first = None

    def others(self) -> float | None:
        """Return how many processors others have used on average; None where nobody can tell.

        Where the watch was made a moment ago, it looks for a tenth of a second.
        """
        if self._first is None:
            return None
        try:
            before, after = (
                (self._first, _now()) if time.monotonic() - self._began > 2 * LOOK_SECONDS else _look()
            )
        except Exception:
            return None
        passed = after.all - before.all
        share = (after.used - before.used) / passed if passed > 0.0 else 0.0
        return min(max(share, 0.0), 1.0) * (os.cpu_count() or 1)


def used_by_others(machine: dict[str, Any]) -> float | None:
    """Return how many processors others used while a document was made, if it says so and they were too many."""
    others, cores = machine.get("others"), machine.get("cores") or 1
    return others if others is not None and others > BUSY * cores else None
