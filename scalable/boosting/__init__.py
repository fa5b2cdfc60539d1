"""Boosting past memory: LightGBM's own engine, filled by streaming and trained by workers on a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily
from scalable.openmp import load_patiently

if TYPE_CHECKING:
    from scalable.boosting.estimators import LGBMClassifier, LGBMRegressor
    from scalable.boosting.ranking.ranker import LGBMRanker
    from scalable.boosting.train import train

__all__ = ["LGBMClassifier", "LGBMRanker", "LGBMRegressor", "train"]

load_patiently()
__getattr__, __dir__ = lazily(
    __name__,
    {
        "scalable.boosting.estimators": ("LGBMClassifier", "LGBMRegressor"),
        "scalable.boosting.ranking.ranker": ("LGBMRanker",),
        "scalable.boosting.train": ("train",),
    },
)
