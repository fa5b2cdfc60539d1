"""SHAP values beside LightGBM's ``pred_contrib`` and other libraries: 500 trees of 63 leaves, 28 columns, in turns.

    pip install --target PEERS --no-deps fasttreeshap daal4py daal tbb woodelf-explainer
    PYTHONPATH=PEERS OMP_NUM_THREADS=1 python -m bench.serving.shap_numbers --out docs/results/serving_shap.json

One thread each. A library that cannot be used here is a row with the reason.
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

from bench.serving.servers import FEATURES, train
from bench.serving.shap_peers import PEERS, AbsentError, peer
from scalable.inference import compile_model
from scalable.report.document import new_results
from scalable.report.results import write_results

SIZES = {1: 41, 10: 11, 100: 5, 1000: 3}  # rows a call, and turns
MANY = 100_000  # rows that LightGBM would need half an hour for: held against its 1,000


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(many: int) -> dict[str, list[dict[str, Any]]]:
    """Return a row a size, ours beside LightGBM's, and a row a size of each other library.

    Times are medians a row; differences are relative to the size of a score.
    """
    import lightgbm as lgb

    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "forest.txt"
        rows = np.array([[*row.values()] for row in train(model)])
        booster: Any = lgb.Booster(model_file=model)
        compiled: Any = compile_model(model)
    ways: dict[str, Any] = {
        "scalable": partial(compiled.predict, pred_contrib=True),
        "lightgbm": partial(booster.predict, pred_contrib=True, num_threads=1),
    }
    out: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for name in PEERS:
        try:
            ways[name] = peer(name, booster, rows[:2])
        except AbsentError as error:
            others.append({"library": name, "status": "absent", "message": str(error)})
    for n, turns in SIZES.items():
        taken = np.empty((turns, len(ways)))
        for turn in range(turns):
            X = np.ascontiguousarray(np.roll(rows, turn, axis=0)[:n])
            taken[turn] = [_seconds(partial(way, X)) for way in ways.values()]
        medians = np.median(taken[1:], axis=0) * 1e6 / n  # the first call compiles
        ours, theirs, *rest = medians.tolist()
        out.append(
            {"rows_a_call": n, "scalable_us": ours, "lightgbm_us": theirs, "times_as_fast": theirs / ours}
        )
        others += [
            {"library": name, "rows_a_call": n, "us_a_row": us, "scalable_times_as_fast": us / ours}
            for name, us in zip(list(ways)[2:], rest, strict=True)
        ]
    X = np.tile(rows, (many // len(rows), 1))
    ours = _seconds(partial(ways["scalable"], X)) * 1e6 / len(X)
    theirs = out[-1]["lightgbm_us"]
    out.append({"rows_a_call": len(X), "scalable_us": ours, "times_as_fast": theirs / ours})
    expected = ways["lightgbm"](rows[:100])
    size = np.abs(expected).sum(axis=1, keepdims=True)
    for name, way in ways.items():
        found = np.asarray(way(rows[:100]))
        far = float((np.abs(found[:, :FEATURES] - expected[:, :FEATURES]) / size).max())
        if name == "scalable":
            out[-1]["largest_difference"] = float((np.abs(found - expected) / size).max())
        elif name != "lightgbm":
            others.append({"library": name, "largest_difference": far})
    return {"shap": out, "shap_peers": others}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--many", type=int, default=MANY, help="rows of the largest call, of ours alone")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = measure(options.many)
    write_results(options.out, new_results("serving", found))
    for row in found["shap"] + found["shap_peers"]:
        print({name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()})


if __name__ == "__main__":
    main()
