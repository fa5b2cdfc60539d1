"""From raw scores to predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scalable.kernels.forest.links import IDENTITY, link_rows


def _exp(scores: np.ndarray, scale: float) -> None:
    del scale
    np.exp(scores, out=scores)


def _softmax(scores: np.ndarray, scale: float) -> None:
    del scale
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)


def _isolation(scores: np.ndarray, scale: float) -> None:
    depth = -(scores / scale if scale else np.ones_like(scores))
    scores[:] = -(2**depth)


# Links whose library computes them by NumPy: its vectorised exponential is not libm's to the last bit.
NUMPY: dict[str, Callable[[np.ndarray, float], None]] = {
    "numpy exp": _exp,
    "numpy softmax": _softmax,
    "isolation": _isolation,
}


@dataclass(frozen=True, slots=True)
class Link:
    """A transform of raw scores.

    Attributes
    ----------
    name : str
        The objective's, or a key of `NUMPY`.
    kind : int
        A code of ``scalable.kernels.forest.links``.
    scale : float
        Slope of the sigmoid, or what the transform of that name takes.
    """

    name: str
    kind: int = IDENTITY
    scale: float = 1.0

    @property
    def in_kernel(self) -> bool:
        """Whether the kernel of single rows applies it."""
        return self.name not in NUMPY

    def apply(self, scores: np.ndarray) -> None:
        """Turn raw scores (n_rows, n_outputs) into predictions in place."""
        if self.name in NUMPY:
            NUMPY[self.name](scores, self.scale)
        elif self.kind != IDENTITY:
            link_rows(scores, self.kind, self.scale)
