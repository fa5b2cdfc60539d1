"""Few columns instead of many, learned from data of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

if TYPE_CHECKING:
    from scalable.decomposition.pca import PCA
    from scalable.decomposition.truncated_svd import TruncatedSVD

__all__ = ["PCA", "TruncatedSVD"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "scalable.decomposition.pca": ("PCA",),
        "scalable.decomposition.truncated_svd": ("TruncatedSVD",),
    },
)
