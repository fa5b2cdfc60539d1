"""What a monitor found: a timeline a figure that alarmed, the alarms with their dates, and what every column says."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from scalable.report import format as fmt
from scalable.report.blocks.block import Block, Card, table
from scalable.report.figures.style import Palette
from scalable.report.figures.timeline import timeline

MOST = 12  # figures of a page
ALWAYS = (("performance", "auc"), ("expected", "auc"), ("performance", "loss"), ("prediction", "psi"))


def monitor_block(section: dict[str, Any], palette: Palette) -> Block:
    """Return the block of a ``monitor`` section, as `scalable.monitor.Report.to_json` makes it."""
    findings, alarms = section["findings"], section["alarms"]
    series: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in findings:
        series[row["column"], row["statistic"]].append(row)
    alarmed = dict.fromkeys((row["column"], row["statistic"]) for row in alarms)
    first = [
        (column, statistic) for column, statistic in section.get("first", ())
    ]  # of whoever made the section
    chosen = [key for key in [*first, *alarmed, *ALWAYS] if len(series.get(key, ())) > 1]
    pictures = [timeline(f"{column}: {statistic}", series[column, statistic]) for column, statistic in
                list(dict.fromkeys(chosen))[:MOST]]  # fmt: skip
    earliest = alarms[0] if alarms else None
    cards = [
        Card("Alarms", str(len(alarms)), f"of {len(findings):,} figures", "bad" if alarms else "good"),
        Card("Periods", str(len(section["rows"])), f"{sum(row['rows'] for row in section['rows']):,} rows"),
    ]
    if earliest is not None:
        said = f"{earliest['column']}: {earliest['statistic']}"
        cards.append(Card("First alarm", earliest["period"], said, "bad"))
    columns = (
        ("Period", "period", str),
        ("Of", "column", str),
        ("Figure", "statistic", str),
        ("Value", "value", fmt.anything),
        ("Alarm from", "threshold", fmt.anything),
        ("Reference", "reference", fmt.anything),
    )
    worst = [max(rows, key=_nearness) for rows in series.values()]
    worst.sort(key=_nearness, reverse=True)
    tables = [table(alarms, columns, "Alarms")] if alarms else []
    tables.append(table(worst[:200], columns, "The worst period of every figure"))
    notes = list(section.get("notes", []))
    return Block(
        "monitor", "Drift and performance", cards=cards, pictures=pictures, tables=tables, notes=notes
    )


def _nearness(row: dict[str, Any]) -> float:
    """Return how near a figure is to its alarm: 1 at it, more beyond."""
    value, threshold, reference = row["value"], row.get("threshold"), row.get("reference") or 0.0
    if value is None or threshold is None or threshold == reference:
        return 0.0
    return float((value - reference) / (threshold - reference))
