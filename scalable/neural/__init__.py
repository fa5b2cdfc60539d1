"""Multilayer perceptrons on data of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

if TYPE_CHECKING:
    from scalable.neural.estimators import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]

__getattr__, __dir__ = lazily(__name__, {"scalable.neural.estimators": ("MLPClassifier", "MLPRegressor")})
