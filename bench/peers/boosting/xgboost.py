"""XGBoost: in memory, in external memory, and on a local Dask cluster."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.peers.boosting import MAX_BIN, xgboost_params
from bench.peers.contender import Learner
from bench.peers.frames import dask_frame
from bench.peers.task import Task, arrays, labels, matrix, read

PAGE_ROWS = 2**18  # of external memory: 30 MB of 28 float32 columns


class _XGBoost(Learner):
    modules: ClassVar[tuple[str, ...]] = ("xgboost",)
    packages: ClassVar[tuple[str, ...]] = ("xgboost",)

    def predict(self, model: Any, rows: Any) -> NDArray[np.float64] | None:
        """Predict."""
        booster, features = model
        return np.asarray(booster.inplace_predict(matrix(rows, features)), np.float64)


class InMemory(_XGBoost):
    """``QuantileDMatrix`` of all rows."""

    def train(self, task: Task) -> Any:
        """Load, bin, train."""
        import xgboost as xgb

        kinds = ["c" if name in task.categorical else "q" for name in task.features]
        told = {"feature_types": kinds, "enable_categorical": True} if task.categorical else {}
        data = xgb.QuantileDMatrix(*arrays(task), max_bin=MAX_BIN, nthread=task.threads, **told)
        return xgb.train(xgboost_params(task), data, task.trees), task.features


class ExternalMemory(_XGBoost):
    """``ExtMemQuantileDMatrix``: some shards at a time in memory, binned pages on disk."""

    note = "some 260,000 rows at a time, binned pages cached on disk; trees grow level by level"

    def train(self, task: Task) -> Any:
        """Bin to disk, train.

        XGBoost's tutorial on external memory asks for ``depthwise``, for leaf by leaf it reads all pages for
        every node, and for large batches, each of which becomes a page.
        """
        import pyarrow as pa
        import xgboost as xgb

        parts = task.parts()
        each = max(1, len(parts) * PAGE_ROWS // task.source.n_rows)

        class Parts(xgb.DataIter):
            def __init__(self) -> None:
                self.place = 0
                super().__init__(cache_prefix=str(Path(task.scratch) / "pages"))

            def next(self, input_data: Any) -> bool:
                if self.place >= len(parts):
                    return False
                rows = pa.concat_tables([read(part) for part in parts[self.place : self.place + each]])
                input_data(data=matrix(rows, task.features), label=labels(rows, task.target))
                self.place += each
                return True

            def reset(self) -> None:
                self.place = 0

        data = xgb.ExtMemQuantileDMatrix(Parts(), max_bin=MAX_BIN, nthread=task.threads)
        params = {**xgboost_params(task), "grow_policy": "depthwise"}
        return xgb.train(params, data, task.trees), task.features


class OnDask(_XGBoost):
    """``xgboost.dask`` on frames persisted in the memory of a local cluster."""

    modules: ClassVar[tuple[str, ...]] = ("xgboost.dask", "pandas")
    packages: ClassVar[tuple[str, ...]] = ("xgboost", "dask", "pandas")
    note = "one-thread workers"

    def start(self, task: Task) -> None:
        """Start a cluster of one-thread workers."""
        from scalable.execution.local import local_cluster

        self._stack = ExitStack()
        self._client = self._stack.enter_context(local_cluster(task.threads))
        self._stack.enter_context(self._client.as_current())

    def close(self) -> None:
        """End the cluster."""
        self._stack.close()

    def train(self, task: Task) -> Any:
        """Persist, bin, train."""
        from distributed import wait
        from xgboost import dask as dxgb

        frame = dask_frame(task).persist()
        wait(frame)
        data = dxgb.DaskQuantileDMatrix(
            self._client, frame[task.features], frame[task.target], max_bin=MAX_BIN
        )
        params = {**xgboost_params(task), "nthread": 1}
        return dxgb.train(self._client, params, data, task.trees)["booster"], task.features
