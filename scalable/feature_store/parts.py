"""Parts of the output: the keys as they were given, with the features beside them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from scalable.data.block import BLOCK_ROWS, RawBlock
from scalable.data.columns import column_kind
from scalable.errors import DataError
from scalable.execution.work import GroupRows
from scalable.feature_store.bind import BoundView
from scalable.feature_store.spill import REMEDY, open_spills, read_partition
from scalable.feature_store.stages import read_texts
from scalable.feature_store.value_words import restore
from scalable.scoring.parts import part_path
from scalable.storage.replace import explained, replacing


@dataclass(frozen=True)
class JoinedView:
    """Where the features of all keys are, by part of the output.

    Attributes
    ----------
    bound : BoundView
    paths : tuple of str
        Spilled files: row within the part, then the features.
    counted, texts : tuple of str
        Files beside which counts (``.json``) and texts (``.texts``) may be.
    """

    bound: BoundView
    paths: tuple[str, ...]
    counted: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class WritePart:
    """Write one part of the output: the key columns, then the features of each view; a task.

    Attributes
    ----------
    schema : pyarrow.Schema
        Of the output.
    joined : tuple
        Each view with its joined files and its file of texts (None without any).
    out : str
        Directory.
    parts : tuple of int
        First shard of each part, in order.
    """

    schema: pa.Schema
    n_key_columns: int
    joined: tuple[tuple[BoundView, tuple[str, ...], str | None], ...]
    out: str
    parts: tuple[int, ...]

    waits: ClassVar[bool] = True  # for the disk: a file gets its name when it is there

    def run(self, rows: GroupRows) -> int:
        """Do one part; return its rows."""
        part = self.parts.index(rows.group[0].index)
        n_rows = sum(shard.n_rows for shard in rows.group)
        features = [column for view in self.joined for column in self._features(view, part, n_rows)]
        path = part_path(Path(self.out), rows.group)
        done = 0
        with explained(DataError, path, REMEDY), ExitStack() as opened:
            file = opened.enter_context(replacing(path))
            writer = opened.enter_context(
                pq.ParquetWriter(
                    file, self.schema, compression="none", use_dictionary=False, write_batch_size=BLOCK_ROWS
                )
            )

            def write(_: None, block: RawBlock) -> None:
                nonlocal done
                names = self.schema.names[: self.n_key_columns]
                keys = [block.arrays[name].cast(self.schema.field(name).type) for name in names]
                found = [column.slice(done, block.n_rows) for column in features]
                writer.write_table(pa.table([*keys, *found], schema=self.schema))
                done += block.n_rows

            rows.through_all(None, write)
        return done

    def _features(
        self, view: tuple[BoundView, tuple[str, ...], str | None], part: int, n_rows: int
    ) -> list[pa.Array]:
        bound, paths, texts = view
        columns, _ = read_partition(open_spills(paths), part)
        if len(columns[0]) != n_rows or not 0 <= columns[0].min() <= columns[0].max() < n_rows:
            raise DataError(
                f"{paths[0]} and others hold {len(columns[0]):,} rows of part {part}, expected {n_rows:,}; begin anew"
            )
        table = read_texts([Path(texts)]) if texts is not None else None
        return [
            restore(words, columns[0], bound.type_of(feature), table)
            for words, feature in zip(columns[1:], bound.view.features, strict=True)
        ]


def output_schema(keys: pa.Schema, bounds: Sequence[BoundView]) -> pa.Schema:
    """Return the columns of the output: those of the keys, then the features.

    Raises
    ------
    DataError
        A key column is called like a feature, or of a type that is not passed on.
    """
    features = [pa.field(f.name, bound.type_of(f)) for bound in bounds for f in bound.view.features]
    fields = []
    for field in keys:
        if field.name in {f.name for f in features}:
            raise DataError(
                f"the keys have a column {field.name!r} already, the name of a feature; leave it out, or rename the "
                "view"
            )
        if column_kind(field.type) is None:
            raise DataError(
                f"the keys' column {field.name!r} is {field.type}, which is not passed on; leave it out"
            )
        text = column_kind(field.type) == "text" and not pa.types.is_dictionary(field.type)
        fields.append(pa.field(field.name, pa.string() if text else field.type))
    return pa.schema([*fields, *features])
