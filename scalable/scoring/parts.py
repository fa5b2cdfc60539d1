"""Files of rows made from rows: each holds those of consecutive shards, and is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.fingerprint import Fingerprint
from scalable.data.shard import Shard
from scalable.errors import DataError, UsageError
from scalable.execution.map_shards import group_shards
from scalable.storage.files import is_local
from scalable.storage.lock import writing_alone
from scalable.storage.places import place
from scalable.storage.replace import explained, remove_scratch, replacing, write_text

# Rows of a file: enough for readers to be quick, few enough for workers to share small inputs.
LEAST_ROWS, MOST_ROWS, WANTED = 2**18, 2**20, 16
REMEDY = "give it room, or its directory back, then --resume"


def part_rows() -> tuple[int, ...]:
    """Return what the plan of the files depends on beside the shards."""
    return LEAST_ROWS, MOST_ROWS, WANTED


def plan_parts(shards: Sequence[Shard]) -> list[tuple[Shard, ...]]:
    """Return the shards of each file; the same for the same shards, whoever writes."""
    rows = sum(shard.n_rows for shard in shards)
    return group_shards(shards, min(MOST_ROWS, max(LEAST_ROWS, rows // WANTED)))


def part_path(out: Path, shards: Sequence[Shard]) -> Path:
    """Return the file of some shards, named by the first; names sort in input order."""
    return out / f"part-{shards[0].index:06d}.parquet"


def alone(out: Path) -> AbstractContextManager[None]:
    """Hold a directory against other jobs, as far as it is local; `prepare` says what else is wrong with it.

    Raises
    ------
    UsageError
        On entry: another process, or another thread, writes there. What it has not finished would be taken for a killed
        one's.
    """
    busy = UsageError(f"{out}: another process is writing there; wait for it, or choose another --out")
    return writing_alone(out, busy) if is_local(out) else nullcontext()


def prepare(out: Path, job: Fingerprint, resume: bool, name: str) -> None:
    """Create the directory of a resumable job or check that it holds the same one, by its record `name`.

    Raises
    ------
    DataError, UsageError
        It is not empty and `resume` is False, of another job, or cannot be written.
    """
    record, kind = out / name, name.strip("_").removesuffix(".json")
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
    except (OSError, ValueError, RecursionError):
        raise DataError(f"{out}: holds no {kind} job ({name}); choose another --out") from None
    if differing := job.difference(found):
        raise DataError(f"{out}: was begun as another job ({differing}); choose another --out")


def prediction_names(n_outputs: int, classes: tuple[Any, ...] | None) -> list[str]:
    """Return the columns of predictions: ``prediction``, or one ``prediction_<class>`` per class."""
    if n_outputs == 1:
        return ["prediction"]
    known = classes if classes is not None and len(classes) == n_outputs else range(n_outputs)
    return [f"prediction_{name}" for name in known]


@dataclass
class Part:
    """A file under way: its rows so far, its writer, what closing it takes, and what is kept of its rows."""

    path: Path
    writer: pq.ParquetWriter
    opened: ExitStack
    rows: int = 0
    kept: Any = None


class Made(Protocol):
    """What is made of each row: immutable, picklable."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the files."""

    def table(self, block: RawBlock) -> pa.Table:
        """Return a row for each row of a block."""


@dataclass(frozen=True)
class Predictions:
    """The predictions of a model: `Made`."""

    predictor: Any

    @property
    def needed(self) -> list[str]:
        """Columns that are read."""
        return list(self.predictor.needed)

    @property
    def schema(self) -> pa.Schema:
        """One column, or one a class."""
        names = prediction_names(self.predictor.n_outputs, self.predictor.classes)
        return pa.schema([(name, pa.float64()) for name in names])

    def table(self, block: RawBlock) -> pa.Table:
        """Return the predictions of a block."""
        columns: NDArray[Any] = np.atleast_2d(self.predictor.predict_block(block).T)
        return pa.table([np.ascontiguousarray(column) for column in columns], schema=self.schema)


@dataclass(frozen=True)
class WriteParts:
    """Write what is made of consecutive shards to one file; a function for ``map_shards``.

    Parameters
    ----------
    made : Made
        What is made of rows.
    out : str
        Directory, there already and reachable by every worker.
    """

    made: Any
    out: str
    waits: ClassVar[bool] = True  # for the disk: a file gets its name when it is there

    def begin(self, shards: Sequence[Shard]) -> Part:
        """Open a file."""
        path = part_path(place(self.out), shards)
        with explained(DataError, path, REMEDY), ExitStack() as opened:
            file = opened.enter_context(replacing(path))
            writer = opened.enter_context(
                pq.ParquetWriter(
                    file, self.made.schema, compression="none", use_dictionary=False, write_statistics=False
                )
            )
            return Part(path, writer, opened.pop_all())

    def block(self, part: Part, block: RawBlock) -> Part:
        """Append what is made of a block."""
        self._append(part, self.made.table(block), block.n_rows)
        return part

    def _append(self, part: Part, table: pa.Table, n_rows: int) -> None:
        with explained(DataError, part.path, REMEDY):
            part.writer.write_table(table)
        part.rows += n_rows

    def end(self, part: Part) -> int:
        """Give the file its name; return its rows."""
        with explained(DataError, part.path, REMEDY):
            part.opened.close()
        return part.rows

    def abandon(self, part: Part, error: BaseException) -> None:
        """Remove what was written."""
        with suppress(
            OSError
        ):  # on a full disk not even the writer's end fits; the first error is what counts
            part.opened.__exit__(type(error), error, error.__traceback__)
