"""What boosting past memory costs: streaming rows into LightGBM, trees, ranks on Dask, the memory of workers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

try:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bench.data import directory, scaled
    from scalable.boosting import LGBMClassifier
    from scalable.cli.meter import measured
    from scalable.data.source import ParquetSource
    from scalable.execution.local import local_cluster

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
    path = directory() / f"boosting-{rows}.parquet"
    if not path.is_file():
        random = np.random.default_rng(0)
        x: Any = random.standard_normal((COLUMNS, rows), np.float32)
        y = (x[0] * x[1] + x[2] + random.standard_normal(rows) > 0).astype(np.int8)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        columns = {f"x{j}": x[j] for j in range(COLUMNS)}
        pq.write_table(pa.table({**columns, "y": y}), partial, row_group_size=2**14, use_dictionary=False)
        partial.rename(path)
    return ParquetSource(path, target="y")


def _learner(trees: int, **options: Any) -> Any:
    return LGBMClassifier(n_estimators=trees, num_leaves=63, random_state=0, verbosity=-1, **options)


@contextmanager
def _cluster() -> Iterator[Any]:
    """Yield a client of two one-thread workers that have fitted once, on a few rows, and so imported all."""
    few = np.random.default_rng(0).random((5_000, 3))
    with local_cluster(2) as client:
        _learner(1, client=client).fit(few, few[:, 0] > 0.5)
        yield client


class Local:
    """A fit in one process with one thread: survey, bins, rows streamed in, trees."""

    params = ([1, TREES],)
    param_names = ("trees",)
    unit = "ns/row"
    timeout = 600

    def setup(self, trees: int) -> None:
        self.source = _source()
        few = np.random.default_rng(0).random((5_000, 3))
        _learner(1, n_jobs=1).fit(few, few[:, 0] > 0.5)

    def track_fit(self, trees: int) -> float:
        start = time.perf_counter_ns()
        _learner(trees, n_jobs=1).fit(self.source)
        return (time.perf_counter_ns() - start) / float(self.source.n_rows)


class OnDask:
    """A fit on two one-thread workers that run already."""

    timeout = 600

    def setup(self) -> None:
        self.source = _source()

    def track_fit(self) -> float:
        with _cluster() as client:
            start = time.perf_counter_ns()
            _learner(TREES, client=client).fit(self.source)
            return (time.perf_counter_ns() - start) / float(self.source.n_rows)

    def track_memory(self) -> float:
        """Track the peak PSS of this process and all workers, in MB."""
        with _cluster() as client, measured("fit") as stage:
            _learner(TREES, client=client).fit(self.source)
        return stage.peak_memory_bytes / 1e6

    def track_model_bytes(self) -> float:
        """Track the size of the saved model."""
        path = Path(f"model-{os.getpid()}")
        with _cluster() as client:
            _learner(TREES, client=client).fit(self.source).save(path)
        return float(sum(part.stat().st_size for part in path.iterdir()))

    track_fit.unit = "ns/row"  # type: ignore[attr-defined]  # asv reads it
    track_memory.unit = "MB"  # type: ignore[attr-defined]  # asv reads it
    track_model_bytes.unit = "bytes"  # type: ignore[attr-defined]  # asv reads it
