"""Where the time of a tree goes: processor time of every kernel, a row and tree, beside that of rows in cache.

What no arrangement can be below is the number of times that a row is looked at, times what the same kernel takes for a
row that lies in a core's own cache, in order. The distance to it is waiting for memory, and what is done once a leaf.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.trees.rows import binned_rows, grower_of
from scalable.boosting.native import boost
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth.features import FeatureChoice
from scalable.boosting.native.growth.histograms import Histograms
from scalable.kernels.histogram.accumulate import NARROW_SUMS, add_rows
from scalable.kernels.histogram.partition import partition
from scalable.kernels.histogram.teamwork import MERGE, PARTITION, SEARCH, SUBTRACT, SUM, share

KERNELS = ("quantise", "extremes", "number_rows", "mark_leaves", "leaf_sums", "add_leaf_values")
PHASES = {"partition": PARTITION, "histogram": SUM, "merge": MERGE, "subtract": SUBTRACT, "search": SEARCH}
TREES, WARM = 12, 2
IN_CACHE, REPEATS = 2**12, 200  # rows of a bound, and times that they are looked at
STREAMED = 2**16  # rows of what goes through them in order, so many that a call itself does not count


def parts(n_rows: int, n_columns: int, num_leaves: int) -> dict[str, Any]:
    """Return nanoseconds a row and tree of every part on one thread, and what they are at least."""
    found, visits = _measured(n_rows, n_columns, num_leaves)
    few, _ = _measured(STREAMED, n_columns, num_leaves)
    least = {name: min(few[name], found[name]) for name in KERNELS}
    least |= {name: visits[name] * ns for name, ns in _a_visit(n_columns).items()}
    known = [name for name in found if name in least]
    rows = [
        {
            "part": name.replace("_", " "),
            "visits": visits.get(name, 1.0),
            "least_ns": least[name],
            "ns": found[name],
            "of_the_least": found[name] / least[name],
        }
        for name in known
    ]
    rest = [{"part": name, "ns": found[name]} for name in found if name not in least and name != "whole"]
    total, bound = found["whole"], sum(least.values())
    rows += [*rest, {"part": "all", "least_ns": bound, "ns": total, "of_the_least": total / bound}]
    return {"rows": n_rows, "columns": n_columns, "num_leaves": num_leaves, "parts": rows}


def _a_visit(n_columns: int) -> dict[str, float]:
    """Return nanoseconds a row of a histogram and of a partition, of rows that lie in cache in order."""
    part = binned_rows(IN_CACHE, n_columns, {"objective": "binary"}, 1, seed=0).parts[0]
    plane, packed, scratch = part.planes[0], np.ones(IN_CACHE, np.int64), np.empty(IN_CACHE, np.uint32)
    sums, table = np.zeros((n_columns, NARROW_SUMS), np.int64), np.zeros(256, np.uint8)
    table[:128] = 1

    def in_order() -> Any:
        return np.arange(IN_CACHE, dtype=np.uint32)

    rows = in_order()
    return {
        "histogram": _fastest(lambda: add_rows(plane.words, packed, rows, 0, IN_CACHE, sums)),
        "partition": _fastest(lambda: partition(plane.columns[0], table, in_order(), scratch)),
    }


def _fastest(call: Callable[[], Any]) -> float:
    """Return nanoseconds a row of the fastest of many calls on the rows of a bound."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return 1e9 / IN_CACHE * min(seconds)


def _measured(n_rows: int, n_columns: int, num_leaves: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return nanoseconds a row and tree of every part; the times a tree looks at a row, to sum and to deal it.

    What is left of the whole is the interpreter's, split by split.
    """
    spent: dict[str, float] = {}
    looked = {"histogram": 0, "partition": 0}
    of_all_nodes, run = FeatureChoice.__dict__["of_all_nodes"], Histograms.__dict__["_run"]
    kept = [(boost, name, getattr(boost, name)) for name in KERNELS]

    def timed(name: str, kernel: Any) -> Any:
        def call(*args: Any) -> Any:
            began = time.thread_time()
            try:
                return kernel(*args)
            finally:
                spent[name] = spent.get(name, 0.0) + time.thread_time() - began

        return call

    def in_phases(held: Any, phases: int) -> None:
        """Do a job one phase after the other."""
        team = held._team
        for name, phase in PHASES.items():
            if phases & phase:
                team.job["phases"] = phase
                timed(name, share)(0, team, held._mine, held._categories)
                left, n = int(team.lefts[0]), int(team.counts[0])
                looked["partition"] += n * (phase == PARTITION)
                looked["histogram"] += (left if team.job["small_left"][0] else n - left) * (phase == SUM)

    params = {"objective": "binary", "num_leaves": num_leaves}
    rows = binned_rows(n_rows, n_columns, params, 1, seed=0)
    seen: list[dict[str, float]] = []
    try:
        for module, name, kernel in kept:
            setattr(module, name, timed(name, kernel))
        # Neither is part of what its module offers. Splits go by steps, each by the interpreter, which `grow` spares.
        setattr(Histograms, "_run", in_phases)  # noqa: B010
        setattr(FeatureChoice, "of_all_nodes", False)  # noqa: B010
        with Crew(1) as crew:
            boosting = grower_of(rows, params, crew)
            for k in range(WARM + TREES):
                spent.clear()
                looked.update(histogram=0, partition=0)
                began = time.thread_time()
                boosting.iterate(k, 0.1)
                visits = {f"{name} visits": n / n_rows for name, n in looked.items()}
                seen.append({"whole": time.thread_time() - began, **spent, **visits})
    finally:
        setattr(Histograms, "_run", run)  # noqa: B010
        setattr(FeatureChoice, "of_all_nodes", of_all_nodes)  # noqa: B010
        for module, name, kernel in kept:
            setattr(module, name, kernel)

    def median(name: str) -> float:
        return statistics.median(tree.get(name, 0.0) for tree in seen[WARM:])

    names = ["whole", *KERNELS, *PHASES]
    medians = {name: 1e9 / n_rows * median(name) for name in names}
    medians["interpreter"] = medians["whole"] - sum(medians[name] for name in names[1:])
    return medians, {name: median(f"{name} visits") for name in looked}
