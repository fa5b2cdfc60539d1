"""Training parts as Dask collections, read by the workers."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.peers.task import Part, Task, labels, matrix, read


def read_frame(part: Part) -> Any:
    """Return a part as a pandas frame."""
    return read(part).to_pandas()


def dask_frame(task: Task) -> Any:
    """Return the training rows as a Dask DataFrame, a partition a part."""
    import dask.dataframe as dd

    return dd.from_map(read_frame, task.parts())


def _pair(part: Part, features: list[str], target: str) -> Any:
    rows = read(part)
    return np.column_stack([matrix(rows, features), labels(rows, target).astype(np.float32)])


def dask_arrays(task: Task) -> tuple[Any, Any]:
    """Return features (n_rows, n_features) and labels (n_rows,) as Dask arrays, a chunk a part."""
    import dask
    import dask.array as da

    width = len(task.features)
    chunks = [
        da.from_delayed(
            dask.delayed(_pair)(part, task.features, task.target), (shard.n_rows, width + 1), np.float32
        )
        for part, shard in zip(task.parts(), task.source.shards, strict=True)
    ]
    both = da.concatenate(chunks).persist()
    return both[:, :width], both[:, width]
