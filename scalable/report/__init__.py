"""Results as JSON documents, and what people read: a self-contained HTML page and a terminal summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

if TYPE_CHECKING:
    from scalable.report.document import new_results
    from scalable.report.page import render, write_report
    from scalable.report.results import read_results, write_results
    from scalable.report.terminal import print_comparison, print_summary

__all__ = [
    "new_results",
    "print_comparison",
    "print_summary",
    "read_results",
    "render",
    "write_report",
    "write_results",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "scalable.report.document": ("new_results",),
        "scalable.report.page": ("render", "write_report"),
        "scalable.report.results": ("read_results", "write_results"),
        "scalable.report.terminal": ("print_comparison", "print_summary"),
    },
)
