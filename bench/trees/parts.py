"""Where the time of a tree goes: processor time of every kernel, a row and tree."""

from __future__ import annotations

import statistics
import time
from typing import Any

from bench.trees.rows import binned_rows, grower_of
from scalable.boosting.native import boost
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth import histograms
from scalable.kernels.histogram.teamwork import MERGE, PARTITION, SEARCH, SUBTRACT, SUM, lead, share

KERNELS = ("quantise", "extremes", "number_rows", "mark_leaves", "leaf_sums", "add_leaf_values")
PHASES = {"partition": PARTITION, "histogram": SUM, "merge": MERGE, "subtract": SUBTRACT, "search": SEARCH}
TREES, WARM = 12, 2


def parts(n_rows: int, n_columns: int, num_leaves: int) -> dict[str, Any]:
    """Return nanoseconds a row and tree of every part on one thread, and what is left for the interpreter."""
    spent: dict[str, float] = {}
    kept = [(boost, name, getattr(boost, name)) for name in KERNELS]

    def timed(name: str, kernel: Any) -> Any:
        def call(*args: Any) -> Any:
            began = time.thread_time()
            try:
                return kernel(*args)
            finally:
                spent[name] = spent.get(name, 0.0) + time.thread_time() - began

        return call

    def in_phases(_number: int, team: Any, mine: Any, categories: Any) -> bool:
        """Do a job one phase after the other."""
        asked = int(team.job[0]["phases"])
        for name, phase in PHASES.items():
            if asked & phase:
                team.job["phases"] = phase
                timed(name, share)(0, team, mine, categories)
        return True

    params = {"objective": "binary", "num_leaves": num_leaves}
    rows = binned_rows(n_rows, n_columns, params, 1, seed=0)
    seen: list[dict[str, float]] = []
    try:
        for module, name, kernel in kept:
            setattr(module, name, timed(name, kernel))
        setattr(histograms, "lead", in_phases)  # noqa: B010  it is no part of what the module offers
        with Crew(1) as crew:
            boosting = grower_of(rows, params, crew)
            for k in range(WARM + TREES):
                spent.clear()
                began = time.thread_time()
                boosting.iterate(k, 0.1)
                seen.append({"whole": time.thread_time() - began, **spent})
    finally:
        setattr(histograms, "lead", lead)  # noqa: B010
        for module, name, kernel in kept:
            setattr(module, name, kernel)
    names = ["whole", *KERNELS, *PHASES]
    medians = {
        name: 1e9 / n_rows * statistics.median(tree.get(name, 0.0) for tree in seen[WARM:]) for name in names
    }
    medians["interpreter"] = medians["whole"] - sum(medians[name] for name in names[1:])
    return {"rows": n_rows, "columns": n_columns, "num_leaves": num_leaves, "ns_a_row_and_tree": medians}
