"""Compiled predictors, and the laboratory that measures them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalable.inference.forest.faces import load_compiled
    from scalable.models.compile import compile_model
    from scalable.models.predictors import load_model

__all__ = ["compile_model", "load_compiled", "load_model"]
_HOMES = {
    "compile_model": "scalable.models.compile",
    "load_compiled": "scalable.inference.forest.faces",
    "load_model": "scalable.models.predictors",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that the command line's help does not load kernels."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not yet."""
    return sorted(__all__)
