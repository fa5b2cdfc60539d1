"""How many processors others use: what a second process need not hope for, and what blurs a timing.

The load average would tell of the last minute: after an installation it calls an idle machine busy, and a run busy with
itself.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

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


def _now() -> _Moment | None:
    """Return what was spent until now; None where nobody can tell, as a container may hide /proc."""
    try:
        spent = psutil.cpu_times()._asdict()
        own = sum(os.times()[:4])  # with the children that have ended
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # it has ended meanwhile
                own += sum(child.cpu_times()[:4])
    except Exception:  # facts about the machine never cost a run
        return None
    counted = {name: seconds for name, seconds in spent.items() if name not in _COUNTED_TWICE}
    return _Moment(sum(counted.values()), sum(counted.get(name, 0.0) for name in _WAITING), own)


def _look() -> tuple[_Moment | None, _Moment | None]:
    before = _now()
    time.sleep(LOOK_SECONDS)
    return before, _now()


def idle_processors() -> float:
    """Return how many of the available processors nobody uses, watched for a tenth of a second; 0 if none can tell."""
    before, after = _look()
    if before is None or after is None or after.all <= before.all:
        return 0.0
    return (after.idle - before.idle) / (after.all - before.all) * available_processors()


class Watch:
    """Tells how much others have used since it was made."""

    def __init__(self) -> None:
        self._began, self._first = time.monotonic(), _now()

    def others(self) -> float | None:
        """Return how many processors others have used on average; None where nobody can tell.

        Where the watch was made a moment ago, it looks for a tenth of a second.
        """
        if self._first is None:
            return None
        long = time.monotonic() - self._began > 2 * LOOK_SECONDS
        before, after = (self._first, _now()) if long else _look()
        if before is None or after is None:
            return None
        passed = after.all - before.all
        share = (after.used - before.used) / passed if passed > 0.0 else 0.0
        return min(max(share, 0.0), 1.0) * (os.cpu_count() or 1)


def used_by_others(machine: dict[str, Any]) -> float | None:
    """Return how many processors others used while a document was made, if it says so and they were too many."""
    others, cores = machine.get("others"), machine.get("cores") or 1
    return others if others is not None and others > BUSY * cores else None


def machine_line(machine: dict[str, Any]) -> str | None:
    """Return one line where other work on the machine blurred the timings."""
    others = used_by_others(machine)
    if others is None:
        return None
    busy = f"The machine was busy: others used {others:.1f} of its processors"
    return f"{busy}; ratios within a table hold, times do not."
