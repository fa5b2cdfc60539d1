"""What a Dask cluster adds: time and memory of fits on two one-thread workers that run already."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .gate import found
from .median import named

try:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bench.data import directory, scaled
    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier
    from scalable.execution.local import local_cluster
    from scalable.linear import LogisticRegression

    measured = found("scalable.cli.screen.meter:measured", "scalable.cli.meter:measured")
    missing = ""
except ImportError as error:  # a commit from before these
    missing = str(error)

COLUMNS, TREES = 28, 10


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


def _source() -> Any:
    """Return rows of float32 with a label, written when they are not there yet."""
    rows = scaled(200_000)
    path = directory() / f"workers-{rows}.parquet"
    if not path.is_file():
        random = np.random.default_rng(0)
        x: Any = random.standard_normal((COLUMNS, rows), np.float32)
        y = (x[0] * x[1] + x[2] + random.standard_normal(rows) > 0).astype(np.int8)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        columns = {f"x{j}": x[j] for j in range(COLUMNS)}
        pq.write_table(pa.table({**columns, "y": y}), partial, row_group_size=2**13, use_dictionary=False)
        partial.rename(path)
    return ParquetSource(path, target="y")


def _logistic(client: Any) -> Any:
    return LogisticRegression(solver="newton", client=client)


def _forest(client: Any) -> Any:
    return LGBMClassifier(TREES, num_leaves=63, random_state=0, verbosity=-1, client=client, n_workers=2)


LEARNERS: dict[str, Callable[[Any], Any]] = {"logistic": _logistic, "forest": _forest}


class Fit:
    """One cluster a learner: its workers fit once to warm up, once by the clock, once watched for memory."""

    params = (list(LEARNERS),)
    param_names = ("learner",)
    timeout = 600

    def setup_cache(self) -> dict[str, tuple[float, float]]:
        return {} if missing else {learner: _measured(learner) for learner in LEARNERS}

    setup_cache.timeout = 1200  # type: ignore[attr-defined]  # asv reads it

    @named("Fit on two Dask workers")
    def track_fit(self, found: dict[str, tuple[float, float]], learner: str) -> float:
        return found[learner][0]

    @named("Peak memory of a fit on two Dask workers")
    def track_memory(self, found: dict[str, tuple[float, float]], learner: str) -> float:
        """Track the peak PSS of this process and all workers."""
        return found[learner][1]

    track_fit.unit = "ns/row"  # type: ignore[attr-defined]  # asv reads it
    track_memory.unit = "MB"  # type: ignore[attr-defined]  # asv reads it


def _measured(learner: str) -> tuple[float, float]:
    """Return ns a row of a fit, and the megabytes of another; workers have imported and compiled all before."""
    source = _source()
    with local_cluster(2) as client:
        make = LEARNERS[learner]
        make(client).fit(source)
        model = make(client)
        start = time.perf_counter_ns()
        model.fit(source)
        taken = time.perf_counter_ns() - start
        with measured("fit") as stage:
            make(client).fit(source)
    return taken / float(source.n_rows), (stage.peak_memory_bytes or 0) / 1e6
