"""SHAP values beside LightGBM's ``pred_contrib``: 500 trees of 63 leaves, 28 columns, one thread, in turns.

python -m bench.serving.shap_numbers --out docs/results/serving_shap.json
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.serving.servers import train
from scalable.inference import compile_model
from scalable.report.document import new_results
from scalable.report.results import write_results

SIZES = {1: 41, 10: 11, 100: 5, 1000: 3}  # rows a call, and turns
MANY = 100_000  # rows that LightGBM would need half an hour for: held against its 1,000


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(many: int) -> list[dict[str, Any]]:
    """Return a row a size: medians a row, their ratio, and the largest difference relative to the size of a score."""
    import lightgbm as lgb

    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "forest.txt"
        rows = np.array([[*row.values()] for row in train(model)])
        booster: Any = lgb.Booster(model_file=model)
        compiled: Any = compile_model(model)
        out = []
        for n, turns in SIZES.items():
            taken = np.empty((turns, 2))
            for turn in range(turns):
                X = np.ascontiguousarray(np.roll(rows, turn, axis=0)[:n])
                taken[turn] = (
                    _seconds(partial(compiled.predict, X, pred_contrib=True)),
                    _seconds(partial(booster.predict, X, pred_contrib=True, num_threads=1)),
                )
            ours, theirs = (np.median(taken[1:], axis=0) * 1e6 / n).tolist()  # the first call compiles
            out.append(
                {"rows_a_call": n, "scalable_us": ours, "lightgbm_us": theirs, "times_as_fast": theirs / ours}
            )
        X = np.tile(rows, (many // len(rows), 1))
        ours = _seconds(partial(compiled.predict, X, pred_contrib=True)) * 1e6 / len(X)
        theirs = out[-1]["lightgbm_us"]
        out.append({"rows_a_call": len(X), "scalable_us": ours, "times_as_fast": theirs / ours})
        found, expected = (
            compiled.predict(rows[:100], pred_contrib=True),
            booster.predict(rows[:100], pred_contrib=True),
        )
        size = np.abs(expected).sum(axis=1, keepdims=True)
        out[-1]["largest_difference"] = float((np.abs(found - expected) / size).max())
    return out


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--many", type=int, default=MANY, help="rows of the largest call, of ours alone")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = measure(options.many)
    write_results(options.out, new_results("serving", {"shap": found}))
    for row in found:
        print({name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()})


if __name__ == "__main__":
    main()
