"""Trials an hour of `scalable.tune` beside GridSearchCV over the same estimator, and what halving loses.

    python -m bench.objects.tune_numbers --rows 5e5 5e6 --trials 27 --out docs/results/tune.json

`physics`, 100 trees at most, one fifth held out. The search reads Parquet; scikit-learn is given arrays that are in
memory already, one split of the same rows, and no refit. It trains every setting to the end, so that a few of the same
points tell its rate. With --all it trains all of them, and their least loss stands beside what the search found.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from scalable.report.document import new_results
from scalable.report.results import write_results

SPACE = (
    "learning_rate=log:0.02:0.4,num_leaves=15|31|63|127,min_child_samples=logint:5:500,lambda_l2=log:0.01:100"
)
TREES = 100


def measure(rows: int, trials: int, seed: int, few: int, *, everything: bool) -> list[dict[str, Any]]:
    """Return a row a contender."""
    import lightgbm
    from sklearn.model_selection import GridSearchCV

    import data_gen
    from scalable import ParquetSource, tune
    from scalable.boosting import LGBMClassifier
    from scalable.execution.reader import BlockReader

    with tempfile.TemporaryDirectory() as home:
        data_gen.generate("physics", rows=rows, out=f"{home}/rows", seed=seed)
        data_gen.generate("physics", rows=rows // 4, out=f"{home}/held", seed=seed + 1)
        train, held = (ParquetSource(f"{home}/{name}", target="signal") for name in ("rows", "held"))
        began = time.perf_counter()
        found = tune(
            "lightgbm", train, SPACE, task="classification", n_trials=trials, valid=held, budget=TREES,
            seed=seed, refit=False,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        points = [one["params"] for one in found.trials]
        names = [*train.feature_names, "signal"]
        blocks = [
            np.column_stack([block.arrays[name].to_numpy(zero_copy_only=False) for name in names]).astype(
                np.float32
            )
            for source in (train, held)
            for shard in source.shards
            for block in BlockReader(source, columns=tuple(names)).blocks(shard)
        ]
    values = np.concatenate(blocks)
    X, y = values[:, :-1], values[:, -1].astype(np.int64)
    split = [(np.arange(rows), np.arange(rows, len(X)))]
    shared = {"rows": rows, "seed": seed}
    out = [_row("scalable tune", seconds, trials, -found.best["value"], **shared)]
    grid: list[dict[str, list[Any]]] = [
        {name: [value] for name, value in point.items()} for point in (points if everything else points[:few])
    ]
    peers = {
        "GridSearchCV, the same estimator": LGBMClassifier(n_estimators=TREES, random_state=seed),
        "GridSearchCV, lightgbm's own": lightgbm.LGBMClassifier(
            n_estimators=TREES, random_state=seed, verbosity=-1
        ),
    }
    for name, estimator in peers.items():
        search = GridSearchCV(estimator, grid, scoring="neg_log_loss", cv=split, refit=False)
        began = time.perf_counter()
        search.fit(X, y)
        out.append(
            _row(
                name,
                time.perf_counter() - began,
                len(grid),
                search.best_score_ if everything else None,
                **shared,
            )
        )
    for one in out:
        one["times"] = out[0]["trials_per_hour"] / one["trials_per_hour"]
    return out


def _row(name: str, seconds: float, trials: int, score: float | None, **shared: Any) -> dict[str, Any]:
    row = {
        "contender": name,
        **shared,
        "trials": trials,
        "seconds": seconds,
        "trials_per_hour": trials / seconds * 3600,
    }
    return row if score is None else {**row, "log_loss": -score}


def main() -> None:
    """Measure all and write the document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=float, nargs="+", default=[5e5])
    parser.add_argument("--trials", type=int, default=27)
    parser.add_argument("--few", type=int, default=2, help="points that scikit-learn trains")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true", help="train all points, for their least loss")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    runs: list[dict[str, Any]] = []
    for rows in options.rows:
        for one in measure(int(rows), options.trials, options.seed, options.few, everything=options.all):
            runs.append(one)
            loss = f", log loss {one['log_loss']:.5f}" if "log_loss" in one else ""
            print(
                f"{one['rows']:10,} rows, {one['contender']}: {one['trials']} trials in {one['seconds']:.1f} s, "
                f"{one['trials_per_hour']:,.0f} an hour; the search does {one['times']:.2f} times as many{loss}",
                flush=True,
            )
        if options.out is not None:
            write_results(options.out, new_results("tune", {"tune": runs}, options.seed))


if __name__ == "__main__":
    main()
