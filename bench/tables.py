"""Markdown tables made from recorded runs.

They stand between ``<!-- table:RECORD:SECTION COLUMN ... -->`` and ``<!-- /table -->``. RECORD is a file of
docs/results without ``.json``, SECTION one of its lists of rows, a column ``key`` or ``key=Heading`` with ``_``
for spaces. Bytes are shown in MiB, other fractions to three digits, large
ones as M (10^6) and G (10^9).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"(<!-- table:(\w+):(\w+) ([^>]*?) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)


def shown(key: str, value: Any) -> str:
    """Return a cell's text: `value` in the unit that the name of its column implies."""
    if value is None:
        return ""
    if key.endswith("_bytes"):
        return f"{value / 2**20:,.0f} MiB"
    if isinstance(value, float):
        for unit, name in ((1e9, "G"), (1e6, "M")):
            if value >= unit:
                return f"{value / unit:.3g} {name}"
        return (
            f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if "auc" not in key else f"{value:.4f}"
        )
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Return rows as a Markdown table.

    Parameters
    ----------
    rows : list of dict
    columns : list of str
        ``key`` or ``key=Heading``.
    """
    keys, heads = zip(*((c.partition("=")[0], c.partition("=")[2] or c) for c in columns), strict=True)
    lines = ["| " + " | ".join(head.replace("_", " ") for head in heads) + " |", "|---" * len(keys) + "|"]
    lines += ["| " + " | ".join(shown(key, row.get(key)) for key in keys) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def filled(text: str, records: Path) -> str:
    """Return a Markdown text with every table block made anew from its record in `records`."""
    from scalable.report.results import read_results

    def one(found: re.Match[str]) -> str:
        document = read_results(records / f"{found[2]}.json")
        return f"{found[1]}{table(document['sections'][found[3]], found[4].split())}{found[6]}"

    return BLOCK.sub(one, text)
