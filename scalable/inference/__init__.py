"""Compiled predictors, and the laboratory that measures them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalable.inference.compiled_file import load_compiled
    from scalable.inference.compiler import compile_model
    from scalable.inference.model import load_model

__all__ = ["compile_model", "load_compiled", "load_model"]
_HOMES = {"compile_model": "compiler", "load_compiled": "compiled_file", "load_model": "model"}


def __getattr__(name: str) -> Any:
    """Import on first use, so that the command line's help does not load kernels."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"scalable.inference.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
