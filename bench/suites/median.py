"""What the suites share: the median time of a work, by which they track throughput, and names; not a suite itself."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


def ns_per_row(work: Callable[[], object], rows: int, repeats: int) -> float:
    """Return nanoseconds a row of the median of several calls, after one that is not timed."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / rows


def named(name: str) -> Callable[[_F], _F]:
    """Return a decorator that gives a benchmark a name for people; the unit stands beside it."""

    def name_it(benchmark: _F) -> _F:
        benchmark.pretty_name = name  # type: ignore[attr-defined]  # asv reads it
        return benchmark

    return name_it
