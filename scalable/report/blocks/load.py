"""How long a server's answers take at what load."""

from __future__ import annotations

from typing import Any

from scalable.report.blocks.block import Block, table
from scalable.report.figures.load import latency_by_load
from scalable.report.figures.style import Palette
from scalable.report.format import count, micros

COLUMNS = (
    ("Requests / s", "rate", count),
    ("Answers / s", "answered_per_second", count),
    ("Requests", "requests", count),
    ("Failed", "failed", count),
    ("Sent again", "sent_again", count),
    ("p50", "p50_us", micros),
    ("p90", "p90_us", micros),
    ("p99", "p99_us", micros),
    ("p99.9", "p99.9_us", micros),
)


def load_block(steps: list[dict[str, Any]], palette: Palette) -> Block:
    """Return quantiles of the latency against the offered load, and a table."""
    lead = (
        "Requests leave at random times whether or not earlier ones were answered; latency counts from when one was "
        "meant to leave, so a queue shows."
    )
    pictures = [latency_by_load(steps, palette)] if len(steps) > 1 else []
    return Block("load", "Load", lead, pictures=pictures, tables=[table(steps, COLUMNS)])
