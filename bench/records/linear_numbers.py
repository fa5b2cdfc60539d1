"""Quality and speed of the linear learners: ``python -m bench.records.linear_numbers WHAT --out FILE``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.records.linear_speed import against, generated, log_loss, speed
from scalable import ParquetSource
from scalable.cli.options import parse_count
from scalable.linear import LinearRegression, LogisticRegression, SGDRegressor
from scalable.report.document import new_results
from scalable.report.results import write_results


def targets(source: ParquetSource) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the target column."""
    name = str(source.target)
    parts = [np.asarray(b.arrays[name]) for shard in source.shards for b in source.raw_blocks(shard, [name])]
    return np.concatenate(parts).astype(np.float64)


def classification(directory: Path, rows: int, seed: int) -> list[dict[str, Any]]:
    """Compare one pass of descent with Newton's optimum on `physics`."""
    place = generated(directory, "physics", "none", rows, seed)
    source = ParquetSource(place, target="signal")
    train, held_out = source.split(every=5)
    y = targets(held_out)
    newton = LogisticRegression(solver="newton").fit(train)
    descent = LogisticRegression(solver="sgd").fit(train)
    best = log_loss(y, newton.predict_proba(held_out)[:, 1])
    once = log_loss(y, descent.predict_proba(held_out)[:, 1])
    return [
        {"what": "physics: rows trained on", "value": train.n_rows},
        {"what": "physics: passes of Newton with its warm start", "value": newton.n_iter_},
        {"what": "physics: held-out log loss, Newton", "value": best},
        {"what": "physics: held-out log loss, one pass of descent", "value": once},
        {"what": "physics: excess of one pass, relative", "value": once / best - 1},
    ]


def regression(directory: Path, rows: int, seed: int) -> list[dict[str, Any]]:
    """Compare one pass of descent with least squares on `regression`."""
    place = generated(directory, "regression", "none", rows, seed)
    train, held_out = ParquetSource(place, target="target").split(every=5)
    y = targets(held_out)
    exact = float(np.mean((y - LinearRegression().fit(train).predict(held_out)) ** 2))
    once = float(np.mean((y - SGDRegressor(alpha=0.0).fit(train).predict(held_out)) ** 2))
    return [
        {"what": "regression: held-out squared error, least squares", "value": exact},
        {"what": "regression: held-out squared error, one pass of descent", "value": once},
        {"what": "regression: excess of one pass, relative", "value": once / exact - 1},
    ]


def ordered(directory: Path, rows: int, seed: int) -> list[dict[str, Any]]:
    """Compare one pass with Newton's optimum on `fraud`: rare positives, rows in order of time, no ids."""
    place = generated(directory, "fraud", "none", rows, seed)
    source = ParquetSource(place, target="is_fraud")
    train, held_out = source.with_features([n for n in source.feature_names if n[-3:] != "_id"]).split(
        every=5
    )
    y = targets(held_out)
    best = log_loss(y, LogisticRegression(solver="newton").fit(train).predict_proba(held_out)[:, 1])
    once = log_loss(y, LogisticRegression(solver="sgd").fit(train).predict_proba(held_out)[:, 1])
    return [
        {"what": "fraud without ids: rows trained on", "value": train.n_rows},
        {"what": "fraud without ids: held-out log loss, Newton", "value": best},
        {"what": "fraud without ids: held-out log loss, one pass of descent", "value": once},
        {"what": "fraud without ids: excess of one pass, relative", "value": once / best - 1},
    ]


def sorted_targets(directory: Path, rows: int, seed: int) -> list[dict[str, Any]]:
    """Compare one pass over `physics` whose training rows are sorted by the target with Newton's optimum."""
    place = generated(directory, "physics", "none", rows, seed)
    train, held_out = ParquetSource(place, target="signal").split(every=5)
    parts = [pa.table(b.arrays) for shard in train.shards for b in train.raw_blocks(shard)]
    pq.write_table(
        pa.concat_tables(parts).sort_by("signal"), directory / "sorted.parquet", row_group_size=2**17,
        compression="none", use_dictionary=False,
    )  # fmt: skip
    source, y = ParquetSource(directory / "sorted.parquet", target="signal"), targets(held_out)
    best = log_loss(y, LogisticRegression(solver="newton").fit(source).predict_proba(held_out)[:, 1])
    once = log_loss(y, LogisticRegression(solver="sgd").fit(source).predict_proba(held_out)[:, 1])
    return [{"what": "physics sorted by the target: excess of one pass, relative", "value": once / best - 1}]


def hashed(directory: Path, rows: int, seed: int) -> list[dict[str, Any]]:
    """Compare one pass of descent with ten on `clicks`, whose categories no exact solver takes."""
    place = generated(directory, "clicks", "none", rows, seed)
    train, held_out = ParquetSource(place, target="click").split(every=5)
    y = targets(held_out)
    losses = {
        passes: log_loss(
            y, LogisticRegression(solver="sgd", max_iter=passes).fit(train).predict_proba(held_out)[:, 1]
        )
        for passes in (1, 2, 3, 10)
    }
    best = min(losses.values())
    return [
        *({"what": f"clicks: held-out log loss, passes: {n}", "value": loss} for n, loss in losses.items()),
        {
            "what": "clicks: excess of one pass over the best of those, relative",
            "value": losses[1] / best - 1,
        },
    ]


def real(directory: Path) -> list[dict[str, Any]]:
    """Compare descent, by its own stopping rule, with Newton on the real datasets of a directory."""
    found = []
    for train in sorted(directory.glob("*_train.parquet")):
        name = train.name.removesuffix("_train.parquet")
        held_out = ParquetSource(directory / f"{name}_test.parquet", target="label")
        y = targets(held_out)
        source = ParquetSource(train, target="label")
        newton = LogisticRegression(solver="newton").fit(source)
        descent = LogisticRegression(solver="sgd").fit(source)
        best = log_loss(y, newton.predict_proba(held_out)[:, 1])
        own = log_loss(y, descent.predict_proba(held_out)[:, 1])
        found += [
            {"what": f"{name}: passes of Newton, its start by descent counted", "value": newton.n_iter_},
            {"what": f"{name}: held-out log loss, Newton", "value": best},
            {"what": f"{name}: held-out log loss, descent", "value": own},
            {"what": f"{name}: passes of descent", "value": descent.n_iter_},
        ]
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("quality", "speed", "peers"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--rows",
        default="1.5e6",
        help="rows; of speed several, of peers two: beside others, and of Newton (default: 1.5e6)",
    )
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--real", type=Path, help="directory of real datasets, NAME_train and NAME_test")
    parser.add_argument("--data", type=Path, help="directory where generated data is kept; else removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = options.data or Path(scratch)
        sizes = [parse_count(text) for text in options.rows.split(",")]
        sections: dict[str, list[dict[str, Any]]] = {}
        if options.what == "speed":
            sections = speed(place, sizes, options.seed)
        elif options.what == "peers":
            sections = against(place, sizes, options.seed)
        else:
            found = classification(place, sizes[0], options.seed)
            found += regression(place, sizes[0], options.seed)
            found += ordered(place, sizes[0], options.seed)
            found += sorted_targets(place, sizes[0], options.seed)
            found += hashed(place, sizes[0], options.seed)
            found += real(options.real) if options.real else []
            sections["linear"] = found
    command = f"python -m bench.records.linear_numbers {options.what} --rows {options.rows} --out FILE"
    write_results(options.out, new_results("linear", sections, seed=options.seed, command=command))


if __name__ == "__main__":
    main()
