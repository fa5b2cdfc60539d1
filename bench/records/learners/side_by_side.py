"""Contenders in turns: the least wall and processor time of each, so that a busy moment strikes all alike."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def in_turns(contenders: Mapping[str, Callable[[], Any]], rows: int, repeats: int = 3) -> dict[str, Any]:
    """Run each contender `repeats` times, one after another.

    Parameters
    ----------
    contenders : mapping of str to callable
        What is run; each is called once more beforehand, to compile.
    rows : int
        Rows of one call.
    repeats : int
        Rounds.

    Returns
    -------
    dict
        Of each, ``wall_ns_per_row`` and ``processor_ns_per_row``, the least of all rounds.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit of few iterations is what was asked for
        for work in contenders.values():
            work()
        found: dict[str, dict[str, float]] = {}
        for _ in range(repeats):
            for name, work in contenders.items():
                wall, used = time.perf_counter(), time.process_time()
                work()
                took = {
                    "wall_ns_per_row": (time.perf_counter() - wall) / rows * 1e9,
                    "processor_ns_per_row": (time.process_time() - used) / rows * 1e9,
                }
                best = found.setdefault(name, took)
                found[name] = {key: min(value, best[key]) for key, value in took.items()}
    return found
