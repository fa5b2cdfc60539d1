"""From raw scores to predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scalable.kernels.forest.links import IDENTITY, link_rows

# CatBoost's exponential: ``exp(x) = 2**n * 2**(i / 2048) * exp(r)`` with ``n + i / 2048`` the nearest to ``x / log 2``,
# a table of powers and a cubic. It is not exact to the last bits, so that only the same steps give the same ones.
_BITS = 11
_STEPS = 1 << _BITS
_PER_UNIT = _STEPS / np.log(2.0)
_UNIT = 1.0 / _PER_UNIT
_MANTISSA = np.uint64((1 << 52) - 1)
_TABLE = np.array([2.0 ** (i * (1.0 / _STEPS)) for i in range(_STEPS)]).view(np.uint64) & _MANTISSA
_ROUND = float(3 << 51)  # adding it leaves the nearest whole number in the low bits
_EXPONENT = np.uint64((1 << (_BITS + 10)) - (1 << _BITS))
_LEAST, _MOST = -708.39641853226408, 709.78271289338397
_C2, _C3 = 0.16666666685227835064, 3.0000000027955394


def fast_exp(x: np.ndarray) -> np.ndarray:
    """Return the exponentials of doubles; 0 and infinity beyond the range."""
    inside = np.clip(x, _LEAST, _MOST)
    shifted = inside * _PER_UNIT + _ROUND
    bits = np.ascontiguousarray(shifted).view(np.uint64)
    rest = (shifted - _ROUND) * _UNIT - inside
    power = ((bits + _EXPONENT) >> np.uint64(_BITS)) << np.uint64(52)
    scale = (power | _TABLE[(bits & np.uint64(_STEPS - 1)).astype(np.int64)]).view(np.float64)
    found = ((_C3 - rest) * (rest * rest) * _C2 - rest + 1.0) * scale
    return np.where(x <= _LEAST, 0.0, np.where(x >= _MOST, np.inf, found))


def _exp(scores: np.ndarray, scale: float) -> None:
    del scale
    np.exp(scores, out=scores)


def _softmax(scores: np.ndarray, scale: float) -> None:
    del scale
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)


def _fast_exp(scores: np.ndarray, scale: float) -> None:
    del scale
    scores[:] = fast_exp(scores)


def _fast_softmax(scores: np.ndarray, scale: float) -> None:
    scores -= scores.max(axis=1, keepdims=True)
    _fast_exp(scores, scale)
    total = scores[:, :1].copy()
    for k in range(1, scores.shape[1]):  # in order, which NumPy's sum is not
        total += scores[:, k : k + 1]
    scores /= total


def _isolation(scores: np.ndarray, scale: float) -> None:
    depth = -(scores / scale if scale else np.ones_like(scores))
    scores[:] = -(2**depth)


# Links whose library has an exponential of its own, which is not libm's to the last bit.
NUMPY: dict[str, Callable[[np.ndarray, float], None]] = {
    "numpy exp": _exp,
    "numpy softmax": _softmax,
    "catboost exp": _fast_exp,
    "catboost softmax": _fast_softmax,
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
