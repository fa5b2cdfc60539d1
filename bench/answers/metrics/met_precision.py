"""How does one choose between precision and recall?

By what errors cost: with calibrated probabilities an alarm pays where p exceeds cost of an alarm over cost of a miss
plus cost of an alarm (Elkan, 2001); precision and recall follow from that threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

QUICK, STANDARD = 200_000, 5_000_000
CLAIM = (
    "The threshold that follows from costs is the cheapest one, at every ratio of costs; the best F1 is near it "
    "at one ratio at most."
)
ANSWER = """By what mistakes cost: the costs give the threshold, and precision and recall follow from it. With
calibrated probabilities the cheapest of all thresholds cost at most {excess:.2%} less than the one that the
ratio of costs gives. Where a miss costs as much as {ratios[0]} alarm the best precision is {precision[0]:.2f}
at a recall of {recall[0]:.2f}; where it costs {ratios[3]} alarms it is {precision[3]:.2f} at {recall[3]:.2f}.
The threshold of the best F1 costs {f1_first:.0%} more than needed at the first ratio and {f1_last:.0%} more at
the last. With probabilities that are not calibrated the rule fails, and the threshold must be found on held-out
rows."""
LINKS = ("scalable/evaluate/binary.py", "scalable/evaluate/calibration.py")
RATIOS = (1, 5, 20, 100)


def measure(rows: int) -> dict[str, Any]:
    """Compare the foretold threshold with the best of all."""
    random = np.random.default_rng(0)
    p = 1.0 / (1.0 + np.exp(-random.normal(-3.0, 1.5, size=rows)))
    y = random.random(rows) < p
    order = np.argsort(-p)
    caught = np.concatenate([[0], np.cumsum(y[order])])
    flagged = np.arange(rows + 1)
    f1 = 2.0 * caught / (flagged + y.sum())
    excess, precision, recall, f1_excess = [], [], [], []
    for ratio in RATIOS:
        cost = ratio * (y.sum() - caught) + (flagged - caught)
        at = int((p > 1.0 / (1.0 + ratio)).sum())
        excess.append(float(cost[at] / cost.min() - 1.0))
        precision.append(float(caught[at] / max(at, 1)))
        recall.append(float(caught[at] / y.sum()))
        f1_excess.append(float(cost[f1.argmax()] / cost.min() - 1.0))
    return {
        "ratios": list(RATIOS),
        "excess": max(excess),
        "precision": precision,
        "recall": recall,
        "f1_excess": f1_excess,
        "f1_first": f1_excess[0],
        "f1_last": f1_excess[-1],
    }


def holds(found: dict[str, Any]) -> bool:
    """The rule within 2 % of the best everywhere; F1 within 5 % once at most."""
    moves = found["precision"][0] > found["precision"][3] and found["recall"][0] < found["recall"][3]
    return bool(found["excess"] < 0.02 and moves and sum(each < 0.05 for each in found["f1_excess"]) <= 1)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Precision and recall of the cheapest threshold by what a miss costs."""
    axes.semilogx(found["ratios"], found["precision"], "o-", color="#c2410c", label="precision")
    axes.semilogx(found["ratios"], found["recall"], "o-", color="#64748b", label="recall")
    axes.set(xlabel="a miss costs so many alarms", ylabel="at the cheapest threshold")
    axes.legend(frameon=False)
