"""Synthetic Parquet datasets of any size whose best possible score is known.

Every value is a function of (seed, dataset, column, row), so any slice can be recomputed alone,
any run can be killed and resumed to the same bytes, and the truth about every row is at hand.

Importing this package costs nothing; what a function needs is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_gen.datasets import Dataset
    from data_gen.describing.description import Description, describe
    from data_gen.manifest import Manifest
    from data_gen.manifest import read as read_manifest
    from data_gen.reading import bayes_scores, rows, truth
    from data_gen.verification import verify
    from data_gen.writing.shares import combine
    from data_gen.writing.writer import generate

    def datasets() -> dict[str, Dataset]:
        """Return the descriptions of all datasets by name."""


_HOMES = {
    "generate": ("data_gen.writing.writer", "generate"),
    "rows": ("data_gen.reading", "rows"),
    "truth": ("data_gen.reading", "truth"),
    "bayes_scores": ("data_gen.reading", "bayes_scores"),
    "describe": ("data_gen.describing.description", "describe"),
    "Description": ("data_gen.describing.description", "Description"),
    "verify": ("data_gen.verification", "verify"),
    "combine": ("data_gen.writing.shares", "combine"),
    "read_manifest": ("data_gen.manifest", "read"),
    "Manifest": ("data_gen.manifest", "Manifest"),
    "Dataset": ("data_gen.datasets", "Dataset"),
}

__all__ = [
    "Dataset",
    "Description",
    "Manifest",
    "bayes_scores",
    "combine",
    "datasets",
    "describe",
    "generate",
    "read_manifest",
    "rows",
    "truth",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "datasets":
        return import_module("data_gen.datasets")  # a callable module
    if name not in _HOMES:
        raise AttributeError(f"module 'data_gen' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
