"""What is calibration, and why does it matter?

A model is calibrated when of the rows given probability p a share p is positive; decisions by expected cost need that,
ranking does not (Murphy, 1973).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.evaluate import Calibrator, evaluate_predictions

QUICK, STANDARD = 200_000, 10_000_000
CLAIM = (
    "Distorting probabilities keeps AUC to the digit, and costs money in decisions by expected cost; "
    "recalibrating wins it back."
)
ANSWER = """Calibration is whether rows with probability p are positive in a share p of cases. Squeezing every
log odds to {factor} times its value left AUC at {auc:.4f} ({auc_bad:.4f} after) and raised the calibration
error from {error:.4f} to {error_bad:.4f} and log loss from {loss:.4f} to {loss_bad:.4f}. Decisions by expected
cost, with a miss worth {cost} alarms, cost {waste:.1%} more. Fitting two numbers to held-out rows (Platt's
scaling) brought log loss back to {loss_again:.4f} and the waste to {waste_again:.2%}. Where only the order of
rows is used, none of this matters."""
LINKS = (
    "scalable/evaluate/calibration.py",
    "scalable/evaluate/post_hoc/recalibration.py",
    "scalable/evaluate/binary.py",
)
FACTOR, COST = 0.4, 20


def measure(rows: int) -> dict[str, Any]:
    """Distort true probabilities, decide, recalibrate on one half and look at the other."""
    random = np.random.default_rng(0)
    z = random.normal(-2.5, 1.5, size=rows)
    y = random.random(rows) < _p(z)
    first = np.arange(rows) < rows // 2
    platt = Calibrator.of_predictions(y[first], _p(FACTOR * z[first]))
    again = platt.apply(_p(FACTOR * z))
    held = ~first
    reports = {
        name: evaluate_predictions(y[held].astype(np.float64), p[held])
        for name, p in (("", _p(z)), ("_bad", _p(FACTOR * z)), ("_again", again))
    }
    costs = [_cost(y[held], p[held]) for p in (_p(z), _p(FACTOR * z), again)]
    found: dict[str, Any] = {"factor": FACTOR, "cost": COST, "waste": costs[1] / costs[0] - 1.0}
    found["waste_again"] = costs[2] / costs[0] - 1.0
    for name, report in reports.items():
        found |= {f"auc{name}": report["auc"], f"loss{name}": report["log_loss"]}
        found[f"error{name}"] = report["calibration_error"]
    edges = np.linspace(0.0, 1.0, 11)
    bins = np.digitize(_p(FACTOR * z[held]), edges[1:-1])
    found["bins"] = [
        [float(_p(FACTOR * z[held])[bins == b].mean()), float(y[held][bins == b].mean())]
        for b in np.unique(bins)
    ]
    return found


def _p(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-z))


def _cost(y: Any, p: Any) -> float:
    alarm = p > 1.0 / (1.0 + COST)
    return float(COST * (y & ~alarm).sum() + (~y & alarm).sum())


def holds(found: dict[str, Any]) -> bool:
    """Same ranking, dearer decisions, mended by two numbers."""
    same = abs(found["auc"] - found["auc_bad"]) < 1e-3
    return bool(
        same
        and found["waste"] > 0.02
        and abs(found["waste_again"]) < 0.01
        and found["error_bad"] > 3 * found["error"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Reliability of the distorted probabilities."""
    points = np.array(found["bins"])
    axes.plot(points[:, 0], points[:, 1], "o-", color="#c2410c")
    axes.plot([0, 1], [0, 1], color="#64748b", lw=1)
    axes.set(xlabel="probability given", ylabel="share that was positive")
