"""How a section of unknown shape becomes tables: what is nested gets a table of its own, linked by names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scalable.report.blocks.block import Block, Column, Table, table
from scalable.report.format import anything
from scalable.report.units import Unit, unit, written

DEPTH = 4  # of tables within tables; what lies deeper is written into its cell
HEADING = 30  # letters of a column's name; mappings with longer ones are listed downwards
LAST = ("command", "message", "note")  # columns of long texts, which would push numbers off the screen
NAME, PARENT = "entry", "of"


def plain_block(name: str, section: Any) -> Block:
    """Return a block of tables for a section of any shape."""
    title = unit(name).heading
    if not isinstance(section, (list, dict)):
        return Block(name, title, notes=[anything(section)])
    if isinstance(section, list) and not _is_rows(section):
        return Block(name, title, notes=[anything(item) for item in section])
    if isinstance(section, list):
        return Block(name, title, tables=list(_tables(section, "", None, DEPTH)))
    flat = {key: value for key, value in section.items() if not _is_nested(value)}
    tables = [_entries(flat)] if flat else []
    for caption, rows, inherited in _grouped(
        {key: value for key, value in section.items() if key not in flat}
    ):
        if len(rows) == 1 and not any(_is_nested(value) for value in rows[0].values()):
            tables.append(_entries(rows[0], caption, inherited))
        else:
            tables += _tables(rows, caption, inherited, DEPTH)
    return Block(name, title, tables=tables)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _is_nested(value: Any) -> bool:
    """Return whether a value deserves a table of its own."""
    return _is_rows(value) or (isinstance(value, dict) and bool(value))


def _entries(flat: Mapping[str, Any], caption: str = "", inherited: Unit | None = None) -> Table:
    """Return single values as a table of two columns."""
    columns = [_column(key, inherited) for key in flat]
    rows = [{"entry": heading, "value": write(flat[key])} for heading, key, write in columns]
    return table(rows, [("Entry", "entry", str), ("Value", "value", str)], caption)


def _grouped(
    nested: Mapping[str, Any],
) -> Iterator[tuple[str, list[dict[str, Any]], Unit | None]]:
    """Yield (caption, rows, unit of numbers without one); mappings of the same keys become rows of one table."""
    taken: set[str] = set()
    for key, value in nested.items():
        if key in taken:
            continue
        if not isinstance(value, dict):
            yield unit(key).heading, value, None
        elif all(isinstance(inner, dict) for inner in value.values()):
            yield unit(key).heading, [{NAME: name} | inner for name, inner in value.items()], unit(key)
        else:
            alike = [name for name, other in nested.items() if _same_keys(other, value)]
            taken.update(alike)
            if len(alike) == 1:
                yield unit(key).heading, [dict(value)], unit(key)
            else:
                yield (
                    "",
                    [{NAME: unit(name).heading} | _in_unit(nested[name], unit(name)) for name in alike],
                    None,
                )


def _in_unit(values: dict[str, Any], how: Unit) -> dict[str, Any]:
    """Return numbers as texts in the unit their mapping is named for, where one column holds several units."""
    return {
        key: written(value, how) if how.kind and not unit(key).kind else value
        for key, value in values.items()
    }


def _same_keys(one: Any, other: dict[str, Any]) -> bool:
    return isinstance(one, dict) and one.keys() == other.keys()


def _tables(
    rows: Sequence[dict[str, Any]], caption: str, inherited: Unit | None, depth: int
) -> Iterator[Table]:
    """Yield the table of `rows`, then those of what is nested in them, each row named after its parent."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    keys.sort(key=LAST.__contains__)
    nested = [key for key in keys if depth and any(_is_nested(row.get(key)) for row in rows)]
    columns = [_column(key, inherited) for key in keys if key not in nested]
    if columns:
        shown = [{key: _plain(value) for key, value in row.items() if key not in nested} for row in rows]
        if any(shown):
            yield table(shown, columns, caption)
    for key in nested:
        children: list[dict[str, Any]] = []
        for number, row in enumerate(rows, 1):
            value = row.get(key)
            if not isinstance(value, (list, dict)) or not _is_nested(value):
                continue
            label = {PARENT: _label(row, number)} if len(rows) > 1 else {}
            if isinstance(value, list):
                children += [label | inner for inner in value]
            elif all(isinstance(inner, dict) for inner in value.values()):
                children += [label | {NAME: name} | inner for name, inner in value.items()]
            elif any(len(name) > HEADING for name in value):  # messages, and how often each came
                children += [label | {NAME: name, "value": inner} for name, inner in value.items()]
            else:
                children.append(label | value)
        heading = ": ".join(part for part in (caption, unit(key).heading) if part)
        yield from _tables(children, heading, unit(key), depth - 1)


def _plain(value: Any) -> Any:
    """Return a value that says nothing as None, and yes and no as words: neither is good or bad here."""
    return anything(value) if isinstance(value, bool) else None if value in ({}, [], "") else value


def _label(row: dict[str, Any], number: int) -> str:
    """Return what tells a row from others: its first text, else its first whole number, else its place."""
    for kind in (str, int):
        for key, value in row.items():
            if isinstance(value, kind) and not isinstance(value, bool):
                return value if isinstance(value, str) else f"{value:,} {unit(key).heading.lower()}"
    return str(number)


def _column(key: str, inherited: Unit | None) -> Column:
    how = unit(key)
    if not how.kind and inherited is not None and inherited.kind:
        how = Unit(how.heading, inherited.kind, inherited.write, inherited.larger_is_better)
    return how.heading, key, lambda value: written(value, how)
