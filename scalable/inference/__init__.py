"""Compiled predictors, and the laboratory that measures them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

if TYPE_CHECKING:
    from scalable.inference.forest.faces import load_compiled
    from scalable.models.compile import compile_model
    from scalable.models.predictors import load_model

__all__ = ["compile_model", "load_compiled", "load_model"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "scalable.inference.forest.faces": ("load_compiled",),
        "scalable.models.compile": ("compile_model",),
        "scalable.models.predictors": ("load_model",),
    },
)
