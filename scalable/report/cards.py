"""The few numbers a reader should see first."""

from __future__ import annotations

from typing import Any

from scalable.report.blocks.block import Card
from scalable.report.blocks.latency import with_speedups
from scalable.report.blocks.quality import reference_row
from scalable.report.format import count, factor, micros, score, seconds, size
from scalable.report.sections import OURS, REFERENCES
from scalable.report.units import METRICS


def summary_cards(sections: dict[str, Any]) -> list[Card]:
    """Return the summary cards that a document's sections support; those of other shapes give none."""
    cards: list[Card] = []
    for make in (_throughput, _quality, _latency, _exactness, _memory, _total):
        try:
            cards += make(sections)
        except Exception:  # a section of another shape has no headline; its block shows it
            continue
    return cards


def _throughput(sections: dict[str, Any]) -> list[Card]:
    training = [stage for stage in sections.get("stages", []) if "train" in stage["name"].lower()]
    return [
        Card(
            stage["name"][:1].upper() + stage["name"][1:],
            f"{count(stage['rows'] / stage['seconds'])} rows/s",
            f"{count(stage['rows'])} rows in {seconds(stage['seconds'])}",
        )
        for stage in training
        if stage.get("rows") and stage.get("seconds")
    ]


def _quality(sections: dict[str, Any]) -> list[Card]:
    rows = sections.get("quality", [])
    models = [row for row in rows if row["model"] not in REFERENCES]
    for name in ("auc", "r2", "accuracy", "rmse"):
        heading, larger = METRICS[name]
        known = [row for row in models if row.get(name) is not None]
        if not known:
            continue
        winner = (max if larger else min)(known, key=lambda row: row[name])
        detail, best = winner["model"], reference_row(rows, winner)
        if best and best.get(name) is not None:
            detail += f"; best possible {score(best[name])}"
        return [Card(f"Best {heading}" if len(known) > 1 else heading, score(winner[name]), detail)]
    return []


def _latency(sections: dict[str, Any]) -> list[Card]:
    cards = []
    for batch, rows in sorted(sections.get("latency", {}).items(), key=lambda item: int(item[0])):
        timed = [row for row in with_speedups(rows) if row.get("p50_us")]
        ours = [row for row in timed if row.get("ours") or row["engine"] == OURS]
        fastest = min(ours or timed, key=lambda row: row["p50_us"])
        if int(batch) == 1:
            label, value = "One prediction, p50", micros(fastest["p50_us"])
        else:
            label, value = f"{int(batch):,} at once, a row", micros(fastest["p50_us"] / int(batch))
        speedup = fastest.get("speedup")
        detail = f"{fastest['engine']}" + (f", {factor(speedup)} faster" if speedup and speedup > 1 else "")
        cards.append(Card(label, value, detail))
    return cards


def _exactness(sections: dict[str, Any]) -> list[Card]:
    rows = [row for rows in sections.get("latency", {}).values() for row in rows]
    ours = [
        row for row in rows if row.get("ours") or row["engine"] == OURS
    ]  # what peers round is in their rows
    checked = [row for row in ours or rows if row.get("bit_equal") is not None]
    if not checked:
        return []
    exact = sum(row["bit_equal"] for row in checked)
    return [
        Card(
            "Predictions bit for bit",
            "all equal" if exact == len(checked) else f"{exact} of {len(checked)}",
            "against the library's own",
            "good" if exact == len(checked) else "bad",
        )
    ]


def _memory(sections: dict[str, Any]) -> list[Card]:
    peaks = [
        (s["peak_memory_bytes"], s["name"]) for s in sections.get("stages", []) if s.get("peak_memory_bytes")
    ]
    return [Card("Peak memory", size(max(peaks)[0]), f"during {max(peaks)[1]}")] if peaks else []


def _total(sections: dict[str, Any]) -> list[Card]:
    times = [stage["seconds"] for stage in sections.get("stages", []) if stage.get("seconds")]
    return [Card("In all", seconds(sum(times)), f"{len(times)} stages")] if len(times) > 1 else []
