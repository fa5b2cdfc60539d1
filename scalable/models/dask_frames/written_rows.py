"""A Dask DataFrame as a source: its partitions are written to Parquet once, by whoever computes them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scalable import progress
from scalable.data.parquet import ParquetSource
from scalable.data.roles import TARGET, WEIGHT, spoken
from scalable.errors import DataError, UsageError
from scalable.execution.executors import connected
from scalable.storage.documents import SHAPELESS
from scalable.storage.places import place
from scalable.storage.replace import replacing, write_text

MARK = "written.json"  # beside the rows, when all of them are there
ROW_GROUP = 2**17
_scratch: list[tempfile.TemporaryDirectory[str]] = []  # of this process, removed when it ends


def is_dask(X: Any) -> bool:
    """Whether X is a collection of Dask's."""
    return type(X).__module__.partition(".")[0] in ("dask", "dask_expr")


def from_dask(
    X: Any,
    target: str | None = None,
    weight: str | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    client: Any = None,
    **how: Any,
) -> ParquetSource:
    """Write a Dask DataFrame to Parquet, once, and return it as a source.

    Parameters
    ----------
    X : dask.dataframe.DataFrame
        Its index is left out; rows keep the order of the partitions, whatever the divisions.
    target, weight : str, optional
        Columns of those roles.
    store : path, optional
        Directory or ``s3://`` prefix that keeps the rows, below a name made from the frame's token: the same frame is
        not written again, also by another process. By default a temporary directory, which goes with this process.
    client : distributed.Client, str or None
        Whose workers compute and write; by default Dask's current scheduler.
    **how
        Further arguments of `ParquetSource`.

    Raises
    ------
    DataError
        When a column holds objects that no type holds, partitions differ in their types, there are no rows, or the
        workers' files are not seen here.
    UsageError
        When X is no Dask DataFrame.
    """
    files = Frame(X).written(store, client)
    return ParquetSource(files, target, weight=weight, **how)


def rows_to_fit(X: Any, y: Any, sample_weight: Any, client: Any) -> tuple[ParquetSource, str]:
    """Return what ``fit`` was given as a source of files, and where those are, in words.

    Parameters
    ----------
    X : dask.dataframe.DataFrame
        Features.
    y, sample_weight : dask.dataframe.Series, str or None
        Of the same partitions as X, or names of its columns.
    client : distributed.Client, str or None
        Whose workers write.
    """
    named = {"target": y, "weight": sample_weight}
    beside = {name: values for name, values in ((TARGET, y), (WEIGHT, sample_weight)) if is_dask(values)}
    for role, values in named.items():
        if values is not None and not isinstance(values, str) and not is_dask(values):
            raise UsageError(
                f"X is a Dask DataFrame, so {role} must be a Dask Series of the same partitions, or the name of a "
                f"column, not {type(values).__name__}"
            )
    roles: dict[str, Any] = {
        role: name for role, name in (("target", TARGET), ("weight", WEIGHT)) if name in beside
    }
    roles |= {role: values for role, values in named.items() if isinstance(values, str)}
    files = Frame(X, beside).written(None, client)
    source = ParquetSource(files, **roles)
    return (
        source,
        f"the Dask DataFrame was written to {os.path.dirname(files[0])}, which goes with this process",
    )


