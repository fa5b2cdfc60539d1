"""What a dataset looks like: a summary of each column and pictures, from a bounded sample of row groups."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_gen.errors import VerificationError
from data_gen.manifest import Manifest, read

_GROUPS = 32  # row groups read, evenly spaced
_ROWS = 1 << 16  # rows used of each
_BINS = 40
_LEVELS = 12


@dataclass
class ColumnSummary:
    """A column of a dataset, as sampled.

    Parameters
    ----------
    name, type, unit, law : str
        From the manifest.
    missing : float
        Fraction of missing values.
    minimum, maximum, mean, deviation : float or None
        None for strings.
    distinct : int
        Distinct values in the sample.
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
        Rows of the sample.
    columns : list of ColumnSummary
    label : list of (first_row, rows, mean)
        Mean of the target along the dataset; empty without a numeric target.
    """

    manifest: Manifest
    rows: int
    columns: list[ColumnSummary]
    label: list[tuple[int, int, float]]

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            "dataset": self.manifest.request.dataset,
            "rows": self.manifest.rows,
            "bytes": self.manifest.bytes,
            "truth": self.manifest.truth,
            "sampled_rows": self.rows,
            "columns": [asdict(c) for c in self.columns],
            "label": [{"first_row": a, "rows": n, "mean": m} for a, n, m in self.label],
        }

    def table(self) -> list[list[str]]:
        """Return the column summary as rows of text, the heading first."""
        rows = [["column", "type", "unit", "missing", "distinct", "min", "mean", "max"]]
        for c in self.columns:
            numbers = [c.shown(v) for v in (c.minimum, c.mean, c.maximum)]
            rows.append(
                [c.name, c.type, c.unit, f"{c.missing:.1%}" if c.missing else "", f"{c.distinct:,}", *numbers]
            )
        return rows


def describe(directory: str | os.PathLike[str]) -> Description:
    """Summarise a dataset from at most 32 evenly spaced pieces of 65,536 rows.

    Parameters
    ----------
    directory : path
        Holds manifest.json.

    Raises
    ------
    VerificationError
        When there is no readable manifest, or a file is missing or damaged.
    """
    manifest = read(directory)
    pieces = _sample(manifest)
    table = pa.concat_tables([piece for _, piece in pieces], promote_options="default")
    laws = {c["name"]: c for c in manifest.columns}
    columns = [_summary(laws[name], table[name]) for name in table.column_names]
    label = []
    if manifest.target is not None:
        for first, piece in pieces:
            label.append((first, piece.num_rows, float(pc.mean(piece[manifest.target]).as_py())))
    return Description(manifest, table.num_rows, columns, label)


def _sample(manifest: Manifest) -> list[tuple[int, pa.Table]]:
    """Return evenly spaced pieces with their first rows."""
    size = manifest.request.row_group_rows
    groups = [(e, i) for e in manifest.files for i in range(-(-e.rows // size))]
    chosen = sorted({round(i) for i in np.linspace(0, len(groups) - 1, min(_GROUPS, len(groups)))})
    pieces = []
    for entry, group in (groups[i] for i in chosen):
        path = manifest.directory / entry.path
        try:
            with pq.ParquetFile(path) as file:
                batch = next(file.iter_batches(min(_ROWS, size), row_groups=[group], use_threads=False))
        except (pa.ArrowException, OSError, StopIteration) as error:
            reason = (str(error).splitlines() or ["no rows"])[0]
            raise VerificationError(f"{path} cannot be read ({reason}); see `scalable verify`") from error
        pieces.append((entry.first_row + group * size, pa.Table.from_batches([batch])))
    return pieces


def _summary(law: dict[str, Any], values: pa.ChunkedArray) -> ColumnSummary:
    missing = values.null_count / max(len(values), 1)
    present = values.drop_null()
    head: dict[str, Any] = {
        "name": law["name"],
        "type": law["type"],
        "unit": law["unit"],
        "law": law["law"],
        "missing": missing,
    }
    if pa.types.is_dictionary(present.type):
        found = Counter(
            {e["values"]: e["counts"] for e in pc.value_counts(present.cast(pa.string())).to_pylist()}
        )
        top = found.most_common(_LEVELS)
        nothing: dict[str, Any] = dict.fromkeys(("minimum", "maximum", "mean", "deviation"))
        return ColumnSummary(**head, **nothing, distinct=len(found), edges=[k for k, _ in top],
                             counts=[n for _, n in top])  # fmt: skip
    if pa.types.is_temporal(present.type):
        present = present.cast(pa.int64())
    data = present.cast(pa.float64()).to_numpy()
    if not len(data):
        return ColumnSummary(**head, minimum=None, maximum=None, mean=None, deviation=None, distinct=0)
    levels, counts = np.unique(data, return_counts=True)
    few = len(levels) <= _LEVELS
    whole = pa.types.is_integer(values.type) and levels[-1] - levels[0] <= 100
    spread = np.arange(levels[0], levels[-1] + 2) - 0.5 if whole else None
    edges = levels if few else _edges(data) if spread is None else spread
    counts = counts if few else np.histogram(data, edges)[0]
    return ColumnSummary(
        **head, minimum=float(data.min()), maximum=float(data.max()), mean=float(data.mean()),
        deviation=float(data.std()), distinct=len(levels), edges=[float(e) for e in edges],
        counts=[int(n) for n in counts],
    )  # fmt: skip


def _edges(data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return edges of bins, logarithmic for positive values that span more than three decades."""
    low, high = float(data.min()), float(data.max())
    positive = data[data > 0]
    start = float(np.quantile(positive, 0.001)) if low >= 0 and len(positive) else 0.0
    if low >= 0 and start > 0 and high / max(float(np.median(data)), start) > 50:
        edges = np.geomspace(start, high, _BINS + 1)
        edges[0], edges[-1] = min(low, start), high
        return edges
    return np.linspace(low, high, _BINS + 1)
