"""An encoder as a program over packed rows: which columns are read, how, and what becomes of their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.features.categories import calendar_bases, missing_bucket
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.number_encoder import NumberEncoder
from scalable.features.target_encoding.means import TargetMeans
from scalable.features.tree_encoder import TreeEncoder
from scalable.inference.request.cells import Cell, Value
from scalable.kernels.encode import request as kernels

CELL_BYTES = 8


@dataclass(slots=True)
class Layout:
    """What fills packed rows and what the kernel does with them.

    Attributes
    ----------
    names : list of str
        Columns that are read.
    types : list of pyarrow.DataType
        Theirs in training.
    cells : list of callable
        From the value of each to its cell.
    formats : list of str
        Of each cell, as ``struct`` writes it.
    plain : list of int
        Whether the usual values of each are numbers as they are; ``kernels.TRUTH`` where these are 0 and 1.
    hashed : list of int
        Columns whose bytes follow the cells.
    columns : list of dict
        Fields of ``kernels.COLUMN``.
    kept : list of array
        Tables that the program points to.
    """

    names: list[str] = field(default_factory=list)
    types: list[pa.DataType] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    plain: list[int] = field(default_factory=list)
    hashed: list[int] = field(default_factory=list)
    columns: list[dict[str, Any]] = field(default_factory=list)
    kept: list[NDArray[Any]] = field(default_factory=list)

    def add(
        self, value: Value, action: int, cell: Cell, letter: str = "q", plain: int = 0, **more: Any
    ) -> None:
        """Add a column with its cell."""
        if action in (kernels.TEXT, kernels.INTEGER):
            self.hashed.append(len(self.names))
        self.columns.append({"action": action, "cell": CELL_BYTES * len(self.names), **more})
        self.names.append(value.name)
        self.types.append(value.type)
        self.cells.append(cell)
        self.formats.append(letter)
        self.plain.append(plain)

    def add_number(self, value: Value, **more: Any) -> None:
        """Add a column of numbers or times."""
        kind = value.type
        if pt.is_temporal(kind):
            self.add(value, kernels.TIME, value.time(), **more)
        elif pt.is_decimal(kind):
            self.add(value, kernels.NUMBER, value.decimal, "d", **more)
        elif pt.is_float32(kind) or pt.is_float16(kind):
            letter, plain = "f4x", pt.is_float32(kind)
            self.add(value, kernels.SINGLE, value.narrow, letter, plain, **more)
        else:
            plain = kernels.TRUTH if pt.is_boolean(kind) else 1
            self.add(value, kernels.NUMBER, value.number, "d", plain, **more)

    def table(self, means: TargetMeans, taken: int) -> dict[str, Any]:
        """Return the fields of a table of means, which is kept."""
        table = np.ascontiguousarray(means.table)
        self.kept.append(table)
        return {
            "table": table.ctypes.data,
            "width": table.shape[1],
            "single": table.dtype == np.float32,
            "taken": taken,
        }

    def program(self, **header: int) -> NDArray[np.uint8]:
        """Return header and columns as one block of memory."""
        head = np.zeros(1, kernels.HEADER)
        head["columns"], head["rows"] = len(self.columns), 1
        for name, found in header.items():
            head[name] = found
        records = np.zeros(len(self.columns), kernels.COLUMN)
        for record, column in zip(records, self.columns, strict=True):
            for name, found in column.items():
                record[name] = found
        return np.concatenate([head.view(np.uint8), records.view(np.uint8)])


def tree_layout(encoder: TreeEncoder) -> Layout:
    """Return the layout of rows for trees."""
    layout, to, cell = Layout(), 0, {}
    for column in encoder.columns:
        if column.left_out:
            continue
        value = Value(column.name, column.arrow_type, column.kind)
        cell[column.name] = CELL_BYTES * len(layout.names)
        if column.means is not None:
            _add_means(layout, value, column.means, to)
            if column.numbered:  # a second cell of the same value
                layout.add_number(value, to=to + column.means.width)
        elif column.categories is not None:
            n = len(column.categories)
            layout.add(value, kernels.CODE, value.code(column.categories), to=to, count=n)
        else:
            layout.add_number(value, to=to)
        to += column.width
    for joined in encoder.pairs:
        (first, second), (n_first, n_second) = joined.pair.names, joined.pair.shape
        layout.columns.append(
            {"action": kernels.PAIR, "cell": cell[first], "other": cell[second], "to": to, "count": n_first - 1,
             "second": n_second - 1, **layout.table(joined.means, 1)}
        )  # fmt: skip
        to += 1
    return layout


def _add_means(layout: Layout, value: Value, means: TargetMeans, to: int) -> None:
    more = {"to": to, "count": means.n_cells, **layout.table(means, means.width)}
    if value.kind != "text":
        layout.add(value, kernels.INTEGER, value.whole, **more)
    elif means.crc:
        layout.add(value, kernels.BUCKET, value.bucket(means.n_cells), **more)
    else:
        layout.add(value, kernels.TEXT, value.content, **more)


def number_layout(encoder: NumberEncoder) -> Layout:
    """Return the layout of rows of plain numbers."""
    layout = Layout()
    for to, (name, arrow_type, kind) in enumerate(encoder.columns):
        layout.add_number(Value(name, arrow_type, kind), to=to)
    return layout


def plain_layout(names: Sequence[str], levels: Mapping[str, Sequence[Any]]) -> Layout:
    """Return the layout of rows of doubles; of columns with `levels`, of the codes of these."""
    layout = Layout()
    for to, name in enumerate(names):
        value = Value(name, "double", "float")
        if name in levels:
            layout.add(value, kernels.NUMBER, value.level(levels[name]), "d", to=to)
        else:
            layout.add_number(value, to=to)
    return layout


def linear_layout(encoder: LinearEncoder) -> Layout:
    """Return the layout of rows for linear models."""
    layout, to, at = Layout(), 0, 0
    for column, base in zip(encoder.columns, encoder.bases, strict=True):
        if column.action == "drop":
            continue
        value = Value(column.name, column.arrow_type, column.kind)
        place: dict[str, Any] = {"to": to, "id": at if column.n_ids else -1, "base": base}
        if column.action == "known":
            known: Any = column.categories if column.kind == "text" else tuple(map(float, column.categories))
            layout.add(value, kernels.CODE, value.code(known), **place)
        elif column.action == "hashed":
            place["base"] = encoder.n_known
            text, n = column.kind == "text", encoder.n_buckets
            layout.add(
                value, kernels.TEXT if text else kernels.INTEGER, value.content if text else value.whole,
                **place, count=n, salt=column.salt, missing=missing_bucket(column.salt, encoder.n_known, n),
            )  # fmt: skip
        else:
            hour, weekday = calendar_bases(column.calendar, base)
            layout.add_number(
                value, **place, indicator=column.indicator, forbidden=column.forbid_missing,
                day=int(column.day_ticks), hour=hour, weekday=weekday, offset=column.offset, scale=column.scale,
                unit=column.log_unit or 0.0, fill=column.fill, rate=column.missing_rate,
            )  # fmt: skip
        to += column.n_columns
        at += column.n_ids
    return layout
