"""What a cause does, from data of any size: effects with their errors, not predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

if TYPE_CHECKING:
    from scalable.causal.estimate import Effect
    from scalable.causal.experiment import cuped
    from scalable.causal.partially_linear import double_ml

__all__ = ["Effect", "cuped", "double_ml"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "scalable.causal.partially_linear": ("double_ml",),
        "scalable.causal.estimate": ("Effect",),
        "scalable.causal.experiment": ("cuped",),
    },
)
