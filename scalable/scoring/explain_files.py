"""Explain Parquet larger than memory to Parquet, as scoring writes it, and keep what the page about it needs.

Beside each file of contributions lies a hidden summary: sums over all its rows, and the contributions and values of a
sample of them that is stratified by position. So a resumed run has the same page as one that was never stopped.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.data.values import numbers
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.features.row_sample import Positions, sampled_positions
from scalable.inference.request.times import nanoseconds_a_tick
from scalable.models.explanation import Explanation
from scalable.models.predictors import Predictor
from scalable.scoring.parts import Part, WriteParts, part_path, plan_parts
from scalable.scoring.predict_files import resolved, write_rows
from scalable.storage.documents import understood
from scalable.storage.places import place
from scalable.storage.replace import explained, write_text

JOB = "_explaining.json"
SAMPLE, SAMPLED_NUMBERS, STRIP_NUMBERS = 2000, 2**20, 2**22
SHOWN = 12  # columns whose sample goes to the page


@dataclass(frozen=True)
class Contributions:
    """The contributions of each row, or its reason codes.

    Parameters
    ----------
    predictor : Predictor
    columns, outputs : tuple of str
        As in its explanations.
    top : int or None
        How many reason codes; None for all contributions.
    """

    predictor: Any
    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    top: int | None = None

    @property
    def schema(self) -> pa.Schema:
        """``contribution_<column>``, or ``reason_<k>`` and ``reason_<k>_contribution``; ``expected`` and ``score``.

        With several outputs the class stands before the name: ``<class>_contribution_<column>``.
        """
        reason, fields = pa.dictionary(pa.int32(), pa.string()), []
        for output in self.outputs:
            before = "" if len(self.outputs) == 1 else f"{output}_"
            if self.top is None:
                fields += [(f"{before}contribution_{name}", pa.float64()) for name in self.columns]
            else:
                for k in range(1, self.top + 1):
                    fields += [
                        (f"{before}reason_{k}", reason),
                        (f"{before}reason_{k}_contribution", pa.float64()),
                    ]
            fields += [(f"{before}expected", pa.float64()), (f"{before}score", pa.float64())]
        return pa.schema(fields)

    def table(self, found: Explanation) -> pa.Table:
        """Return a row for each row that is explained."""
        arrays: list[Any] = []
        names = pa.array(self.columns, pa.string())
        order, values = (None, None) if self.top is None else found.top(self.top)
        for o, expected in enumerate(found.expected):
            if order is None or values is None:
                arrays += [np.ascontiguousarray(column) for column in found.contributions[:, o].T]
            else:
                for k in range(order.shape[2]):
                    codes = pa.array(order[:, o, k].astype(np.int32))
                    arrays += [
                        pa.DictionaryArray.from_arrays(codes, names),
                        np.ascontiguousarray(values[:, o, k]),
                    ]
            arrays += [np.full(len(found.contributions), expected), np.ascontiguousarray(found.scores[:, o])]
        return pa.table(arrays, schema=self.schema)


@dataclass
class Summary:
    """What the page needs of the rows of one file."""

    rows: int
    sums: NDArray[np.float64]
    values: dict[str, list[Any]]
    contributions: list[Any]


@dataclass(frozen=True)
class WriteExplanations(WriteParts):
    """Explain consecutive shards to one file and its summary.

    Parameters
    ----------
    positions, n_rows, n_sample
        See `sampled_positions`.
    """

    positions: Positions
    n_rows: int
    n_sample: int

    def begin(self, shards: Sequence[Shard]) -> Part:
        """Open a file."""
        part = super().begin(shards)
        shape = len(self.made.outputs), len(self.made.columns)
        part.kept = Summary(0, np.zeros(shape), {name: [] for name in self.made.columns}, [])
        return part

    def block(self, part: Part, block: RawBlock) -> Part:
        """Append the contributions of a block."""
        for piece in _strips(
            block, max(1, STRIP_NUMBERS // (len(self.made.columns) * len(self.made.outputs)))
        ):
            found = self.made.predictor.explain_block(piece)
            self._append(part, self.made.table(found), piece.n_rows)
            summary = part.kept
            summary.rows += piece.n_rows
            summary.sums += np.abs(found.contributions).sum(axis=0)
            start = self.positions.of_row(piece.first_row)
            at = sampled_positions(start, start + piece.n_rows, self.n_rows, self.n_sample, 0) - start
            summary.contributions += found.contributions[at].tolist()
            for name, values in summary.values.items():
                values.extend(shown(piece.arrays[name].take(pa.array(at))))
        return part

    def end(self, part: Part) -> int:
        """Write the summary, then give the file its name."""
        summary = part.kept
        document = {
            "rows": summary.rows, "sums": summary.sums.tolist(), "values": summary.values,
            "contributions": summary.contributions,
        }  # fmt: skip
        path = summary_path(self.out, part.path)
        with explained(DataError, path, "give it room, or its directory back, then --resume"):
            write_text(path, json.dumps(document))
        return super().end(part)


def summary_path(out: str, part: Path) -> Path:
    """Return where the summary of a file lies."""
    return place(out) / f"_{part.name}.json"


def _strips(block: RawBlock, n_rows: int) -> Iterator[RawBlock]:
    for start in range(0, block.n_rows, n_rows):
        arrays = {name: array.slice(start, n_rows) for name, array in block.arrays.items()}
        here = min(n_rows, block.n_rows - start)
        origin = None if block.origin is None else block.origin.taken(np.arange(start, start + here))
        yield RawBlock(arrays, block.first_row + start, here, origin)


def shown(array: pa.Array) -> list[Any]:
    """Return values as pages show them: numbers, seconds since 1970 for times, text; None where missing."""
    if pt.is_dictionary(array.type):
        return [None if value is None else str(value) for value in array.to_pylist()]
    found = np.asarray(numbers(array), np.float64)
    valid = array.is_valid().to_numpy(zero_copy_only=False) & np.isfinite(found)
    scale = nanoseconds_a_tick(array.type) / 1e9 if pt.is_temporal(array.type) else 1.0
    return [value * scale if ok else None for value, ok in zip(found.tolist(), valid, strict=True)]


def explain_files(
    predictor: Predictor,
    source: Source,
    out: str | os.PathLike[str],
    *,
    top: int | None = None,
    executor: Executor | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """Write what each raw column of each row adds to its score to Parquet files in `out`.

    Parameters
    ----------
    predictor, source, out, executor, resume
        As for `scalable.scoring.predict_files.score`, which says what is raised, too.
    top : int, optional
        Write the reason codes, that many a row, instead of all contributions.

    Returns
    -------
    dict, ready for JSON
        ``written`` rows of this call and the ``explanation`` section of a results document.

    Raises
    ------
    UsageError
        The model has no contributions, or fewer columns than `top`.
    """
    source = source.without_target()
    probe = (
        next(iter(source.raw_blocks(source.shards[0], predictor.needed, 1)), None) if source.shards else None
    )
    if probe is None:
        raise DataError(f"{source.describe_place()}: no rows to explain")
    first = predictor.explain_block(probe)
    if top is not None:
        first.top(top)
    made = Contributions(predictor, first.columns, first.outputs, top)
    if len(set(made.schema.names)) < len(made.schema.names):
        raise UsageError("two columns of the output would have one name; rename a column or a class")
    n_rows = sum(shard.n_rows for shard in source.shards)
    n_sample = min(SAMPLE, max(20, SAMPLED_NUMBERS // (len(made.columns) * len(made.outputs))))
    writer = WriteExplanations(made, resolved(out), Positions.of(source), n_rows, n_sample)
    job = {"model": pickle.dumps(predictor), "top": top}
    written = write_rows(writer, predictor.needed, source, job, executor, resume, "explain", JOB)
    files = [
        summary_path(writer.out, part_path(place(writer.out), shards)) for shards in plan_parts(source.shards)
    ]
    return {"written": written, "explanation": _joined(files, first, made)}


def _joined(files: Sequence[Path], first: Explanation, made: Contributions) -> dict[str, Any]:
    """Return the section of a results document from the summaries."""
    rows, sums = 0, np.zeros((len(made.outputs), len(made.columns)))
    values: dict[str, list[Any]] = {name: [] for name in made.columns}
    each: list[Any] = []
    for file in files:
        with understood(DataError, f"{file.name}", "delete its Parquet file, then --resume"):
            found = json.loads(file.read_text())
            rows, own = rows + int(found["rows"]), np.asarray(found["sums"], np.float64)
            contributions = np.asarray(found["contributions"], np.float64).reshape(-1, *sums.shape)
            if own.shape != sums.shape:
                raise ValueError(f"sums of shape {own.shape}")
            sums = sums + own
            each.append(contributions)
            for name in made.columns:
                sample = list(found["values"][name])
                if len(sample) != len(contributions):
                    raise ValueError(f"{len(sample)} values of {name!r} for {len(contributions)} rows")
                values[name] += sample
    found = Explanation(
        made.columns, made.outputs, np.concatenate([np.empty((0, *sums.shape)), *each]), first.expected
    )
    return section_of(found, values, rows, sums / max(rows, 1))


def section_of(
    found: Explanation,
    values: dict[str, list[Any]],
    rows: int | None = None,
    mean: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """Return the ``explanation`` section of a results document.

    Parameters
    ----------
    found : Explanation
        Of the sampled rows.
    values : dict of str to list
        Their values, see `shown`.
    rows, mean : int, float64 (n_outputs, n_columns), optional
        All rows, and the mean size of their contributions; by default those of the sample.
    """
    mean = np.abs(found.contributions).mean(axis=0) if mean is None else mean
    outputs = []
    for o, output in enumerate(found.outputs):
        columns: list[dict[str, Any]] = []
        for rank, j in enumerate(np.argsort(-mean[o], kind="stable")):
            name = found.columns[j]
            columns.append({"column": name, "mean_abs": float(mean[o, j])})
            if rank < SHOWN:
                columns[-1] |= {
                    "values": values[name],
                    "contributions": found.contributions[:, o, j].tolist(),
                }
        outputs.append({"output": output, "expected": float(found.expected[o]), "columns": columns})
    sampled = len(found.contributions)
    return {"rows": sampled if rows is None else rows, "sampled": sampled, "outputs": outputs}
