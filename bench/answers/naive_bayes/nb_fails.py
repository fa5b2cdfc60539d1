"""When does naive Bayes fail badly?

When evidence is counted twice: a column repeated k times is believed k times, so probabilities go to 0 and 1
(Domingos and Pazzani, 1997).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.bayes import GaussianNB
from scalable.evaluate import evaluate_predictions
from scalable.linear import LogisticRegression

QUICK, STANDARD = 20_000, 1_000_000
CLAIM = (
    "Repeating a column ruins the probabilities of naive Bayes and leaves logistic regression's as they were."
)
ANSWER = """It fails where columns repeat each other and probabilities matter. With one of two columns repeated
{copies} times its log loss went from {nb[0]:.3f} to {nb[3]:.3f}, above the {base:.3f} of knowing nothing, and its
calibration error from {error[0]:.3f} to {error[3]:.3f}. The ranking suffered too: AUC fell from {auc[0]:.3f} to
{auc[3]:.3f}, as the repeated column outvoted the other. Logistic regression stayed at {logistic[0]:.4f} and
{logistic[3]:.4f}. Copies are the worst case; correlated columns do the same in part."""
LINKS = ("scalable/bayes/gaussian_nb.py", "scalable/linear/logistic.py")
COPIES = (1, 3, 10, 30)


def measure(rows: int) -> dict[str, Any]:
    """Fit both with a column repeated."""
    found: dict[str, Any] = {
        "copies": COPIES[-1],
        "counts": list(COPIES),
        "nb": [],
        "error": [],
        "auc": [],
        "logistic": [],
    }
    for copies in COPIES:
        (x, y), (new, truth) = _rows(rows, 0, copies), _rows(20_000, 1, copies)
        report = evaluate_predictions(truth, GaussianNB().fit(x, y).predict_proba(new)[:, 1])
        found["nb"].append(report["log_loss"])
        found["error"].append(report["calibration_error"])
        found["auc"].append(report["auc"])
        found["base"] = report["base_log_loss"]
        other = LogisticRegression().fit(x, y).predict_proba(new)[:, 1]
        found["logistic"].append(evaluate_predictions(truth, other)["log_loss"])
    return found


def _rows(rows: int, seed: int, copies: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    y = random.random(rows) < 0.5
    x = random.normal(size=(rows, 2)) + 0.6 * y[:, None]
    return np.hstack([np.repeat(x[:, :1], copies, axis=1), x[:, 1:]]), y.astype(np.float64)


def holds(found: dict[str, Any]) -> bool:
    """Worse than nothing at the end; the other unmoved."""
    still = max(found["logistic"]) - min(found["logistic"]) < 0.002
    return bool(
        still
        and found["nb"][-1] > found["base"] > found["nb"][0]
        and found["auc"][-1] < found["auc"][0] - 0.01
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Log loss by copies."""
    axes.semilogx(found["counts"], found["nb"], "o-", color="#c2410c", label="naive Bayes")
    axes.semilogx(found["counts"], found["logistic"], "o-", color="#64748b", label="logistic regression")
    axes.axhline(found["base"], color="k", ls=":", lw=1)
    axes.set(xlabel="copies of a column", ylabel="held-out log loss")
    axes.legend(frameon=False)
