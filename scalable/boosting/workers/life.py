"""What is seen of a process: its peak memory; whether it is stopped, or only waits on a machine with too much to do."""

from __future__ import annotations

import resource

import psutil

_WAITING = (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)  # runnable counts as running


def peak_rss() -> int:
    """Return this process's peak resident memory in bytes.

    It is the kernel's own mark of this program. `getrusage` begins with the memory of whoever started it: a child of 10
    MB that a parent of 500 MB starts reports 500 (measured, Linux 6).
    """
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


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
