"""How many processors work may be spread over."""

from __future__ import annotations

import os


def available_processors() -> int:
    """Return the number of processors this process may use, which affinity masks may keep below the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
