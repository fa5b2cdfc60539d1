"""`GaussianNB` from Parquet: beside the bare scan of its columns, and scikit-learn's `partial_fit` fed by pyarrow."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn import naive_bayes

import data_gen
from bench.records.learners.side_by_side import in_turns
from scalable import ParquetSource
from scalable.bayes import GaussianNB

BATCH = 65_536


def measure(rows: int) -> dict[str, Any]:
    """Return times, ratios (processor time of one thread; and clock time of both), and how far the models are apart."""
    with tempfile.TemporaryDirectory() as scratch:
        data_gen.generate("physics", rows=rows, out=f"{scratch}/rows", seed=0)
        source = ParquetSource(f"{scratch}/rows", target="signal")
        names, models = list(source.feature_names), {}

        def scan() -> int:
            return sum(raw.n_rows for shard in source.shards for raw in source.raw_blocks(shard))

        def ours() -> None:
            models["ours"] = GaussianNB(n_workers=1).fit(source)

        def on_both() -> None:
            GaussianNB(n_workers=2).fit(source)

        def theirs() -> None:
            model = naive_bayes.GaussianNB()
            for path in source.paths:
                for batch in pq.ParquetFile(path).iter_batches(BATCH, columns=[*names, "signal"]):
                    X = np.column_stack([batch[name].to_numpy() for name in names])
                    model.partial_fit(X, batch["signal"].to_numpy(), classes=[0, 1])
            models["theirs"] = model

        contenders = {"scan": scan, "scalable": ours, "two threads": on_both, "scikit-learn": theirs}
        times = in_turns(contenders, rows)
    used = {name: found["processor_ns_per_row"] for name, found in times.items()}
    return {
        "rows": rows, "columns": len(names), "times": times,
        "over_scan": used["scalable"] / used["scan"],
        "times_as_fast": used["scikit-learn"] / used["scalable"],
        "times_as_fast_on_two_threads": times["scikit-learn"]["wall_ns_per_row"]
        / times["two threads"]["wall_ns_per_row"],
        "means_apart": float(np.abs(models["ours"].theta_ - models["theirs"].theta_).max()),
    }  # fmt: skip
