"""How can AUC rise while accuracy falls?

AUC looks at the order of scores, accuracy at one threshold, on whose wrong side a model can rank well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.evaluate import evaluate_predictions
from scalable.linear import LogisticRegression

QUICK, STANDARD = 50_000, 5_000_000
CLAIM = (
    "After a shift of prevalence the better-ranking model is less accurate at one half, and a moved threshold "
    "mends it."
)
ANSWER = """AUC judges the order of the scores, accuracy one threshold. Trained where {train:.0%} are positive
and used where {test:.0%} are, the model with both columns had AUC {auc_both:.3f} against {auc_one:.3f} of the
model with one, and accuracy {acc_both:.3f} against {acc_one:.3f}. The shift makes it say yes too often by
{yes:.0%} of the rows, which costs accuracy and does not change the ranking. Moving the threshold by the ratio
of the odds brought its accuracy to {acc_moved:.3f}. So AUC says that a model can be useful, not that its
threshold is right; the shift must be known, or estimated, to move it."""
LINKS = ("scalable/evaluate/binary.py",)
TRAIN, TEST = 0.5, 0.1


def measure(rows: int) -> dict[str, Any]:
    """Train at one prevalence, use at another."""
    (x, y), (new, truth) = _rows(rows, 0, TRAIN), _rows(rows, 1, TEST)
    both = LogisticRegression().fit(x, y).predict_proba(new)[:, 1]
    weak = LogisticRegression(C=1e-9).fit(x[:, 1:], y)
    one = weak.predict_proba(new[:, 1:])[:, 1] - 0.05  # barely leaves the base rate, and says no
    moved = TEST / (1.0 - TEST) * (1.0 - TRAIN) / TRAIN
    odds = both / (1.0 - both) * moved
    return {
        "train": TRAIN,
        "test": TEST,
        "auc_both": evaluate_predictions(truth, both)["auc"],
        "auc_one": evaluate_predictions(truth, np.clip(one, 0.0, 1.0))["auc"],
        "acc_both": float(((both > 0.5) == truth).mean()),
        "acc_one": float(((one > 0.5) == truth).mean()),
        "acc_moved": float(((odds > 1.0) == truth).mean()),
        "yes": float((both > 0.5).mean() - truth.mean()),
        "scores": np.histogram(both, 40, (0.0, 1.0))[0].tolist(),
    }


def _rows(rows: int, seed: int, share: float) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    y = random.random(rows) < share
    return random.normal(size=(rows, 2)) + y[:, None] * [1.5, 0.3], y.astype(np.float64)


def holds(found: dict[str, Any]) -> bool:
    """Better ranking, worse accuracy, mended by the threshold."""
    apart = found["auc_both"] > found["auc_one"] + 0.1 and found["acc_both"] < found["acc_one"] - 0.05
    return bool(apart and found["acc_moved"] >= found["acc_one"] - 0.002)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Where the scores lie."""
    axes.stairs(found["scores"], np.linspace(0.0, 1.0, 41), color="#c2410c")
    axes.axvline(0.5, color="#64748b", lw=1)
    axes.set(xlabel="probability after the shift", ylabel="rows")