@dataclass(frozen=True)
class Frame:
    """A Dask DataFrame, and series of the same partitions that become columns."""

    X: Any
    beside: Any = None

    def written(self, store: str | os.PathLike[str] | None, client: Any) -> list[str]:
        """Return the files that hold the rows, written now where they are not there yet."""
        import dask

        if not is_dask(self.X) or not hasattr(self.X, "columns") or self.X.ndim != 2:
            kind = type(self.X)
            raise UsageError(
                f"X is a {kind.__module__.partition('.')[0]} {kind.__name__}; give a dask.dataframe.DataFrame, or "
                "write Parquet and fit ParquetSource"
            )
        beside = self.beside or {}
        token = dask.base.tokenize(self.X, *sorted(beside.items(), key=lambda one: one[0]))
        where = place(f"{os.fspath(store or _temporary()).rstrip('/')}/rows-{token[:16]}")
        if (known := _known(where)) is not None:
            return known
        columns = list(self.X.columns)
        if not all(isinstance(name, str) for name in columns):  # a part of it at prediction would have none
            raise DataError(
                f"the Dask DataFrame has column names that are no text among {columns[:8]}; "
                "use X.columns = X.columns.astype(str)"
            )
        if len(set(columns)) < len(columns) or set(columns) & set(beside):
            raise DataError(f"the Dask DataFrame has two columns of one name among {columns[:8]}; rename one")
        where.mkdir(parents=True, exist_ok=True)
        for name, values in beside.items():
            if values.npartitions != self.X.npartitions:
                raise DataError(
                    f"{spoken('', name)} has {values.npartitions} partitions and X has {self.X.npartitions}; take both "
                    "from one Dask DataFrame"
                )
        whole = self.X
        if beside:  # in one graph: what they have in common is computed once
            meta = whole._meta.assign(**{name: values._meta for name, values in beside.items()})
            whole = whole.map_partitions(
                _together, *beside.values(), names=tuple(beside), align_dataframes=False, enforce_metadata=False,
                meta=meta,
            )  # fmt: skip
        tasks = [
            dask.delayed(_write)(f"{where}/part-{k:05d}.parquet", k, rows)
            for k, rows in enumerate(whole.to_delayed())
        ]
        with progress.task(f"write {len(tasks):,} Dask partitions to {where}"):
            found = _computed(tasks, client)
        kept = [one for one in found if one is not None]
        _check_alike(kept)
        files = [name for name, _, _ in kept]
        if not files:
            raise DataError("the Dask DataFrame has no rows; check its filters")
        for name, _, n_rows in kept:
            _check_seen(f"{where}/{name}", n_rows)
        write_text(where / MARK, json.dumps({"files": files}))
        return [f"{where}/{name}" for name in files]


def _together(rows: Any, *beside: Any, names: Sequence[str]) -> Any:
    """Return a partition with series of the same partition as columns."""
    for name, values in zip(names, beside, strict=True):
        if len(values) != len(rows) or not values.index.equals(rows.index):
            raise DataError(
                f"{spoken('', name)} has a partition of {len(values):,} rows of another index than the {len(rows):,} "
                "of X; take both from one Dask DataFrame"
            )
        rows = rows.assign(**{name: values})
    return rows


def _write(path: str, k: int, rows: Any) -> tuple[str, str, int] | None:
    """Write a partition on whoever has it; return the file's name, its schema as text, and its rows."""
    if not len(rows):
        return None
    arrays = {str(name): _array(rows[name], str(name), k) for name in rows.columns}
    table = pa.table(arrays)
    with replacing(path) as file:
        pq.write_table(table, file, row_group_size=ROW_GROUP)
    return os.path.basename(path), table.schema.remove_metadata().to_string(), len(rows)


def _array(values: Any, name: str, k: int) -> Any:
    try:
        array = pa.Array.from_pandas(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"partition {k}, column {name!r}: holds objects of no one type ({str(error).partition(chr(10))[0]}); "
            f"convert it, as in df.assign({name}=df[{name!r}].astype('string'))"
        ) from error
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_null(array.type):  # objects, all missing
        return array.cast(pa.string())
    if pa.types.is_dictionary(array.type):  # each partition may have categories of its own
        return array.dictionary_decode()
    return array.cast(pa.string()) if pa.types.is_large_string(array.type) else array


def _computed(tasks: list[Any], client: Any) -> list[tuple[str, str, int] | None]:
    import dask

    if client is None:
        return list(dask.compute(*tasks))
    with connected(client) as opened:
        return list(dask.compute(*tasks, scheduler=opened))


def _check_alike(kept: Sequence[tuple[str, str, int]]) -> None:
    first = kept[0][1].splitlines() if kept else []
    for name, schema, _ in kept:
        for here, there in zip(schema.splitlines(), first, strict=False):
            if here != there:
                raise DataError(
                    f"partitions of the Dask DataFrame differ: {kept[0][0]} has {there}, {name} has {here}; convert "
                    "the column with astype"
                )


def _check_seen(path: str, n_rows: int) -> None:
    file = place(path)
    if not file.exists():
        raise DataError(
            f"{path}: a Dask worker wrote it, and it is not here; give a place that all share, as in "
            "scalable.from_dask(df, target=..., store='/shared/rows')"
        )
    if not n_rows:
        raise DataError(f"{path}: holds no rows")


def _known(where: Any) -> list[str] | None:
    """Return the files of rows that were written to the end; None where there are none, or some are gone."""
    try:
        files = [f"{where}/{name}" for name in json.loads((where / MARK).read_text())["files"]]
    except (OSError, *SHAPELESS):
        return None
    return files if files and all(place(file).exists() for file in files) else None


def _temporary() -> str:
    if not _scratch or not Path(_scratch[0].name).is_dir():
        _scratch[:] = [tempfile.TemporaryDirectory(prefix="scalable-rows-")]
    return _scratch[0].name
