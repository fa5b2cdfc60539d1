"""Score Parquet larger than memory to Parquet: input order, atomic files, resumable, threads or Dask.

Consecutive shards of the input become one output file, named by the first of them, written under a temporary name and
renamed when complete; so a killed run leaves only whole files, and resuming skips them.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.evaluate.post_hoc.conformal import Conformal
from scalable.execution.executors import Executor
from scalable.execution.map_shards import map_shards
from scalable.execution.reader import BlockReader
from scalable.execution.threads import Threads
from scalable.models.predictors import Predictor
from scalable.scoring.parts import Predictions, WriteParts, alone, part_path, part_rows, plan_parts, prepare
from scalable.scoring.promises import Promises
from scalable.storage.places import place

JOB = "_scoring.json"  # readers of datasets skip names that start so


def score(
    predictor: Predictor,
    source: Source,
    out: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    resume: bool = False,
    within: Conformal | None = None,
    upper: Predictor | None = None,
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
    within : Conformal, optional
        Write intervals too, columns ``lower`` and ``upper``, or for classes which are in the set: booleans
        ``holds_<class>``.
    upper : Predictor, optional
        The upper quantile, where `within` was calibrated with one.

    Returns
    -------
    int
        Rows written by this call.

    Raises
    ------
    UsageError
        `out` is not empty and `resume` is False, or lies where the source would find it among its own files.
    DataError
        `out` belongs to another job, cannot be written or vanished meanwhile, or the input is damaged.
    """
    job: dict[str, Any] = {"model": pickle.dumps(predictor)}
    made: Any = Predictions(predictor)
    if within is not None:
        made = Promises(predictor, within, upper)
        job |= {"within": within, "upper": None if upper is None else pickle.dumps(upper)}
    return write_rows(WriteParts(made, resolved(out)), made.needed, source, job, executor, resume)


def write_rows(
    writer: WriteParts,
    needed: Sequence[str],
    source: Source,
    job: Mapping[str, Any],
    executor: Executor | None = None,
    resume: bool = False,
    label: str = "predict",
    record: str = JOB,
) -> int:
    """Write what is made of all rows of `source` to files; `score` says how, and what is raised.

    Parameters
    ----------
    writer : WriteParts
        What is made, and where it is written.
    needed : sequence of str
        Columns that are read.
    job : mapping
        What the files depend on besides the rows, for the fingerprint.
    label, record : str
        Name of the work on the progress display; the file in which the job is recorded.
    """
    target, out = place(writer.out), writer.out
    source = source.without_target()
    parts = plan_parts(source.shards)
    if source.would_find(part_path(target, parts[0])):
        raise UsageError(
            f"{out}: lies inside the data, where its files would be read as rows next time; choose another --out"
        )
    fingerprint = source.fingerprint().joined(**job, part_rows=part_rows())
    with alone(target):  # what another process writes meanwhile would be removed as if it had been killed
        prepare(target, fingerprint, resume, record)
        left = [shards for shards in parts if not part_path(target, shards).exists()]
        reader = BlockReader(source, columns=tuple(needed))
        written = map_shards(executor or Threads(), writer, reader, left, label)
    missing = [path.name for path in (part_path(target, shards) for shards in parts) if not path.exists()]
    if missing:
        raise DataError(
            f"{out}: {len(missing)} of {len(parts)} files are gone that were written ({missing[0]} first); something "
            "else removes files there: stop it, then --resume"
        )
    return sum(written)


def resolved(out: str | os.PathLike[str]) -> str:
    """Return a directory as workers that start elsewhere find it."""
    return str(place(out).resolve())
