"""Why does naive Bayes work although its assumption is false?

The class is right as long as the sum of evidence points to it; dependence shared by the classes moves all scores alike
(Domingos and Pazzani, 1997; Zhang, 2004).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.bayes import GaussianNB
from scalable.evaluate import evaluate_predictions

QUICK, STANDARD = 20_000, 1_000_000
CLAIM = "As columns depend more on each other naive Bayes keeps its ranking and loses its probabilities."
ANSWER = """It only has to point to the right class, not to be right about how surely. With {columns} equally
informative columns whose correlation rose from {correlations[0]} to {correlations[3]}, its AUC stayed within
{lost:.4f} of the best possible. Its log loss went from {excess[0]:.4f} to {excess[3]:.3f} above the best. The
share of rows where it names the class that the true law names was {agree:.2%} even then. Equal columns are its
kindest case: where one of them repeats and another does not, the ranking goes too."""
LINKS = ("scalable/bayes/gaussian_nb.py",)
CORRELATIONS, COLUMNS = (0.0, 0.2, 0.5, 0.9), 8


def measure(rows: int) -> dict[str, Any]:
    """Fit on normal columns of equal correlation, whose best score is known."""
    auc, excess, lost = [], [], []
    agree = 1.0
    for correlation in CORRELATIONS:
        (x, y), (new, truth) = _rows(rows, 0, correlation), _rows(20_000, 1, correlation)
        score = _best(new, correlation)
        p = GaussianNB().fit(x, y).predict_proba(new)[:, 1]
        ours, best = evaluate_predictions(truth, p), evaluate_predictions(truth, 1.0 / (1.0 + np.exp(-score)))
        auc.append(ours["auc"])
        lost.append(best["auc"] - ours["auc"])
        excess.append(ours["log_loss"] - best["log_loss"])
        agree = float(((p > 0.5) == (score > 0.0)).mean())
    return {
        "columns": COLUMNS,
        "correlations": list(CORRELATIONS),
        "auc": auc,
        "lost": float(np.max(lost)),
        "excess": excess,
        "agree": agree,
    }


def _rows(rows: int, seed: int, correlation: float) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    y = (random.random(rows) < 0.5).astype(np.float64)
    common = random.normal(size=(rows, 1))
    own = random.normal(size=(rows, COLUMNS))
    return np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * own + 0.7 * y[:, None], y


def _best(x: Any, correlation: float) -> Any:
    weight = 0.7 / (
        1.0 - correlation + correlation * COLUMNS
    )  # of each column, by the inverse of the covariance
    return weight * (x - 0.35).sum(axis=1)


def holds(found: dict[str, Any]) -> bool:
    """Ranking kept, probabilities lost."""
    return bool(
        found["lost"] < 0.003
        and found["excess"][0] < 0.003
        and found["excess"][-1] > 0.1
        and found["agree"] > 0.95
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Loss above the best by correlation."""
    axes.plot(found["correlations"], found["excess"], "o-", color="#c2410c", label="log loss above the best")
    axes.plot(found["correlations"], found["auc"], "o-", color="#64748b", label="AUC")
    axes.set(xlabel="correlation between columns")
    axes.legend(frameon=False)
