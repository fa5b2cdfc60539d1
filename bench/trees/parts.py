"""Where the time of a tree goes: processor time of every kernel, a row and tree."""

from __future__ import annotations

import statistics
import time
from typing import Any

from bench.trees.rows import binned_rows, grower_of
from scalable.boosting.native import boost
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth import grow, histograms

KERNELS = (
    (boost, ("quantise", "extremes", "number_rows", "mark_leaves", "leaf_sums", "add_leaf_values")),
    (histograms, ("add_all_rows", "add_rows", "subtract_histogram", "search_numbers")),
    (grow, ("partition",)),
)
TREES, WARM = 12, 2


def parts(n_rows: int, n_columns: int, num_leaves: int) -> dict[str, Any]:
    """Return nanoseconds a row and tree of every part on one thread, and what is left for the interpreter."""
    spent: dict[str, float] = {}
    kept = [(module, name, getattr(module, name)) for module, names in KERNELS for name in names]

    def timed(name: str, kernel: Any) -> Any:
        def call(*args: Any) -> Any:
            began = time.thread_time()
            try:
                return kernel(*args)
            finally:
                spent[name] = spent.get(name, 0.0) + time.thread_time() - began

        return call

    params = {"objective": "binary", "num_leaves": num_leaves}
    rows = binned_rows(n_rows, n_columns, params, 1, seed=0)
    seen: list[dict[str, float]] = []
    try:
        for module, name, kernel in kept:
            setattr(module, name, timed(name, kernel))
        with Crew(1) as crew:
            boosting = grower_of(rows, params, crew)
            for k in range(WARM + TREES):
                spent.clear()
                began = time.thread_time()
                boosting.iterate(k, 0.1)
                seen.append({"whole": time.thread_time() - began, **spent})
    finally:
        for module, name, kernel in kept:
            setattr(module, name, kernel)
    names = ["whole", *(name for _, name, _ in kept)]
    medians = {
        name: 1e9 / n_rows * statistics.median(tree.get(name, 0.0) for tree in seen[WARM:]) for name in names
    }
    medians["interpreter"] = medians["whole"] - sum(medians[name] for name in names[1:])
    return {"rows": n_rows, "columns": n_columns, "num_leaves": num_leaves, "ns_a_row_and_tree": medians}
