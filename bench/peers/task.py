"""What is to be done, the same for every contender of a job, as a JSON file beside the results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HELD_OUT = 5  # one shard in five


@dataclass(frozen=True)
class Part:
    """Whole row groups of one file."""

    path: str
    row_groups: tuple[int, ...]


@dataclass(frozen=True)
class Task:
    """One job on one dataset.

    Parameters
    ----------
    job : str
        "linear", "boosting", "inference" or "generation".
    rows : int
        Rows of the dataset, or to generate.
    data, tiny : str
        Directories of the dataset, and of the small one that contenders warm up on.
    raw : str
        The same rows with their columns as they are, for contenders of this project; by default they read `data`.
    categorical : tuple of str
        Feature columns whose whole numbers are categories, for contenders that can be told.
    target : str
        Label column, 0 or 1.
    threads : int
        Threads (or one-thread workers) each contender may use.
    trees, leaves : int
        Size of forests.
    model : str
        LightGBM text that inference is measured on.
    single_rows, batch_sizes, batches
        How much inference is measured.
    held_out_rows : int
        Rows that quality is measured on, at most about.
    cache : str
        "warm": files are read once before timing; "cold": dropped from the page cache.
    scratch : str
        Directory for temporary files; made by the process that runs a contender.
    """

    job: str
    rows: int
    data: str = ""
    tiny: str = ""
    raw: str = ""
    categorical: tuple[str, ...] = ()
    target: str = ""
    threads: int = 1
    trees: int = 0
    leaves: int = 63
    model: str = ""
    single_rows: int = 0
    batch_sizes: tuple[int, ...] = ()
    batches: int = 1
    held_out_rows: int = 1_000_000
    cache: str = "warm"
    scratch: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def read(cls, path: str | Path) -> Task:
        """Read the JSON form from a file."""
        raw = json.loads(Path(path).read_text("utf-8"))
        return cls(
            **{**raw, "batch_sizes": tuple(raw["batch_sizes"]), "categorical": tuple(raw["categorical"])}
        )

    def as_it_is(self) -> Task:
        """Return the task on columns as they are, where there are such: what this project's contenders read."""
        return replace(self, data=self.raw, tiny=f"{self.raw}-tiny", raw="") if self.raw else self

    def warm_up(self, scratch: Path) -> Task:
        """Return the same job in small, to be done before the clock starts."""
        return replace(self, data=self.tiny, trees=min(self.trees, 2), scratch=str(scratch))

    @cached_property
    def _split(self) -> Any:
        from scalable.data.parquet import ParquetSource

        return ParquetSource(self.data, target=self.target).split(every=HELD_OUT)

    @property
    def source(self) -> Any:
        """The training rows as a ``ParquetSource``."""
        return self._split[0]

    @property
    def features(self) -> list[str]:
        """Names of the feature columns."""
        return list(self.source.feature_names)

    @property
    def files(self) -> list[str]:
        """Files of the dataset."""
        return list(self.source.paths)

    def parts(self) -> list[Part]:
        """Return the training rows as row groups, a part per shard, for whoever reads Parquet himself."""
        return row_groups(self.source)

    def held_out(self) -> Any:
        """Return the rows that nobody trained on as a ``pyarrow.Table``, capped at `held_out_rows`."""
        import pyarrow as pa

        parts, rows = [], 0
        for part in row_groups(self._split[1]):
            parts.append(read(part))
            rows += len(parts[-1])
            if rows >= self.held_out_rows:
                break
        return pa.concat_tables(parts)


def row_groups(source: Any) -> list[Part]:
    """Return the shards of a source as whole row groups.

    Raises
    ------
    ValueError
        When a shard ends inside a row group: contenders would read rows that others do not.
    """
    found = []
    for shard in source.shards:
        edges = np.cumsum([0, *source.footers[shard.file].row_groups]).tolist()
        if shard.row_start not in edges or shard.row_stop not in edges:
            raise ValueError(f"{source!r}: shard {shard.index} cuts a row group; write smaller row groups")
        groups = range(edges.index(shard.row_start), edges.index(shard.row_stop))
        found.append(Part(source.footers[shard.file].path, tuple(groups)))
    return found


def read(part: Part) -> Any:
    """Return a part as a ``pyarrow.Table``."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(part.path) as file:
        return file.read_row_groups(list(part.row_groups))


def batches(parts: list[Part], rows: int = 2**16) -> Iterator[Any]:
    """Yield the rows of parts as ``pyarrow.RecordBatch``, in memory that does not grow with them."""
    import pyarrow.parquet as pq

    for part in parts:
        with pq.ParquetFile(part.path) as file:
            yield from file.iter_batches(batch_size=rows, row_groups=list(part.row_groups))


def matrix(rows: Any, features: list[str], dtype: Any = np.float32) -> NDArray[Any]:
    """Return columns of a table or batch as a row-major matrix (n_rows, n_features)."""
    out = np.empty((rows.num_rows, len(features)), dtype)
    for j, name in enumerate(features):
        out[:, j] = rows.column(name).to_numpy(**({"zero_copy_only": False} if _is_batch(rows) else {}))
    return out


def labels(rows: Any, target: str) -> NDArray[np.float64]:
    """Return the label column as float64 (n_rows,)."""
    values = rows.column(target).to_numpy(**({"zero_copy_only": False} if _is_batch(rows) else {}))
    return np.asarray(values, np.float64)


def _is_batch(rows: Any) -> bool:
    return hasattr(rows, "to_struct_array") and not hasattr(rows, "combine_chunks")


def arrays(task: Task, dtype: Any = np.float32) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return all training rows: a row-major matrix and labels, filled part by part."""
    total = task.source.n_rows
    x, y, start = np.empty((total, len(task.features)), dtype), np.empty(total), 0
    for part in task.parts():
        table = read(part)
        stop = start + table.num_rows
        for j, name in enumerate(task.features):
            x[start:stop, j] = table.column(name).to_numpy()
        y[start:stop] = table.column(task.target).to_numpy()
        start = stop
    return x, y
