"""What asv's pages call a benchmark; not a suite itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


def named(name: str) -> Callable[[_F], _F]:
    """Return a decorator that gives a benchmark a name for people; the unit stands beside it."""

    def name_it(benchmark: _F) -> _F:
        benchmark.pretty_name = name  # type: ignore[attr-defined]  # asv reads it
        return benchmark

    return name_it
