"""Compiled predictors, and the laboratory that measures them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

if TYPE_CHECKING:
    from scalable.inference.classifier import CompiledClassifier
    from scalable.inference.forest.compiled import CompiledForest
    from scalable.inference.forest.faces import load_compiled
    from scalable.inference.linear_row import CompiledLinear
    from scalable.models.compile import compile_model
    from scalable.models.predictors import load_model

__all__ = [
    "CompiledClassifier",
    "CompiledForest",
    "CompiledLinear",
    "compile_model",
    "load_compiled",
    "load_model",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "scalable.inference.classifier": ("CompiledClassifier",),
        "scalable.inference.forest.compiled": ("CompiledForest",),
        "scalable.inference.forest.faces": ("load_compiled",),
        "scalable.inference.linear_row": ("CompiledLinear",),
        "scalable.models.compile": ("compile_model",),
        "scalable.models.predictors": ("load_model",),
    },
)
