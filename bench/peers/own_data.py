"""The user's own data, made ready for a comparison: the same rows for all, as they are and as numbers.

Contenders of this project read the columns as they are. Peers read numbers: two further files hold the same rows in
the same files, once for linear models and once for forests. What making numbers takes is in nobody's time.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.peers.measure import TINY_ROWS
from bench.peers.task import HELD_OUT
from scalable.errors import DataError, UsageError

LABEL = "label_of_versus"  # 0 or 1, beside the columns of a user whose target may be text
ONE_HOT, FILES = 64, 40
ENCODING = {
    "linear": "one-hot of the 64 most frequent categories, missing numbers as the mean beside an indicator",
    "trees": "categories as whole numbers by frequency, told to LightGBM and XGBoost; missing is NaN",
}


@dataclass(frozen=True)
class OwnData:
    """Prepared directories, each with a small one (``-tiny``) to warm up on.

    Attributes
    ----------
    raw, linear, trees : Path
        The rows as they are, and as numbers.
    categorical : tuple of str
        Columns of `trees` that hold categories.
    about : dict
        The ``dataset`` section of the results.
    """

    raw: Path
    linear: Path
    trees: Path
    categorical: tuple[str, ...]
    about: dict[str, Any]


def prepare(
    data: str,
    target: str,
    out: Path,
    rows: int,
    features: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
) -> OwnData:
    """Write the rows of a comparison below `out`.

    Parameters
    ----------
    data : str
        File, directory or glob of Parquet.
    target : str
        A column of exactly two values; the greater one is the positive class.
    out : Path
    rows : int
        At most about so many: heads of evenly spaced shards where the data has more.
    features : sequence of str, optional
        Columns to learn from; all others by default.
    exclude : sequence of str
        Columns to leave out, where `features` are not given.

    Raises
    ------
    UsageError
        The target has not two values, or nothing is left to learn from.
    DataError
        A target is missing, a feature is infinite, or rows are too few to hold some out.
    """
    from scalable.data.parquet import ParquetSource
    from scalable.execution.sampling import sample_shards

    wanted = None if features is None else list(features)
    source = ParquetSource(data, target=target, features=wanted, exclude=exclude)
    names = [*source.feature_names, target]
    parts = [
        pa.table({name: _plain(raw.arrays[name]) for name in names})
        for shard in sample_shards(source, rows)
        for raw in source.raw_blocks(shard, names)
    ]
    if sum(len(part) for part in parts) < 2 * FILES:
        raise DataError(
            f"{data}: a comparison needs at least {2 * FILES} rows, to hold every fifth part of them out"
        )
    table = pa.concat_tables(parts, promote_options="permissive").combine_chunks()
    for name in source.feature_names:  # refused by some contenders, and named by another file than the user's
        column = table.column(name)
        infinite = pc.sum(pc.is_inf(column)).as_py() if pa.types.is_floating(column.type) else 0
        if infinite:
            raise DataError(
                f"{data}: column {name!r} has {infinite:,} infinite values: clean it, or --exclude {name}"
            )
    label, classes = _label(table.column(target), target)
    table = table.drop_columns([target])
    sets = {"raw": table.append_column(LABEL, pa.array(label, pa.int8()))}
    train = _train_rows(len(table))
    sets["linear"], _ = _numbers(table, train, one_hot=True)
    sets["trees"], categorical = _numbers(table, train, one_hot=False)
    for name in ("linear", "trees"):
        sets[name] = sets[name].append_column(LABEL, pa.array(label, pa.int8()))
    digest = hashlib.sha256()
    for name, rows_of in sets.items():
        _write(rows_of, out / name)
        _write(rows_of[:TINY_ROWS], out / f"{name}-tiny")
        for path in sorted((out / name).iterdir()):
            digest.update(path.read_bytes())
    held_out = int(len(table) - train.sum())
    about = {
        "name": Path(data).name or data, "id": f"{Path(data).name}-{len(table)}", "rows": len(table),
        "rows_of_the_data": source.n_rows, "columns": table.num_columns, "target": target,
        "positive_class": str(classes[1]), "positive_share": float(label.mean()),
        "bytes": sum(path.stat().st_size for path in (out / "raw").iterdir()),
        "train_rows": len(table) - held_out, "held_out_rows": held_out, "checksum": digest.hexdigest(),
        "numbers_for_linear_peers": ENCODING["linear"], "numbers_for_forests": ENCODING["trees"],
        "columns_as_numbers": f"{sets['linear'].num_columns - 1} linear, {sets['trees'].num_columns - 1} forests",
    }  # fmt: skip
    return OwnData(out / "raw", out / "linear", out / "trees", categorical, about)


def _plain(column: Any) -> Any:
    """Return a column without a dictionary, whose codes differ from block to block."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _label(column: Any, target: str) -> tuple[NDArray[np.int8], list[Any]]:
    """Return 0 and 1 for the two values of a target, and these values in order."""
    if column.null_count:
        raise DataError(
            f"the target {target!r} is missing in {column.null_count:,} rows: leave these out first"
        )
    if pa.types.is_floating(column.type) and pc.any(pc.is_nan(column)).as_py():
        raise DataError(f"the target {target!r} is NaN in some rows: leave these out first")
    values = pc.unique(column).to_pylist()
    if len(values) != 2:
        raise UsageError(
            f"versus compares classifiers of two classes; the target {target!r} has {len(values):,} different values"
            + (f" ({', '.join(map(str, values[:5]))}{', ...' if len(values) > 5 else ''})" if values else "")
        )
    classes = sorted(values)
    return np.asarray(pc.equal(column, pa.scalar(classes[1], column.type))).astype(np.int8), classes


