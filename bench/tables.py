"""Markdown tables made from recorded runs.

They stand between ``<!-- table:RECORD:SECTION COLUMN ... -->`` and ``<!-- /table -->``. RECORD is a file of
docs/results without ``.json``; where there is none, the page says so. SECTION is one of its lists of rows, or what
dots lead to inside it (``latency.1000``); an object of objects is a row each, with its key as ``name``; ``latency``
itself is a row an engine (see `by_engine`). A column is ``key`` or
``key=Heading``, with ``_`` for spaces and dots into nested objects; ``?key=value`` keeps the rows that have this value,
``?key~text`` those whose value contains it. A column that ends in ``?`` is left out when no row has it.
Bytes are shown in MiB, AUC to four and log loss to five decimals, other fractions to three digits, large ones as
M (10^6) and G (10^9).

A number in a sentence stands between ``<!-- value:RECORD:PATH -->`` and ``<!-- /value -->``. In a path,
``key=value`` is the first row of a list that has this value, and ``/1000`` at its end divides.

``<!-- records -->`` ... ``<!-- /records -->`` is a list of all records: what made them, when, how busy the machine was.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"(<!-- table:(\w+):([\w.]+) ([^>]*?) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)

VALUE = re.compile(r"(<!-- value:(\w+):([\w.=-]+)(?:/(\d+))? -->)(.*?)(<!-- /value -->)")
RECORDS = re.compile(r"(<!-- records -->\n)(.*?)(<!-- /records -->)", re.DOTALL)


UNRECORDED = "Not recorded yet."


def shown(key: str, value: Any) -> str:
    """Return a cell's text: `value` in the unit that the name of its column implies."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith("_bytes"):
        return f"{value / 2**20:,.0f} MiB"
    if isinstance(value, float):
        for unit, name in ((1e9, "G"), (1e6, "M")):
            if value >= unit:
                return f"{value / unit:.3g} {name}"
        if abs(value) >= 1000:
            return f"{value:,.0f}"
        digits = next((form for name, form in (("auc", ".4f"), ("log_loss", ".5f")) if name in key), ".3g")
        return f"{value:{digits}}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def inside(value: Any, path: str) -> Any:
    """Return what dots lead to: keys of objects (``_`` for spaces), entries of lists by number or content; or None."""
    for key in path.split("."):
        if isinstance(value, list) and key.isdigit():
            value = value[int(key)] if int(key) < len(value) else None
        elif isinstance(value, list):
            name, _, wanted = key.partition("=")
            value = next((row for row in value if str(row.get(name)).replace(" ", "_") == wanted), None)
        else:
            named = value.items() if isinstance(value, dict) else ()
            value = next((found for name, found in named if name.replace(" ", "_") == key), None)
    return value


def rows_of(section: Any) -> list[dict[str, Any]]:
    """Return a section as rows: a list is one, an object of objects a row a key, an object one row.

    Raises
    ------
    ValueError
        It is none of these, for example because the record has no section of that name.
    """
    if isinstance(section, list):
        return section
    if not isinstance(section, dict):
        raise ValueError(f"a table needs a list of rows or an object, not {type(section).__name__}")
    if section and all(isinstance(value, list) for value in section.values()):
        return by_engine(section)
    if section and all(isinstance(value, dict) for value in section.values()):
        return [{"name": key, **value} for key, value in section.items()]
    return [section]


def by_engine(latency: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return a row an engine; ``10`` is what was measured at 10 rows a call, ``10.each`` its microseconds a row.

    ``each`` is the median call's, and in brackets how many times longer the baseline of the same run took.
    """
    engines: dict[str, dict[str, Any]] = {}
    for batch, rows in latency.items():
        baseline = next((row["p50_us"] for row in rows if row.get("baseline") and "p50_us" in row), None)
        for row in rows:
            if "p50_us" in row:
                times = "" if baseline is None else f" ({baseline / row['p50_us']:.1f}x)"
                each = shown("us", row["p50_us"] / int(batch)) + times
                merged = engines.setdefault(row["engine"], {**row})
                merged[batch] = {**row, "each": each}
    return list(engines.values())


def table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Return rows as a Markdown table.

    Parameters
    ----------
    rows : list of dict
    columns : list of str
        ``key`` or ``key=Heading``, with ``?`` at the end to be left out when empty; or ``?key=value`` and
        ``?key~text``, which leave out other rows.
    """
    for condition in (c[1:] for c in columns if c.startswith("?")):
        key, sign, wanted = re.split("([=~])", condition, maxsplit=1)
        values = [str(inside(row, key)).replace(" ", "_") for row in rows]
        kept = [wanted == value if sign == "=" else wanted in value for value in values]
        rows = [row for row, keep in zip(rows, kept, strict=True) if keep]
    columns = [c for c in columns if not c.startswith("?")]
    known = [c.removesuffix("?") for c in columns if not c.endswith("?") or _has(rows, c.removesuffix("?"))]
    keys, heads = zip(*((c.partition("=")[0], c.partition("=")[2] or c) for c in known), strict=True)
    lines = ["| " + " | ".join(head.replace("_", " ") for head in heads) + " |", "|---" * len(keys) + "|"]
    lines += ["| " + " | ".join(shown(key, inside(row, key)) for key in keys) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _has(rows: list[dict[str, Any]], column: str) -> bool:
    return any(inside(row, column.partition("=")[0]) is not None for row in rows)


def listed(records: Path, link_to: str = "results") -> str:
    """Return a Markdown table of all results documents of a directory, with the load average they were made at."""
    rows = []
    for path in sorted(records.glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        if "format" in document:
            link = f"[{path.stem}]({link_to}/{path.name})"
            rows.append(
                {**document, "name": link, "made": document["created"][:10], "by": f"`{document['command']}`"}
            )
    return table(rows, ["name=record", "by=made_by", "made=on", "machine.cpu=processor",
                        "machine.vectors=vectors", "machine.load=load"])  # fmt: skip


def filled(text: str, records: Path, link_to: str = "results") -> str:
    """Return a Markdown text with every table block made anew from its record in `records`, linked as `link_to`."""
    from scalable.report.results import read_results

    def one(found: re.Match[str]) -> str:
        if not (records / f"{found[2]}.json").exists():
            return f"{found[1]}{UNRECORDED}\n{found[6]}"
        document = read_results(records / f"{found[2]}.json")
        rows = rows_of(inside(document["sections"], found[3]))
        return f"{found[1]}{table(rows, found[4].split())}{found[6]}"

    def number(found: re.Match[str]) -> str:
        if not (records / f"{found[2]}.json").exists():
            return f"{found[1]}({UNRECORDED[:-1].lower()}){found[6]}"
        value = inside(read_results(records / f"{found[2]}.json")["sections"], found[3])
        if value is None:
            raise ValueError(f"{found[2]}: nothing at {found[3]}")
        key = found[3].rpartition(".")[2]
        return f"{found[1]}{shown(key, value / int(found[4]) if found[4] else value)}{found[6]}"

    text = VALUE.sub(number, BLOCK.sub(one, text))
    return RECORDS.sub(lambda found: f"{found[1]}{listed(records, link_to)}{found[3]}", text)
