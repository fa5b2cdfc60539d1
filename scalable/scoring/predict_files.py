"""Score Parquet larger than memory to Parquet: input order, atomic shards, resumable, threads or Dask.

Each shard of the input becomes one output file, named by its position, written under a temporary name and renamed
when complete; so a killed run leaves only whole files, and resuming skips them.
"""

from __future__ import annotations

import json
import os
import pickle
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.fingerprint import Fingerprint
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.models.predictors import Predictor
from scalable.storage.replace import explained, remove_scratch, replacing, write_text

JOB = "_scoring.json"  # readers of datasets skip names that start so


class _Part(threading.Thread):
    """A part on its way to the disk, whose waits the next shard's prediction fills."""

    def __init__(self, table: pa.Table, path: Path) -> None:
        super().__init__(name="write")
        self._table, self._path = table, path
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            _write(self._table, self._path)
        except BaseException as error:  # raised again by `settle`
            self._error = error

    def settle(self) -> None:
        """Wait until it is written; raise what went wrong."""
        self.join()
        if self._error is not None:
            raise self._error


@dataclass(slots=True)
class _Written:
    """State of a run of shards: predictions of the unfinished one, rows of the finished ones, the part under way."""

    rows: int
    parts: list[NDArray[np.float64]]
    pending: int
    last: _Part | None = None

    def settled(self) -> _Written:
        """Return the same when everything is on the disk."""
        if self.last is not None:
            self.last.settle()
        return _Written(self.rows, self.parts, self.pending)

    def __reduce__(self) -> tuple[Any, ...]:
        done = self.settled()
        return _Written, (done.rows, done.parts, done.pending)


@dataclass(frozen=True)
class ScoreReduction:
    """Predicts blocks and writes each shard's predictions when its last row has come.

    Parameters
    ----------
    predictor : Predictor
    out : str
        Directory, reachable by every worker.
    shards : dict of int to (int, int)
        For each shard's first row: its index and number of rows.
    """

    predictor: Any
    out: str
    shards: dict[int, tuple[int, int]]

    def init(self) -> _Written:
        """Return the state of no rows."""
        return _Written(0, [], 0)

    def step(self, state: _Written, block: RawBlock) -> _Written:
        """Predict a block; write the shard if it is complete."""
        state.parts.append(self.predictor.predict_block(block))
        state.pending += block.n_rows
        first = block.first_row + block.n_rows - state.pending
        index, n_rows = self.shards[first]
        if state.pending == n_rows:
            table = prediction_table(np.concatenate(state.parts), self.predictor.classes)
            state.settled()
            return _Written(state.rows + n_rows, [], 0, _Part(table, Path(self.out) / part_name(index)))
        return state

    def merge(self, left: _Written, right: _Written) -> _Written:
        """Add up."""
        return _Written(left.settled().rows + right.rows, [], 0, right.last)

    def finish(self, state: _Written) -> int:
        """Return the rows written."""
        return state.settled().rows


def part_name(index: int) -> str:
    """Return the name of a shard's predictions; names sort in input order."""
    return f"part-{index:06d}.parquet"


def prediction_table(values: NDArray[np.float64], classes: tuple[Any, ...] | None) -> pa.Table:
    """Return predictions as a table: ``prediction``, or one ``prediction_<class>`` per class."""
    if values.ndim == 1:
        return pa.table({"prediction": values})
    names = classes if classes is not None and len(classes) == values.shape[1] else range(values.shape[1])
    return pa.table(
        {f"prediction_{name}": np.ascontiguousarray(values[:, k]) for k, name in enumerate(names)}
    )


def _write(table: pa.Table, path: Path) -> None:
    with explained(DataError, path, "free space, then --resume"), replacing(path) as file:
        pq.write_table(table, file, compression="none", use_dictionary=False, write_statistics=False)


def _prepare(out: Path, job: Fingerprint, resume: bool) -> None:
    """Create the directory or check that it holds the same job."""
    record = out / JOB
    try:
        out.mkdir(parents=True, exist_ok=True)
        remove_scratch(out)
        if not any(out.iterdir()):
            write_text(record, json.dumps(job.parts, indent=1))
            return
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written ({error.strerror or error}); choose another --out"
        ) from error
    if not resume:
        raise UsageError(f"{out}: not empty; pass --resume to finish it, or choose another --out")
    try:
        found = json.loads(record.read_text())
    except (OSError, ValueError):
        raise DataError(f"{out}: holds no scoring job ({JOB}); choose another --out") from None
    if differing := job.difference(found):
        raise DataError(f"{out}: was begun as another job ({differing}); choose another --out")


def score(
    predictor: Predictor,
    source: Source,
    out: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    resume: bool = False,
) -> int:
    """Write the predictions of all rows of `source` to Parquet files in `out`.

    Parameters
    ----------
    predictor : Predictor
        From ``load_model``.
    source : Source
        Rows to score; needs no target.
    out : path
        Directory to create; on Dask, one that all workers share.
    executor : Executor, optional
        Threads of this process by default.
    resume : bool
        Finish a directory that an earlier run of the same job left.

    Returns
    -------
    int
        Rows written by this call.

    Raises
    ------
    UsageError
        `out` is not empty and `resume` is False.
    DataError
        `out` belongs to another job or cannot be written, or the input is damaged.
    """
    target = Path(out)
    source = source.without_target()
    _prepare(target, source.fingerprint().joined(model=pickle.dumps(predictor)), resume)
    left = [shard for shard in source.shards if not (target / part_name(shard.index)).exists()]
    plan = {shard.first_row: (shard.index, shard.n_rows) for shard in left}
    reduction = ScoreReduction(predictor, str(target.resolve()), plan)
    reader = BlockReader(source, columns=tuple(predictor.needed))
    return int(run_reduction(executor or Threads(), reduction, reader, left, label="predict"))
