"""Which loss should logistic regression have, and why that one?

A proper score is least in the mean at the true probability; of the proper ones the log loss is the likelihood, convex
in the coefficients, and wastes no rows (Gneiting and Raftery, 2007).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

QUICK, STANDARD = 2_000, 40_000
CLAIM = (
    "Log loss and squared error are least at the true probability and absolute error and hinge at a class; log loss "
    "alone is convex in the score, and spreads its coefficients less than squared error."
)
ANSWER = """The log loss: its mean was least at {log:.3f} where the true probability is {truth}, that of the
squared error of probabilities at {brier:.3f}, but that of the absolute error at {absolute:.3f}; the hinge
loss was least at a margin of {hinge:.2f}, which says which class and not how surely. In the score the log
loss bends downwards nowhere (smallest second derivative {log_bend:.4f}), the squared error of probabilities
does ({brier_bend:.3f}), so descent can stall on rows that are very wrong. Over {draws} draws of {rows:,} rows
its coefficients spread {ratio:.3f} times as much as those of the log loss, as if {wasted:.0%} of the rows
were thrown away. This holds where log odds are linear; where they are not, each loss chooses another
compromise."""
LINKS = ("scalable/kernels/linear/losses.py", "scalable/evaluate/binary.py")
TRUTH, DRAWS, COEFFICIENTS = 0.2, 60, np.array([2.0, -1.0, 0.5])


def measure(rows: int) -> dict[str, Any]:
    """Find the least of each mean loss, its curvature, and the spread of the coefficients it gives."""
    p, z = np.linspace(0.0005, 0.9995, 2_000), np.linspace(-6.0, 6.0, 2_401)

    def least(loss: Any, grid: Any) -> float:
        return float(grid[int((TRUTH * loss(1.0, grid) + (1.0 - TRUTH) * loss(0.0, grid)).argmin())])

    def bend(loss: Any) -> float:
        return float(np.diff(loss(1.0, _sigmoid(z)), 2).min() / (z[1] - z[0]) ** 2)

    random = np.random.default_rng(0)
    fits = np.empty((2, DRAWS, len(COEFFICIENTS)))
    for k in range(DRAWS):
        x = random.normal(size=(rows, len(COEFFICIENTS)))
        y = (random.random(rows) < _sigmoid(x @ COEFFICIENTS)).astype(np.float64)
        for j, slope in enumerate((_by_log, _by_brier)):
            fits[j, k] = minimize(
                slope, COEFFICIENTS, (x, y), jac=True, method="BFGS", options={"gtol": 1e-7}
            ).x
    spread = fits.var(axis=1, ddof=1).sum(axis=1)
    return {
        "rows": rows,
        "draws": DRAWS,
        "truth": TRUTH,
        "log": least(_log, p),
        "brier": least(_brier, p),
        "absolute": least(lambda y, q: np.abs(y - q), p),
        "hinge": least(lambda y, s: np.maximum(0.0, 1.0 - (2.0 * y - 1.0) * s), z),
        "log_bend": bend(_log),
        "brier_bend": bend(_brier),
        "ratio": float(np.sqrt(spread[1] / spread[0])),
        "wasted": float(1.0 - spread[0] / spread[1]),
    }


def _log(y: Any, p: Any) -> Any:
    return -y * np.log(p) - (1.0 - y) * np.log(1.0 - p)


def _brier(y: Any, p: Any) -> Any:
    return (y - p) ** 2


def _by_log(b: Any, x: Any, y: Any) -> Any:
    z = x @ b
    return (np.logaddexp(0.0, z) - y * z).mean(), x.T @ (_sigmoid(z) - y) / len(y)


def _by_brier(b: Any, x: Any, y: Any) -> Any:
    p = _sigmoid(x @ b)
    return ((y - p) ** 2).mean(), x.T @ (2.0 * (p - y) * p * (1.0 - p)) / len(y)


def _sigmoid(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-z))


def holds(found: dict[str, Any]) -> bool:
    """Proper or not, convex or not, and the narrower spread."""
    proper = abs(found["log"] - found["truth"]) < 2e-3 and abs(found["brier"] - found["truth"]) < 2e-3
    improper = found["absolute"] < 0.01 and abs(found["hinge"] + 1.0) < 0.01
    return bool(
        proper and improper and found["log_bend"] >= 0.0 > found["brier_bend"] and found["ratio"] > 1.02
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """The losses of a positive row by its score."""
    z = np.linspace(-6.0, 3.0, 200)
    axes.plot(z, _log(1.0, _sigmoid(z)), color="#c2410c", label="log loss")
    axes.plot(z, _brier(1.0, _sigmoid(z)), color="#64748b", label="squared error of the probability")
    axes.plot(z, np.maximum(0.0, 1.0 - z), ":", color="k", lw=1, label="hinge")
    axes.set(xlabel="score of a positive row", ylabel="loss")
    axes.legend(frameon=False)
