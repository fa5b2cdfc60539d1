"""Results as JSON documents, and what people read: a self-contained HTML page and a terminal summary."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalable.report.document import new_results
    from scalable.report.page import render, write_report
    from scalable.report.results import read_results, write_results
    from scalable.report.terminal import print_comparison, print_summary

_HOME = {  # imported on first use: `scalable --help` must not wait for matplotlib
    "new_results": "document",
    "print_comparison": "terminal",
    "print_summary": "terminal",
    "read_results": "results",
    "render": "page",
    "write_report": "page",
    "write_results": "results",
}
__all__ = [
    "new_results",
    "print_comparison",
    "print_summary",
    "read_results",
    "render",
    "write_report",
    "write_results",
]


def __getattr__(name: str) -> Any:
    """Import the public names on first use."""
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not yet."""
    return sorted(__all__)
