"""From Parquet to a model: seconds and memory here and by what people would use instead, clusters included."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bench.boosting.contenders import CONTENDERS
from bench.boosting.processes import in_own_process, median_run
from bench.boosting.rows import COLUMNS, held_out, wide

ROUNDS = 3
SLOW = ("ydf", "catboost")  # beside, not against: once


def from_parquet(n_rows: int, trees: int) -> dict[str, Any]:
    """Return every contender's seconds, a median of three in turns, and of one more run its peak memory.

    Parameters
    ----------
    n_rows, trees : int
        Of the job: 28 columns, trees of 63 leaves, two threads or two workers of one.
    """
    directory = str(wide(n_rows))
    timed: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as place:
        args = directory, trees, held_out(Path(place))
        for turn in range(ROUNDS):
            for name, found in timed.items():
                if turn == 0 or name not in SLOW:
                    found.append(in_own_process(CONTENDERS[name], *args, watched=False))
        watched = {n: in_own_process(CONTENDERS[n], *args) for n in CONTENDERS if n not in SLOW}
    runs = {name: {**watched.get(name, {}), **median_run(found)} for name, found in timed.items()}
    done = {name: run["fit_seconds"] for name, run in runs.items() if "fit_seconds" in run}
    ratios = {
        f"times_as_fast_as_{name}": seconds / done["ours"] for name, seconds in done.items() if "ours" in done
    }
    return {"rows": n_rows, "columns": COLUMNS, "trees": trees, "rounds": ROUNDS, "runs": runs, **ratios}
