"""When is the ROC curve the right picture, and when precision and recall?

ROC does not change with prevalence, precision does; with rare positives a curve that hugs the corner can still mean
mostly false alarms (Davis and Goadrich, 2006).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.evaluate import evaluate_predictions

QUICK, STANDARD = 400_000, 20_000_000
CLAIM = "As positives get rarer at the same scores AUC stays and average precision falls."
ANSWER = """ROC compares scores of both classes and does not see how rare one is; precision does. With the same
scores of positives and negatives, and shares of {shares[0]:.0%}, {shares[1]:.0%} and {shares[2]:.1%}, AUC was
{auc[0]:.3f}, {auc[1]:.3f} and {auc[2]:.3f}, and average precision {ap[0]:.3f}, {ap[1]:.3f} and {ap[2]:.3f}. At a
recall of one half the rarest case has {alarms:.0f} false alarms for each find. So ROC compares models over
populations, precision and recall say what a user of one population will see. Neither tells whether probabilities
are right."""
LINKS = ("scalable/evaluate/binary.py", "scalable/evaluate/ranking.py")
SHARES = (0.5, 0.05, 0.002)


def measure(rows: int) -> dict[str, Any]:
    """Score the same two normal laws at three prevalences."""
    random = np.random.default_rng(0)
    auc, ap, curves = [], [], []
    alarms = 0.0
    for share in SHARES:
        y = random.random(rows) < share
        score = 1.0 / (1.0 + np.exp(-(1.6 * y + random.normal(size=rows))))
        report = evaluate_predictions(y.astype(np.float64), score)
        auc.append(report["auc"])
        ap.append(report["average_precision"])
        curves.append(report["pr"])
        middle = np.median(score[y])
        alarms = float((score[~y] > middle).sum() / (score[y] > middle).sum())
    return {"shares": list(SHARES), "auc": auc, "ap": ap, "alarms": alarms, "curves": curves}


def holds(found: dict[str, Any]) -> bool:
    """AUC within sampling error, average precision far apart."""
    return bool(max(found["auc"]) - min(found["auc"]) < 0.03 and found["ap"][0] > 3.0 * found["ap"][2])


def draw(found: dict[str, Any], axes: Any) -> None:
    """Precision-recall curves of the three."""
    for share, curve, color in zip(
        found["shares"], found["curves"], ("#64748b", "#0f766e", "#c2410c"), strict=True
    ):
        points = np.array(curve)
        axes.plot(points[:, 0], points[:, 1], color=color, label=f"{share:.1%} positive")
    axes.set(xlabel="recall", ylabel="precision")
    axes.legend(frameon=False)
