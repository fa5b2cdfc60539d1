"""The median time of a work, by which the suites track throughput; not a suite itself."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def ns_per_row(work: Callable[[], object], rows: int, repeats: int) -> float:
    """Return nanoseconds a row of the median of several calls, after one that is not timed."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / rows
