"""Train on Parquet larger than memory and serve the models in microseconds."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalable.data.parquet import ParquetSource

__version__ = "0.1.0"
__all__ = ["ParquetSource", "__version__"]

_LAZY = {"ParquetSource": "scalable.data.parquet"}  # `scalable --help` must not import numba


def __getattr__(name: str) -> Any:
    """Import the public names on first use."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
