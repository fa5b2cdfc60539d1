"""Two workers of ours beside ``lightgbm.dask`` and plain LightGBM: seconds, memory, and who survives a limit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bench.boosting.contenders import lightgbm_dask, ours, plain
from bench.boosting.processes import in_own_process
from bench.boosting.rows import COLUMNS, held_out, wide

CONTENDERS = {function.__name__: function for function in (ours, plain, lightgbm_dask)}
ROW_BYTES = COLUMNS + 40  # of a worker, by the formula
MODEL_FACTOR, MODEL_FIXED = 1.15, 400e6


def section_workers(rows: int, trees: int, only: list[str]) -> dict[str, Any]:
    """Compare seconds from Parquet to the booster, each contender's cluster included, and peak memory."""
    directory = str(wide(rows))
    with tempfile.TemporaryDirectory() as place:
        test = held_out(Path(place))
        runs = {n: in_own_process(f, directory, trees, test, {}) for n, f in CONTENDERS.items() if n in only}
    found: dict[str, Any] = {"rows": rows, "columns": COLUMNS, "trees": trees, "runs": runs}
    if "ours" in runs:
        allowed = MODEL_FACTOR * ROW_BYTES * rows / 2 + MODEL_FIXED
        found["worker_bytes_allowed"] = allowed
        found["worker_bytes_peak"] = max(runs["ours"]["rank_peak_bytes"])
        for other in ("plain", "lightgbm_dask"):
            if "fit_seconds" in runs.get(other, {}):
                found[f"speed_against_{other}"] = runs[other]["fit_seconds"] / runs["ours"]["fit_seconds"]
                found[f"memory_of_{other}"] = runs["ours"]["peak_bytes"] / runs[other]["peak_bytes"]
    return found


def section_limit(rows: int, trees: int, only: list[str], limit: int = 6 * 2**30) -> dict[str, Any]:
    """Train within a control group of 6 GiB."""
    directory = str(wide(rows))
    with tempfile.TemporaryDirectory() as place:
        test = held_out(Path(place))
        runs = {
            n: in_own_process(f, directory, trees, test, {}, limit=limit)
            for n, f in CONTENDERS.items()
            if n in only
        }
    return {"rows": rows, "columns": COLUMNS, "trees": trees, "limit_bytes": limit, "runs": runs}
