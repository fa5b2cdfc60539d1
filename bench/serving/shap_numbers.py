"""SHAP values beside LightGBM's ``pred_contrib`` and other libraries: 500 trees of 63 leaves, 28 columns, in turns.

    pip install fasttreeshap-fixed scikit-learn-intelex woodelf-explainer treelite  (an environment of their own)
    OMP_NUM_THREADS=1 python -m bench.serving.shap_numbers --out docs/results/serving_shap.json

One thread each. Other libraries have fewer turns, as woodelf takes seconds a call; one that cannot be used here is a
row with the reason.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
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
PEER_SECONDS = 10.0  # of another library, a size
MANY = 100_000  # rows that LightGBM would need half an hour for: held against its 1,000


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _beside(
    name: str, booster: Any, rows: np.ndarray, expected: np.ndarray, ours: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return a row a size of another library."""
    found: list[dict[str, Any]] = []
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # some draw bars
        try:
            contributions = peer(name, booster, rows[:2])
        except AbsentError as error:
            return [{"library": name, "status": "absent", "message": str(error)}]
        for row in ours:
            n, taken = row["rows_a_call"], list[float]()
            while len(taken) < 2 or (len(taken) < SIZES[n] and sum(taken) < PEER_SECONDS):
                X = np.ascontiguousarray(np.roll(rows, len(taken), axis=0)[:n])
                taken.append(_seconds(partial(contributions, X)))
            us = float(np.median(taken[1:])) * 1e6 / n
            found.append(
                {
                    "library": name,
                    "rows_a_call": n,
                    "us_a_row": us,
                    "scalable_times_as_fast": us / row["scalable_us"],
                }
            )
        size = np.abs(expected).sum(axis=1, keepdims=True)
        far = np.abs(contributions(rows[:100])[:, :FEATURES] - expected[:, :FEATURES]) / size
    found[-1]["largest_difference"] = float(far.max())
    return found


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
    ours: Any = partial(compiled.predict, pred_contrib=True)
    theirs: Any = partial(booster.predict, pred_contrib=True, num_threads=1)
    out: list[dict[str, Any]] = []
    for n, turns in SIZES.items():
        taken = np.empty((turns, 2))
        for turn in range(turns):
            X = np.ascontiguousarray(np.roll(rows, turn, axis=0)[:n])
            taken[turn] = _seconds(partial(ours, X)), _seconds(partial(theirs, X))
        ours_us, theirs_us = (np.median(taken[1:], axis=0) * 1e6 / n).tolist()  # the first call compiles
        out.append(
            {
                "rows_a_call": n,
                "scalable_us": ours_us,
                "lightgbm_us": theirs_us,
                "times_as_fast": theirs_us / ours_us,
            }
        )
    expected = theirs(rows[:100])
    others = [row for name in PEERS for row in _beside(name, booster, rows, expected, out)]
    X = np.tile(rows, (many // len(rows), 1))
    many_us = _seconds(partial(ours, X)) * 1e6 / len(X)
    size = np.abs(expected).sum(axis=1, keepdims=True)
    out.append(
        {
            "rows_a_call": len(X),
            "scalable_us": many_us,
            "times_as_fast": out[-1]["lightgbm_us"] / many_us,
            "largest_difference": float((np.abs(ours(rows[:100]) - expected) / size).max()),
        }
    )
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
