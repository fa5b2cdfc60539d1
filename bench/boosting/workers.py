"""Two workers of ours beside ``lightgbm.dask`` and plain LightGBM: seconds, memory, and who survives a limit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bench.boosting.contenders import lightgbm_dask, ours, ours_dask, plain
from bench.boosting.processes import in_own_process, median_run
from bench.boosting.rows import COLUMNS, held_out, wide

CONTENDERS = {function.__name__: function for function in (ours, ours_dask, plain, lightgbm_dask)}
ROW_BYTES = COLUMNS + 40  # of a worker, by the formula
MODEL_FACTOR, MODEL_FIXED = 1.15, 400e6


def section_workers(rows: int, trees: int, only: list[str], rounds: int = 1) -> dict[str, Any]:
    """Compare seconds from Parquet to the booster, each contender's cluster included, in turns; then peak memory."""
    directory = str(wide(rows))
    timed: dict[str, list[dict[str, Any]]] = {n: [] for n in CONTENDERS if n in only}
    with tempfile.TemporaryDirectory() as place:
        args: tuple[Any, ...] = (directory, trees, held_out(Path(place)), {})
        for _ in range(rounds):
            for n, found_runs in timed.items():
                found_runs.append(in_own_process(CONTENDERS[n], *args, watched=False))
        watched = {n: in_own_process(CONTENDERS[n], *args) for n in timed}
    runs = {n: {**watched[n], **median_run(found_runs)} for n, found_runs in timed.items()}
    found: dict[str, Any] = {
        "rows": rows, "columns": COLUMNS, "trees": trees, "rounds": rounds, "runs": runs,
    }  # fmt: skip
    found["worker_bytes_allowed"] = MODEL_FACTOR * ROW_BYTES * rows / 2 + MODEL_FIXED
    done = {name: run for name, run in runs.items() if "fit_seconds" in run}
    for name in {"ours", "ours_dask"} & set(done):
        mine = done[name]
        found[name] = {"worker_bytes_peak": max(mine["worker_peak_bytes"])}
        for other in {"plain", "lightgbm_dask"} & set(done):
            found[name][f"times_as_fast_as_{other}"] = done[other]["fit_seconds"] / mine["fit_seconds"]
            found[name][f"share_of_memory_of_{other}"] = mine["peak_bytes"] / done[other]["peak_bytes"]
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
