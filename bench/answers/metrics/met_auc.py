"""What is the area under the ROC curve as a probability?

The chance that a random positive scores above a random negative, ties counting half (Hanley and McNeil, 1982).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.evaluate import evaluate_predictions

QUICK, STANDARD = 20_000, 20_000_000
CLAIM = "Counting pairs gives the area: exactly over all pairs, within sampling error over drawn ones."
ANSWER = """The area is the probability that a random positive scores above a random negative. That from the
streaming metric is {auc:.6f}; counting all pairs of positives and negatives gives {pairs:.6f}, and {drawn:,}
random pairs give {sampled:.4f} with a standard error of {error:.4f}. A growing function of the scores changes it
by {moved:.0e}, for only their order counts. With {share:.1%} positives it is the same area as with half of them
within {prevalence:.4f}, which is why it does not tell how many alarms are false."""
LINKS = ("scalable/evaluate/binary.py", "scalable/kernels/metrics.py")
DRAWN = 200_000


def measure(rows: int) -> dict[str, Any]:
    """Compare the streaming area with pair counts."""
    random = np.random.default_rng(0)
    y = random.random(rows) < 0.1
    score = 1.0 / (1.0 + np.exp(2.0 - 1.2 * y - random.normal(size=rows)))
    auc = _area(y, score)
    negatives = np.sort(score[~y])
    below = np.searchsorted(negatives, score[y], "left") + np.searchsorted(negatives, score[y], "right")
    drawn = random.choice(score[y], DRAWN) > random.choice(negatives, DRAWN)
    even = y | (random.random(rows) < 1.0 / 9.0)  # as many negatives as positives
    return {
        "auc": auc,
        "pairs": float(below.mean() / (2.0 * len(negatives))),
        "drawn": DRAWN,
        "sampled": float(drawn.mean()),
        "error": float(drawn.std() / np.sqrt(DRAWN)),
        "moved": abs(_area(y, score**3) - auc),
        "share": float(y.mean()),
        "prevalence": abs(_area(y[even], score[even]) - auc),
        "positives": np.histogram(score[y], 40, (0.0, 1.0), density=True)[0].tolist(),
        "negatives": np.histogram(score[~y], 40, (0.0, 1.0), density=True)[0].tolist(),
    }


def _area(y: np.ndarray, score: np.ndarray) -> float:
    return float(evaluate_predictions(y.astype(np.float64), score)["auc"])


def holds(found: dict[str, Any]) -> bool:
    """All pairs within the width of the metric's buckets, drawn pairs within four standard errors."""
    exact = abs(found["auc"] - found["pairs"]) < 1e-4 and found["moved"] < 1e-4
    return bool(exact and abs(found["sampled"] - found["pairs"]) < 4.0 * found["error"])


def draw(found: dict[str, Any], axes: Any) -> None:
    """Scores of both classes."""
    edges = np.linspace(0.0, 1.0, 41)
    axes.stairs(found["negatives"], edges, color="#64748b", label="negatives")
    axes.stairs(found["positives"], edges, color="#c2410c", label="positives")
    axes.set(
        xlabel="score",
        ylabel="density",
        title=f"A positive is above a negative {found['pairs']:.1%} of the time",
    )
    axes.legend(frameon=False)
