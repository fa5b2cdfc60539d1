"""How many processors work may be spread over."""

from __future__ import annotations

import os
import time

LOOK_SECONDS = 0.1


def available_processors() -> int:
    """Return the number of processors this process may use, which affinity masks may keep below the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def idle_processors() -> float:
    """Return how many of the available processors nobody uses, watched for a tenth of a second.

    The load average would tell of the last minute: after an installation it calls an idle machine busy.
    """
    import psutil

    before = psutil.cpu_times()
    time.sleep(LOOK_SECONDS)
    spent = [b - a for a, b in zip(before, psutil.cpu_times(), strict=True)]
    idle = spent[before._fields.index("idle")]
    share = idle / total if (total := sum(spent)) > 0.0 else 0.0
    return share * available_processors()
