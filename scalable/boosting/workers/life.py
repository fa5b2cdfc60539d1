"""Whether a silent process is stopped, or only waits for a processor or a disk on a machine that has too much to do."""

from __future__ import annotations

import psutil

_WAITING = (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)  # runnable counts as running


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far; 0 where there is none."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def stopped(pid: int, used: float) -> bool:
    """Whether a silent process is stopped for good.

    Parameters
    ----------
    pid : int
        Of the process.
    used : float
        Its `processor_seconds` when it last gave a sign.
    """
    try:
        state = psutil.Process(pid).status()
    except psutil.Error:
        return True
    if state in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE):
        return True
    return state not in _WAITING and processor_seconds(pid) <= used
