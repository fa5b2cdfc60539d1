"""In what sense is logistic regression linear?

The log odds are a weighted sum of the columns; the probability is not, and what is a column is free to choose
(Hastie, Tibshirani and Friedman, 2009, section 4.4).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.evaluate import evaluate_predictions
from scalable.linear import LogisticRegression

QUICK, STANDARD = 20_000, 400_000
CLAIM = "Equal steps of a column move the log odds equally and the probability not; squares as columns find a ring."
ANSWER = """It is linear in its coefficients: equal steps along a column moved the log odds by {least:.4f} to
{most:.4f}, while the probability moved by {p_least:.3f} to {p_most:.3f}. The boundary is therefore a straight
line in the columns that the model is given. Where the positives lie inside a ring of the same columns a line
has AUC {line:.3f} on {rows:,} rows; with both squares as columns it is {ring:.4f} where {best:.4f} is the
best possible, and the boundary is that ring, with a radius of {radius:.3f} where the truth is
{true_radius:.3f}. So "linear" limits the sum, not the shape of the boundary. It does not say which columns to
make; trees search for them."""
LINKS = ("scalable/linear/logistic.py", "scalable/inference/explain.py")
RADIUS = 1.2


def measure(rows: int) -> dict[str, Any]:
    """Walk along one column, then fit a ring with and without squares."""
    random = np.random.default_rng(0)
    x, new = random.normal(size=(rows, 2)), random.normal(size=(rows, 2))
    y = (random.random(rows) < _sigmoid(x @ [1.5, -0.5])).astype(np.float64)
    model = LogisticRegression().fit(x, y)
    walk = np.column_stack([np.linspace(-3.0, 3.0, 13), np.zeros(13)])
    p = model.predict_proba(walk)[:, 1]
    steps, p_steps = np.diff(np.log(p / (1.0 - p))), np.diff(p)
    inside, truth = _ring(x), _ring(new)
    y, labels = ((random.random(rows) < each).astype(np.float64) for each in (inside, truth))
    line = LogisticRegression().fit(x, y).predict_proba(new)[:, 1]
    model = LogisticRegression().fit(np.column_stack([x, x**2]), y)
    ring = model.predict_proba(np.column_stack([new, new**2]))[:, 1]
    coefficients = np.ravel(model.coef_)
    radius = np.sqrt(-np.ravel(model.intercept_)[0] / coefficients[2:].mean())
    return {
        "rows": rows,
        "walk": walk[:, 0].tolist(),
        "p": p.tolist(),
        "least": float(steps.min()),
        "most": float(steps.max()),
        "p_least": float(p_steps.min()),
        "p_most": float(p_steps.max()),
        "line": evaluate_predictions(labels, line)["auc"],
        "ring": evaluate_predictions(labels, ring)["auc"],
        "best": evaluate_predictions(labels, truth)["auc"],
        "radius": float(radius),
        "true_radius": RADIUS,
    }


def _ring(x: Any) -> Any:
    return _sigmoid(3.0 * (RADIUS**2 - (x**2).sum(axis=1)))


def _sigmoid(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-z))


def holds(found: dict[str, Any]) -> bool:
    """Even steps of log odds, uneven ones of probability, and the ring found."""
    even = found["most"] - found["least"] < 1e-6 and found["p_most"] > 3.0 * found["p_least"]
    ring = found["line"] < 0.55 and found["ring"] > found["best"] - 0.002
    return bool(even and ring and abs(found["radius"] / found["true_radius"] - 1.0) < 0.05)


def draw(found: dict[str, Any], axes: Any) -> None:
    """The probability, and its log odds."""
    p = np.array(found["p"])
    axes.plot(found["walk"], p, "o-", color="#64748b", label="probability")
    axes.set(xlabel="column", ylabel="probability")
    other = axes.twinx()
    other.plot(found["walk"], np.log(p / (1.0 - p)), "o-", color="#c2410c", label="log odds")
    other.set(ylabel="log odds")
    axes.legend(loc="upper left", frameon=False)
    other.legend(loc="lower right", frameon=False)
