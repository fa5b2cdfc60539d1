"""Train on Parquet larger than memory and serve the models in microseconds."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scalable.kernels.heaps import bound_heaps

if TYPE_CHECKING:
    from scalable import boosting, errors, evaluate, inference, linear
    from scalable.data.parquet import ParquetSource
    from scalable.minibatches.batches import batches
    from scalable.models.dask_frames.written_rows import from_dask
    from scalable.tuning.search import tune

__version__ = "0.2.0"
__all__ = [
    "ParquetSource",
    "__version__",
    "batches",
    "bayes",
    "boosting",
    "decomposition",
    "errors",
    "evaluate",
    "from_dask",
    "inference",
    "linear",
    "mixture",
    "neural",
    "tune",
]

_LAZY = {
    "ParquetSource": "scalable.data.parquet",
    "batches": "scalable.minibatches.batches",
    "from_dask": "scalable.models.dask_frames.written_rows",
    "tune": "scalable.tuning.search",
}  # `scalable --help` must not import numba
_PACKAGES = (
    "bayes",
    "boosting",
    "decomposition",
    "errors",
    "evaluate",
    "inference",
    "linear",
    "mixture",
    "neural",
)
bound_heaps()


def __getattr__(name: str) -> Any:
    """Import the public names on first use."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"scalable.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not yet, and nothing else."""
    return sorted([*__all__, "__doc__", "__file__", "__name__", "__path__"])