def _size(rows: int) -> int:
    """Return the rows of a file: a file is one row group and one shard, so that everyone can hold out whole ones."""
    return -(-rows // FILES)


def _write(table: Any, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    size = _size(len(table))
    for k in range(-(-len(table) // size)):
        pq.write_table(table[k * size : (k + 1) * size], folder / f"{k:02}.parquet", row_group_size=size)


def _train_rows(rows: int) -> NDArray[np.bool_]:
    """Return which rows are trained on, as ``ParquetSource.split`` will say of the files."""
    return np.asarray(np.arange(rows) // _size(rows) % HELD_OUT != 0)


def _numbers(table: Any, train: NDArray[np.bool_], one_hot: bool) -> tuple[Any, tuple[str, ...]]:
    """Return columns as float32, and the names of those that hold codes; all is learned from training rows."""
    made: dict[str, NDArray[np.float32]] = {}
    categorical: list[str] = []
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if _is_text(column.type):
            ranks = _ranks(column, train)
            if one_hot:
                for k in range(min(ONE_HOT, int(ranks.max(initial=-1)) + 1)):
                    made[f"{name}={k}"] = (ranks == k).astype(np.float32)
            else:
                made[name] = np.where(ranks < 0, np.nan, ranks).astype(np.float32)
                categorical.append(name)
            continue
        values = _values(column, name)
        gone = ~np.isfinite(values)
        kept = values[train & ~gone]
        start = kept.mean() if kept.size else 0.0
        if one_hot:
            made[name] = np.where(gone, 0.0, values - start).astype(np.float32)
            if gone.any():
                made[f"{name} missing"] = gone.astype(np.float32)
        else:
            made[name] = (values - (start if pa.types.is_temporal(column.type) else 0.0)).astype(np.float32)
    made = {name: values for name, values in made.items() if np.nanmin(values) < np.nanmax(values)}
    if not made:
        raise UsageError("no column is left to learn from: all are constant")
    return pa.table(made), tuple(name for name in categorical if name in made)


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _ranks(column: Any, train: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return each value's place among the training rows' values by frequency; -1 for missing and unseen ones."""
    counts = pc.value_counts(column.filter(pa.array(train)).drop_null())
    values = counts.field("values")
    order = pc.sort_indices(counts, sort_keys=[("counts", "descending"), ("values", "ascending")])
    found = pc.index_in(column, value_set=values.take(order))
    return np.asarray(pc.fill_null(found, -1)).astype(np.int64)


def _values(column: Any, name: str) -> NDArray[np.float64]:
    """Return a column of numbers or times (in days) as float64, NaN where it is missing."""
    kind, days = column.type, 1.0
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        days = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit] * 86_400.0
        column = column.cast(pa.int64())
    elif pa.types.is_temporal(kind):
        column = column.cast(
            pa.int32() if kind in (pa.date32(), pa.time32("s"), pa.time32("ms")) else pa.int64()
        )
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
              or pa.types.is_decimal(kind)):  # fmt: skip
        raise UsageError(f"column {name!r} ({kind}) cannot be made a number: leave it out with --exclude")
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64) / days
