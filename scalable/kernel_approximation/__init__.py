"""Kernel machines from rows that do not fit in memory, by features that are made block by block and never stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

if TYPE_CHECKING:
    from scalable.kernel_approximation.machines import KernelClassifier, KernelRidge, KernelSVC
    from scalable.kernel_approximation.transformer import KernelFeatures

__all__ = ["KernelClassifier", "KernelFeatures", "KernelRidge", "KernelSVC"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "scalable.kernel_approximation.machines": ("KernelClassifier", "KernelRidge", "KernelSVC"),
        "scalable.kernel_approximation.transformer": ("KernelFeatures",),
    },
)
