"""Boosting past memory: LightGBM's own engine, filled by streaming and trained by workers on a Dask cluster."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalable.boosting.estimators import LGBMClassifier, LGBMRegressor
    from scalable.boosting.train import train

__all__ = ["LGBMClassifier", "LGBMRegressor", "train"]

_LAZY = {
    "LGBMClassifier": "scalable.boosting.estimators",
    "LGBMRegressor": "scalable.boosting.estimators",
    "train": "scalable.boosting.train",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use: lightgbm itself takes a second to load."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not yet."""
    return sorted(__all__)
