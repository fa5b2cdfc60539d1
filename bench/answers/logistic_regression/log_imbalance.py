"""What should be done about rare positives?

Nothing about the loss, which is right as it is. Weights and sampling move the intercept, which can be put back; the
decision threshold follows from costs (King and Zeng, 2001).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.evaluate import evaluate_predictions
from scalable.linear import LogisticRegression

QUICK, STANDARD = 200_000, 10_000_000
CLAIM = (
    "Keeping one negative in twenty and correcting the intercept costs little quality; balanced weights ruin "
    "probabilities and not the ranking."
)
ANSWER = """Mostly nothing but a threshold that follows from costs. With {share:.2%} positives plain logistic
regression had log loss {plain:.5f} and AUC {plain_auc:.4f}. Balanced weights kept AUC at {weighted_auc:.4f} and
took log loss to {weighted:.3f}, because probabilities are then of a world with as many positives as negatives.
Keeping every positive and one negative in {keep} trained on {kept:.1%} of the rows; with log {keep} taken from
the intercept its log loss was {sampled:.5f}. So sampling saves time and costs little, weights change what
probabilities mean. A model without enough columns to tell the classes apart is helped by none of them."""
LINKS = ("scalable/linear/logistic.py", "scalable/boosting/rare_positives.py")
KEEP = 20


def measure(rows: int) -> dict[str, Any]:
    """Fit plain, weighted and sampled, and correct the last."""
    (x, y), (new, truth) = _rows(rows, 0), _rows(rows, 1)
    found: dict[str, Any] = {"share": float(y.mean()), "keep": KEEP}
    plain = LogisticRegression(penalty=None).fit(x, y).predict_proba(new)[:, 1]
    weighted = LogisticRegression(penalty=None, class_weight="balanced").fit(x, y).predict_proba(new)[:, 1]
    some = (y == 1) | (np.random.default_rng(2).random(rows) < 1.0 / KEEP)
    model = LogisticRegression(penalty=None).fit(x[some], y[some])
    odds = new @ model.coef_.ravel() + np.ravel(model.intercept_)[0] - np.log(KEEP)
    for name, p in (("plain", plain), ("weighted", weighted), ("sampled", 1.0 / (1.0 + np.exp(-odds)))):
        report = evaluate_predictions(truth, p)
        found |= {
            name: report["log_loss"],
            f"{name}_auc": report["auc"],
            f"{name}_mean": report["mean_prediction"],
        }
    return {**found, "kept": float(some.mean()), "prevalence": float(truth.mean())}


def _rows(rows: int, seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    score = -6.0 + x @ [1.2, -0.8, 0.5, 0.0]
    return x, (random.random(rows) < 1.0 / (1.0 + np.exp(-score))).astype(np.float64)


def holds(found: dict[str, Any]) -> bool:
    """Sampled near plain, weighted far off in loss only."""
    near = found["sampled"] < 1.03 * found["plain"] and abs(found["weighted_auc"] - found["plain_auc"]) < 0.01
    return bool(near and found["weighted"] > 3.0 * found["plain"])


def draw(found: dict[str, Any], axes: Any) -> None:
    """Mean probability against the share of positives."""
    names = ["plain", "sampled", "weighted"]
    axes.bar(names, [found[f"{name}_mean"] for name in names], color="#c2410c")
    axes.axhline(found["prevalence"], color="k", ls=":", lw=1)
    axes.set(yscale="log", ylabel="mean probability (dotted: share of positives)")
