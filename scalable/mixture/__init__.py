"""Clusters and mixtures from Parquet that does not fit in memory: every iteration is one reduction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

if TYPE_CHECKING:
    from scalable.mixture.gaussian import GaussianMixture
    from scalable.mixture.kmeans import KMeans

__all__ = ["GaussianMixture", "KMeans"]

__getattr__, __dir__ = lazily(
    __name__,
    {"scalable.mixture.gaussian": ("GaussianMixture",), "scalable.mixture.kmeans": ("KMeans",)},
)
