"""Where the time of a tree goes: processor time of every kernel, a row and tree."""

from __future__ import annotations

import statistics
import time
from typing import Any

from bench.trees.rows import binned_rows, grower_of
from scalable.boosting.native import boost
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.growth import histograms
from scalable.boosting.native.growth.features import FeatureChoice
from scalable.kernels.histogram.leafwise import run_job
from scalable.kernels.histogram.teamwork import MERGE, PARTITION, SEARCH, SUBTRACT, SUM, share

KERNELS = ("quantise", "extremes", "number_rows", "mark_leaves", "leaf_sums", "add_leaf_values")
PHASES = {"partition": PARTITION, "histogram": SUM, "merge": MERGE, "subtract": SUBTRACT, "search": SEARCH}
TREES, WARM = 12, 2


def parts(n_rows: int, n_columns: int, num_leaves: int) -> dict[str, Any]:
    """Return nanoseconds a row and tree of every part on one thread; the rest is the interpreter's, split by split."""
    spent: dict[str, float] = {}
    of_all_nodes = FeatureChoice.__dict__["of_all_nodes"]
    kept = [(boost, name, getattr(boost, name)) for name in KERNELS]

    def timed(name: str, kernel: Any) -> Any:
        def call(*args: Any) -> Any:
            began = time.thread_time()
            try:
                return kernel(*args)
            finally:
                spent[name] = spent.get(name, 0.0) + time.thread_time() - began

        return call

    def in_phases(phases: int, team: Any, mine: Any, _growth: Any, categories: Any) -> bool:
        """Do a job one phase after the other."""
        for name, phase in PHASES.items():
            if phases & phase:
                team.job["phases"] = phase
                timed(name, share)(0, team, mine, categories)
        return True

    params = {"objective": "binary", "num_leaves": num_leaves}
    rows = binned_rows(n_rows, n_columns, params, 1, seed=0)
    seen: list[dict[str, float]] = []
    try:
        for module, name, kernel in kept:
            setattr(module, name, timed(name, kernel))
        # Neither is part of what its module offers. Splits go by steps, each by the interpreter, which `grow` spares.
        setattr(histograms, "run_job", in_phases)  # noqa: B010
        setattr(FeatureChoice, "of_all_nodes", False)  # noqa: B010
        with Crew(1) as crew:
            boosting = grower_of(rows, params, crew)
            for k in range(WARM + TREES):
                spent.clear()
                began = time.thread_time()
                boosting.iterate(k, 0.1)
                seen.append({"whole": time.thread_time() - began, **spent})
    finally:
        setattr(histograms, "run_job", run_job)  # noqa: B010
        setattr(FeatureChoice, "of_all_nodes", of_all_nodes)  # noqa: B010
        for module, name, kernel in kept:
            setattr(module, name, kernel)
    names = ["whole", *KERNELS, *PHASES]
    medians = {
        name: 1e9 / n_rows * statistics.median(tree.get(name, 0.0) for tree in seen[WARM:]) for name in names
    }
    medians["interpreter"] = medians["whole"] - sum(medians[name] for name in names[1:])
    return {"rows": n_rows, "columns": n_columns, "num_leaves": num_leaves, "ns_a_row_and_tree": medians}
