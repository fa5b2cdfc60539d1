"""Best possible scores where the target is a number or a component: streamed exact sums.

Sums are kept as integers in units of 2**-20, so that files can be merged in any order and machines
can share a job without changing a bit of the manifest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
_UNIT = 2.0**20


class _Sums:
    """Named sums over rows, added up exactly as Python integers would be.

    Each sum is held as two int64: units below 2**32, and how often they overflowed.
    """

    names: tuple[str, ...]

    def __init__(self) -> None:
        self._low = np.zeros(len(self.names) + 1, np.int64)
        self._high = np.zeros(len(self.names) + 1, np.int64)

    def _add(self, n: int, *values: Array) -> None:
        totals = [n, *(round(float(np.sum(v)) * _UNIT) for v in values)]
        for i, total in enumerate(totals):
            self._carry(i, total)

    def _carry(self, i: int, amount: int) -> None:
        whole = (int(self._high[i]) << 32) + int(self._low[i]) + amount
        self._high[i], self._low[i] = whole >> 32, whole & 0xFFFFFFFF

    def arrays(self) -> dict[str, Array]:
        """Return the state, to be written to disk."""
        return {"low": self._low, "high": self._high}

    def merge(self, state: dict[str, Array]) -> None:
        """Add the state of other rows."""
        for i, (low, high) in enumerate(zip(state["low"], state["high"], strict=True)):
            self._carry(i, (int(high) << 32) + int(low))

    def _means(self) -> tuple[int, dict[str, float]]:
        whole = [(int(h) << 32) + int(low) for h, low in zip(self._high, self._low, strict=True)]
        n = whole[0]
        return n, {name: total / _UNIT / n for name, total in zip(self.names, whole[1:], strict=True)}


class RegressionTruth(_Sums):
    """Streaming scores of the true conditional mean."""

    names = ("mean", "mean^2", "variance", "error^2", "error^4", "target", "target^2")

    def update(self, known: tuple[Array, Array, Array]) -> None:
        """Add rows: conditional mean, conditional standard deviation, target."""
        mean, deviation, target = known
        error = (target - mean) ** 2
        self._add(len(mean), mean, mean**2, deviation**2, error, error**2, target, target**2)

    def scores(self) -> dict[str, Any]:
        """Return the scores of the true mean: R^2 and mean squared error, expected and realised."""
        n, m = self._means()
        signal = m["mean^2"] - m["mean"] ** 2
        spread = m["target^2"] - m["target"] ** 2
        se = float(np.sqrt(max(m["error^4"] - m["error^2"] ** 2, 0.0) / n))
        total = signal + m["variance"]
        return {
            "rows": n,
            "mse": {"expected": m["variance"], "realised": m["error^2"], "se": se},
            "r2": {
                "expected": signal / total,
                "realised": 1 - m["error^2"] / spread if spread > 0 else None,
                "se": se / total,
            },
        }


class MixtureTruth(_Sums):
    """Streaming scores of the true mixture."""

    names = ("density", "density^2", "posterior", "right")

    def update(self, known: tuple[Array, Array, Array]) -> None:
        """Add rows: log density, posterior of the likeliest component, whether it is the true one."""
        density, posterior, right = known
        self._add(len(density), density, density**2, posterior, right.astype(np.float64))

    def scores(self) -> dict[str, Any]:
        """Return mean log likelihood (nats a row) and accuracy of the likeliest component."""
        n, m = self._means()
        return {
            "rows": n,
            "log_likelihood": {
                "realised": m["density"],
                "se": float(np.sqrt(max(m["density^2"] - m["density"] ** 2, 0.0) / n)),
            },
            "accuracy": {
                "expected": m["posterior"],
                "realised": m["right"],
                "se": float(np.sqrt(max(m["right"] * (1 - m["right"]), 0.0) / n)),
            },
        }
