"""What a dataset looks like: each column summarised in one pass over all rows, or over a sample spread evenly."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_gen.describing.summary import FEW, Summary, edges_for
from data_gen.errors import RequestError, VerificationError
from data_gen.manifest import FileEntry, Manifest, read
from scalable.kernels.processors import available_processors

_SAMPLE_GROUPS = 32  # row groups that histograms are laid out from, evenly spaced
_SAMPLE_ROWS = 1 << 16  # rows used of each
_STRETCHES = 64  # of the label along the dataset


@dataclass
class ColumnSummary:
    """A column of a dataset.

    Parameters
    ----------
    name, type, unit, law : str
        From the manifest.
    missing : float
        Fraction of missing values.
    minimum, maximum, mean, deviation : float or None
        None for strings.
    distinct : int
        Distinct values.
    distinct_exact : bool
        Whether that is counted; of many values it is estimated, to 0.4 %.
    edges, counts : list
        Histogram; for few values the values themselves and their counts.
    """

    name: str
    type: str
    unit: str
    law: str
    missing: float
    minimum: float | None
    maximum: float | None
    mean: float | None
    deviation: float | None
    distinct: int
    distinct_exact: bool = True
    edges: list[Any] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    @property
    def is_time(self) -> bool:
        """Whether numbers are milliseconds since 1970 UTC."""
        return self.type.startswith("timestamp")

    def shown(self, value: float | None) -> str:
        """Return a value of this column as text."""
        if value is None:
            return ""
        if self.is_time:
            return str(np.datetime64(round(value), "ms").astype("datetime64[m]")).replace("T", " ")
        return f"{value:,.4g}"


@dataclass
class Description:
    """A dataset in numbers.

    Parameters
    ----------
    manifest : Manifest
    rows : int
        Rows read: all of the dataset, or those of a spread sample.
    columns : list of ColumnSummary
    label : list of (first_row, rows, mean)
        Mean of the target in up to 64 equal stretches of the dataset; empty without a target.
    """

    manifest: Manifest
    rows: int
    columns: list[ColumnSummary]
    label: list[tuple[int, int, float]]

    @property
    def read(self) -> str:
        """What was read, in words."""
        if self.rows == self.manifest.rows:
            return f"summary and pictures of all {self.rows:,} rows"
        return f"summary and pictures of a sample of {self.rows:,} rows, spread evenly"

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            "dataset": self.manifest.request.dataset,
            "rows": self.manifest.rows,
            "bytes": self.manifest.bytes,
            "truth": self.manifest.truth,
            "rows_read": self.rows,
            "columns": [asdict(c) for c in self.columns],
            "label": [{"first_row": a, "rows": n, "mean": m} for a, n, m in self.label],
        }

    def table(self) -> list[list[str]]:
        """Return the column summary as rows of text, the heading first."""
        rows = [["column", "type", "unit", "missing", "distinct", "min", "mean", "max"]]
        for c in self.columns:
            numbers = [c.shown(v) for v in (c.minimum, c.mean, c.maximum)]
            rows.append(
                [
                    c.name,
                    c.type,
                    c.unit,
                    f"{c.missing:.1%}" if c.missing else "",
                    f"{'' if c.distinct_exact else '~'}{c.distinct:,}",
                    *numbers,
                ]
            )
        return rows


Group = tuple[FileEntry, int]  # a file and one of its row groups


def describe(
    directory: str | os.PathLike[str],
    rows: int | None = None,
    progress: Callable[[int], None] = lambda rows_done: None,
) -> Description:
    """Summarise a dataset in one pass.

    Parameters
    ----------
    directory : path
        Holds manifest.json.
    rows : int, optional
        Read about so many rows, in row groups spread evenly; by default all.
    progress : callable
        Called with the number of rows read so far.

    Raises
    ------
    RequestError
        When `rows` is not positive.
    VerificationError
        When there is no readable manifest, or a file is missing or damaged.
    """
    if rows is not None and rows < 1:
        raise RequestError(f"rows={rows}: expected a whole number from 1")
    manifest = read(directory)
    size = manifest.request.row_group_rows
    groups = [(entry, i) for entry in manifest.files for i in range(-(-entry.rows // size))]
    sample = pa.concat_tables([_beginning(manifest, *group) for group in _spread(groups, _SAMPLE_GROUPS)])
    edges = {name: edges_for(sample[name]) for name in sample.column_names}
    chosen = groups if rows is None else _spread(groups, -(-rows // size))
    done = 0
    total: dict[str, Summary] = {name: Summary(edges[name]) for name in edges}
    label = np.zeros((2, _STRETCHES))
    by_file: dict[str, list[Group]] = {}
    for group in chosen:
        by_file.setdefault(group[0].path, []).append(group)
    with ThreadPoolExecutor(available_processors()) as pool:
        for state, part in pool.map(lambda mine: _read(manifest, mine, edges), by_file.values()):
            for name, summary in state.items():
                total[name].merge(summary)
            label += part
            done += next(iter(state.values())).rows
            progress(done)
    laws = {column["name"]: column for column in manifest.columns}
    columns = [_column(laws[name], summary) for name, summary in total.items()]
    return Description(manifest, done, columns, _label(manifest, label))


def _spread(groups: list[Group], most: int) -> list[Group]:
    """Return at most so many groups, evenly spaced."""
    return [
        groups[i] for i in sorted({round(i) for i in np.linspace(0, len(groups) - 1, min(most, len(groups)))})
    ]


def _batches(manifest: Manifest, entry: FileEntry, group: int, rows: int) -> Iterator[Any]:
    path = manifest.directory / entry.path
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(rows, row_groups=[group], use_threads=False)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["no rows"])[0]
        raise VerificationError(f"{path} cannot be read ({reason}); see `scalable verify`") from error


def _beginning(manifest: Manifest, entry: FileEntry, group: int) -> Any:
    rows = min(_SAMPLE_ROWS, manifest.request.row_group_rows)
    for batch in _batches(manifest, entry, group, rows):
        return pa.Table.from_batches([batch])
    raise VerificationError(
        f"{manifest.directory / entry.path} cannot be read (no rows); see `scalable verify`"
    )


def _read(
    manifest: Manifest, groups: list[Group], edges: dict[str, Any]
) -> tuple[dict[str, Summary], np.ndarray[Any, np.dtype[np.float64]]]:
    """Return the summaries of some row groups of a file, and rows and positives of each stretch of the dataset."""
    found = {name: Summary(edges[name]) for name in edges}
    label = np.zeros((2, _STRETCHES))
    size = manifest.request.row_group_rows
    for entry, group in groups:
        row = entry.first_row + group * size
        for batch in _batches(manifest, entry, group, size):
            for name, summary in found.items():
                summary.add(batch[name])
            if manifest.target is not None:
                stretch = (
                    (np.arange(row, row + len(batch)) - manifest.files[0].first_row)
                    * _STRETCHES
                    // manifest.rows
                )
                y = batch[manifest.target].cast(pa.float64()).to_numpy(zero_copy_only=False)
                label[0] += np.bincount(stretch, minlength=_STRETCHES)
                label[1] += np.bincount(stretch, y, minlength=_STRETCHES)
            row += len(batch)
    return found, label


def _label(manifest: Manifest, label: np.ndarray[Any, Any]) -> list[tuple[int, int, float]]:
    if manifest.target is None:
        return []
    firsts = [manifest.files[0].first_row + -(-k * manifest.rows // _STRETCHES) for k in range(_STRETCHES)]
    return [
        (first, int(rows), float(total / rows))
        for first, rows, total in zip(firsts, *label, strict=True)
        if rows
    ]


def _column(law: dict[str, Any], found: Summary) -> ColumnSummary:
    head: dict[str, Any] = {key: law[key] for key in ("name", "type", "unit", "law")}
    head["missing"] = 1.0 - found.present / max(found.rows, 1)
    nothing: dict[str, Any] = dict.fromkeys(("minimum", "maximum", "mean", "deviation"))
    if law["type"] == "category":
        top = found.single.most_common(FEW)
        return ColumnSummary(
            **head,
            **nothing,
            distinct=len(found.single),
            edges=[k for k, _ in top],
            counts=[n for _, n in top],
        )
    if not found.present:
        return ColumnSummary(**head, **nothing, distinct=0)
    if found.edges is None:
        top = sorted(found.single.most_common(FEW))
        edges, counts = [float(k) for k, _ in top], [int(n) for _, n in top]
    else:
        ends = [min(found.edges[0], found.minimum), *found.edges[1:-1], max(found.edges[-1], found.maximum)]
        edges, counts = [float(edge) for edge in ends], [int(n) for n in found.counts]
    return ColumnSummary(
        **head, minimum=found.minimum, maximum=found.maximum, mean=found.mean,
        deviation=float(np.sqrt(found.squares / found.present)), distinct=min(found.distinct.count(), found.present),
        distinct_exact=found.distinct.exact, edges=edges, counts=counts,
    )  # fmt: skip
