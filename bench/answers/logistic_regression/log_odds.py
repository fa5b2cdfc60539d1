"""Why are odds modelled on a log scale, and not probabilities?

Log odds have no bounds, so effects can add up; added to a probability they leave [0, 1] (Cox, 1958).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.evaluate import evaluate_predictions
from scalable.linear import LinearRegression, LogisticRegression

QUICK, STANDARD = 50_000, 5_000_000
CLAIM = "A linear model of the probability gives values outside [0, 1] and a worse log loss; the log odds do neither."
ANSWER = """Because effects add up on the log-odds scale and probabilities end at 0 and 1. A straight line fitted
to the labels gave {outside:.1%} of {rows:,} held-out rows a "probability" outside [0, 1], from {low:.2f} to
{high:.2f}; the logistic model none. Log loss, with the line clipped to [.001, .999], was {line:.4f} against
{logistic:.4f}. The coefficient has a meaning too: one unit of the first column multiplies the odds by {ratio:.2f}
for every row, where in probability it adds {most:.2f} in the middle and {least:.2f} at the edge. In the middle of
the range both models say nearly the same."""
LINKS = ("scalable/linear/logistic.py", "scalable/linear/least_squares.py")


def measure(rows: int) -> dict[str, Any]:
    """Fit both to labels of a known logistic law."""
    (x, y), (new, truth) = _rows(rows, 0), _rows(rows // 2, 1)
    line = LinearRegression().fit(x, y).predict(new)
    model = LogisticRegression(penalty=None).fit(x, y)
    p = model.predict_proba(new)[:, 1]
    up = model.predict_proba(new + np.array([1.0, 0.0]))[:, 1] - p
    near, far = np.abs(p - 0.4) < 0.05, p > 0.97
    return {
        "rows": len(new),
        "outside": float(((line < 0.0) | (line > 1.0)).mean()),
        "low": float(line.min()),
        "high": float(line.max()),
        "line": evaluate_predictions(truth, np.clip(line, 0.001, 0.999))["log_loss"],
        "logistic": evaluate_predictions(truth, p)["log_loss"],
        "ratio": float(np.exp(model.coef_.ravel()[0])),
        "most": float(up[near].mean()),
        "least": float(up[far].mean()),
        "points": [[float(a), float(b)] for a, b in zip(p[:300], line[:300], strict=True)],
    }


def _rows(rows: int, seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 2))
    return x, (random.random(rows) < 1.0 / (1.0 + np.exp(-1.5 * x[:, 0] - x[:, 1]))).astype(np.float64)


def holds(found: dict[str, Any]) -> bool:
    """Outside, and worse."""
    return bool(
        found["outside"] > 0.02
        and found["line"] > found["logistic"] + 0.002
        and abs(found["ratio"] - 4.48) < 0.5
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """The line against the logistic probability."""
    points = np.array(found["points"])
    axes.plot(points[:, 0], points[:, 1], ".", color="#c2410c")
    axes.axhspan(0.0, 1.0, color="#64748b", alpha=0.15)
    axes.set(xlabel="logistic probability", ylabel="linear model of the label")
