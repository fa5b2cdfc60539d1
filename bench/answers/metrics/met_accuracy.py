"""Why does accuracy mislead with rare classes?

Always saying "no" is right as often as negatives are; accuracy rewards the threshold, not the ranking (Provost, 1998).
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

import data_gen
from scalable import ParquetSource
from scalable.evaluate import evaluate_predictions
from scalable.linear import LogisticRegression

QUICK, STANDARD = 100_000, 5_000_000
CLAIM = (
    "On rare positives a useful model is no more accurate than saying no to all, and AUC and log loss tell "
    "them apart."
)
ANSWER = """Accuracy mostly counts the common class. On {rows:,} held-out rows of `fraud`, {share:.2%} of them
positive, saying no to everything is right in {no_accuracy:.3%}, the model at its usual threshold of one half in
{accuracy:.3%}. Yet the model's AUC is {auc:.3f} against .5, its log loss {log_loss:.5f} against {base:.5f} of the
base rate. Where a missed positive costs {cost} false alarms, the model saves {saved:.1%} of what saying no costs,
at a threshold of {threshold:.3f}. Which number to watch depends on what errors cost, which no metric knows."""
LINKS = ("scalable/evaluate/binary.py", "data_gen/datasets/fraud/risk.py")
COST = 100


def measure(rows: int) -> dict[str, Any]:
    """Train a logistic model on generated fraud and hold it against saying no."""
    with tempfile.TemporaryDirectory() as home:
        data_gen.generate("fraud", rows=rows, out=f"{home}/rows")
        model = LogisticRegression().fit(ParquetSource(f"{home}/rows", target="is_fraud"))
        held = data_gen.rows("fraud", rows, rows + rows // 2)
        y = held["is_fraud"].to_numpy().astype(np.float64)
        p = model.predict_proba(held.drop_columns(["is_fraud"]))[:, 1]
    report = evaluate_predictions(y, p)
    order = np.argsort(-p)
    caught = np.concatenate([[0.0], np.cumsum(y[order])])
    alarms = np.arange(len(y) + 1) - caught
    cost = COST * (y.sum() - caught) + alarms
    best = int(cost.argmin())
    return {
        "rows": len(y),
        "share": float(y.mean()),
        "no_accuracy": float(1.0 - y.mean()),
        "accuracy": float(((p > 0.5) == y).mean()),
        "auc": report["auc"],
        "log_loss": report["log_loss"],
        "base": report["base_log_loss"],
        "cost": COST,
        "saved": float(1.0 - cost[best] / (COST * y.sum())),
        "threshold": float(p[order[max(0, best - 1)]]),
        "alarms": (np.linspace(0, min(len(y), 20 * int(y.sum())), 60).astype(int) / len(y)).tolist(),
        "costs": cost[np.linspace(0, min(len(y), 20 * int(y.sum())), 60).astype(int)].tolist(),
    }


def holds(found: dict[str, Any]) -> bool:
    """No more accurate, much better otherwise."""
    same = found["accuracy"] < found["no_accuracy"] + 0.001
    return bool(same and found["auc"] > 0.65 and found["log_loss"] < found["base"] and found["saved"] > 0.02)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Cost by the share of rows that raise an alarm."""
    axes.plot(found["alarms"], np.array(found["costs"]) / found["costs"][0], color="#c2410c")
    axes.axhline(1.0, color="#64748b", lw=1)
    axes.set(xlabel="share of rows that raise an alarm", ylabel="cost, saying no = 1")
