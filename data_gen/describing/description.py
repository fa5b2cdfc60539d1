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

from data_gen.describing.summary import FEW, Summary, edges_for, fresh, is_text, most_frequent
from data_gen.errors import RequestError, VerificationError
from data_gen.manifest import FileEntry, Manifest, read
from scalable.kernels.processors import available_processors
from scalable.storage.files import arrow_input

_SAMPLE_GROUPS = 32  # row groups that histograms are laid out from, evenly spaced
_SAMPLE_ROWS = 1 << 16  # rows used of each
STRETCHES = 64  # of the label along the dataset
EMPTY = "(empty)"  # a text without letters, as it is shown
MANY = 9_999.5  # from here on numbers are shown without fractions, since four digits would be 1e+04


@dataclass
class ColumnSummary:
    """A column of a dataset.

    Parameters
    ----------
    name, type, unit, law : str
        From the manifest.
    missing : float
        Fraction of values that are missing, NaN or infinite.
    minimum, maximum, mean, deviation : float or None
        None for text.
    distinct : int
        Distinct values.
    distinct_exact : bool
        Whether that is counted; of many values it is estimated, to 0.4 %.
    edges, counts : list
        Histogram; for few values the values themselves and their counts; of text those that are frequent in a sample.
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
        return self.type.startswith(("timestamp", "date"))

    @property
    def unit_shown(self) -> str:
        """The unit; empty for plain numbers, whose unit the manifest calls 1."""
        return "" if self.unit == "1" else self.unit

    def shown(self, value: float | None) -> str:
        """Return a value of this column as text."""
        if value is None:
            return ""
        if self.is_time:
            moment = np.datetime64(round(value), "ms")
            return str(
                moment.astype("datetime64[D]" if self.type.startswith("date") else "datetime64[m]")
            ).replace("T", " ")
        return f"{value:,.0f}" if MANY <= abs(value) < 1e15 else f"{value:,.4g}"


@dataclass
class Description:
    """A dataset in numbers.

    Parameters
    ----------
    name : str
    total_rows, files, bytes : int
        Of the whole dataset.
    rows : int
        Rows read: all of the dataset, or those of a spread sample.
    columns : list of ColumnSummary
    target : str or None
    label : list of (first_row, rows, mean)
        Mean of the target in up to 64 equal stretches of the dataset; empty without a target of numbers.
    truth, knobs : dict
        Of a generated dataset, see its manifest; empty for others.
    seed : int or None
        None for a dataset that was not generated.
    """

    name: str
    total_rows: int
    files: int
    bytes: int
    rows: int
    columns: list[ColumnSummary]
    target: str | None = None
    label: list[tuple[int, int, float]] = field(default_factory=list)
    truth: dict[str, Any] = field(default_factory=dict)
    knobs: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None

    @property
    def read(self) -> str:
        """What was read, in words."""
        if self.rows == self.total_rows:
            return f"summary and pictures of all {self.rows:,} rows"
        return f"summary and pictures of a sample of {self.rows:,} rows, spread evenly"

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            "dataset": self.name,
            "rows": self.total_rows,
            "bytes": self.bytes,
            "truth": self.truth,
            "rows_read": self.rows,
            "columns": [asdict(c) for c in self.columns],
            "label": [{"first_row": a, "rows": n, "mean": m} for a, n, m in self.label],
        }

    def table(self) -> list[list[str]]:
        """Return the column summary as rows of text, the heading first."""
        rows = [["column", "type", "unit", "missing", "distinct", "min", "mean", "max"]]
        remarks = self.seed is None  # the laws of generated columns are long, and on the page
        rows[0] += ["remarks"] if remarks else []
        for c in self.columns:
            numbers = [c.shown(v) for v in (c.minimum, c.mean, c.maximum)]
            rows.append(
                [
                    c.name,
                    c.type,
                    c.unit_shown,
                    f"{c.missing:.1%}" if c.missing else "",
                    f"{'' if c.distinct_exact else '~'}{c.distinct:,}",
                    *numbers,
                    *([c.law] if remarks else []),
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
    sample = pa.concat_tables([_sampled(manifest, *group) for group in _spread(groups, _SAMPLE_GROUPS)])
    empty = {
        name: Summary(edges_for(sample[name]), is_text(sample[name].type)) for name in sample.column_names
    }
    chosen = groups if rows is None else _spread(groups, -(-rows // size))
    done = 0
    total: dict[str, Summary] = {name: fresh(summary) for name, summary in empty.items()}
    label = np.zeros((2, STRETCHES))
    by_file: dict[str, list[Group]] = {}
    for group in chosen:
        by_file.setdefault(group[0].path, []).append(group)
    with ThreadPoolExecutor(available_processors()) as pool:
        for state, part in pool.map(lambda mine: _read(manifest, mine, empty), by_file.values()):
            for name, summary in state.items():
                total[name].merge(summary)
            label += part
            done += next(iter(state.values())).rows
            progress(done)
    laws = {column["name"]: column for column in manifest.columns}
    heads = {name: {key: law[key] for key in ("name", "type", "unit", "law")} for name, law in laws.items()}
    columns = [column_summary(summary, **heads[name]) for name, summary in total.items()]
    request = manifest.request
    return Description(
        request.dataset, manifest.rows, len(manifest.files), manifest.bytes, done, columns, manifest.target,
        [] if manifest.target is None else stretches(label, manifest.files[0].first_row, manifest.rows),
        manifest.truth, dict(request.knobs), request.seed,
    )  # fmt: skip


def _spread(groups: list[Group], most: int) -> list[Group]:
    """Return at most so many groups, evenly spaced."""
    return [
        groups[i] for i in sorted({round(i) for i in np.linspace(0, len(groups) - 1, min(most, len(groups)))})
    ]


def _batches(manifest: Manifest, entry: FileEntry, group: int, rows: int) -> Iterator[Any]:
    path = manifest.directory / entry.path
    try:
        with pq.ParquetFile(arrow_input(path)) as file:
            yield from file.iter_batches(rows, row_groups=[group], use_threads=False)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["no rows"])[0]
        raise VerificationError(f"{path} cannot be read ({reason}); see `scalable verify`") from error


def _sampled(manifest: Manifest, entry: FileEntry, group: int) -> Any:
    """Return rows of a group, evenly spaced from its first to its last: columns may follow the order of rows."""
    for batch in _batches(manifest, entry, group, manifest.request.row_group_rows):
        table = pa.Table.from_batches([batch])
        return table.take(np.unique(np.linspace(0, len(table) - 1, _SAMPLE_ROWS).astype(np.int64)))
    raise VerificationError(
        f"{manifest.directory / entry.path} cannot be read (no rows); see `scalable verify`"
    )


def _read(
    manifest: Manifest, groups: list[Group], empty: dict[str, Summary]
) -> tuple[dict[str, Summary], np.ndarray[Any, np.dtype[np.float64]]]:
    """Return the summaries of some row groups of a file, and rows and positives of each stretch of the dataset."""
    found = {name: fresh(summary) for name, summary in empty.items()}
    label = np.zeros((2, STRETCHES))
    size = manifest.request.row_group_rows
    for entry, group in groups:
        row = entry.first_row + group * size
        for batch in _batches(manifest, entry, group, size):
            for name, summary in found.items():
                summary.add(batch[name])
            if manifest.target is not None:
                y = batch[manifest.target].cast(pa.float64()).to_numpy(zero_copy_only=False)
                label += label_sums(y, row - manifest.files[0].first_row, manifest.rows)
            row += len(batch)
    return found, label


def label_sums(y: np.ndarray[Any, Any], row: int, rows: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return how many values `y`, from a row of so many on, lie in each stretch, and their sums: (2, STRETCHES)."""
    stretch = np.arange(row, row + len(y)) * STRETCHES // rows
    here = ~np.isnan(y)
    return np.stack(
        [np.bincount(stretch[here], weights, STRETCHES) for weights in (np.ones(here.sum()), y[here])]
    )


def stretches(label: np.ndarray[Any, Any], first_row: int, rows: int) -> list[tuple[int, int, float]]:
    """Return first row, rows and mean of each stretch that has any, from sums (2, STRETCHES)."""
    firsts = [first_row + -(-k * rows // STRETCHES) for k in range(STRETCHES)]
    return [
        (first, int(rows), float(total / rows))
        for first, rows, total in zip(firsts, *label, strict=True)
        if rows
    ]


def column_summary(found: Summary, **head: Any) -> ColumnSummary:
    """Return a column's summary; `head` has its name, type, unit and law."""
    head["missing"] = 1.0 - found.present / max(found.rows, 1)
    nothing: dict[str, Any] = dict.fromkeys(("minimum", "maximum", "mean", "deviation"))
    if found.text:
        top = most_frequent(found.single)
        return ColumnSummary(
            **head,
            **nothing,
            distinct=min(found.distinct.count(), found.present),
            distinct_exact=found.distinct.exact,
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
