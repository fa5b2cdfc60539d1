"""How do generative and discriminative models differ?

A generative model that is nearly right needs rows by the logarithm of the columns, a discriminative one by their
number, and ends lower where the generative one is wrong (Ng and Jordan, 2001).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from scalable.bayes import GaussianNB
from scalable.evaluate import evaluate_predictions
from scalable.linear import LogisticRegression

QUICK, STANDARD = 10_000, 300_000
CLAIM = "With few rows naive Bayes is ahead of logistic regression, with many it is behind."
ANSWER = """The generative model is sooner near its best, the discriminative one has the better best. On rows of
{columns} correlated columns naive Bayes had an AUC of {nb[0]:.3f} after {at[0]} rows where logistic
regression had {lr[0]:.3f}; after {at[4]:,} rows it was {nb[4]:.4f} against {lr[4]:.4f}. They crossed near
{cross:,} rows. The lead with few rows is that of assumptions which cost little here; a penalty gives logistic
regression a part of it."""
LINKS = ("scalable/bayes/gaussian_nb.py", "scalable/linear/logistic.py")
COLUMNS, DRAWS = 30, 4


def measure(rows: int) -> dict[str, Any]:
    """Average learning curves of both over draws."""
    at = [50, 100, 300, 1_000, rows]
    curves = np.zeros((2, len(at)))
    new, truth = _rows(20_000, 999)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a line separates few rows
        for k, n in enumerate(at):
            for seed in range(DRAWS):
                x, y = _rows(n, seed)
                for j, model in enumerate((GaussianNB(), LogisticRegression(penalty="l2", C=1e7))):
                    report = evaluate_predictions(truth, model.fit(x, y).predict_proba(new)[:, 1])
                    curves[j, k] += report["auc"] / DRAWS
    ahead = [n for n, a, b in zip(at, *curves, strict=True) if b > a]
    return {
        "columns": COLUMNS,
        "at": at,
        "nb": curves[0].tolist(),
        "lr": curves[1].tolist(),
        "cross": min(ahead, default=rows),
    }


def _rows(rows: int, seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    y = np.r_[0.0, 1.0, (random.random(rows - 2) < 0.5)]
    common = 0.25 * random.normal(size=(rows, 1)) * np.where(np.arange(COLUMNS) < 15, 1.0, -1.0)
    signal = 0.35 * np.where(np.arange(COLUMNS) < 20, 1.0, 0.0)
    return random.normal(size=(rows, COLUMNS)) + common + signal * y[:, None], y


def holds(found: dict[str, Any]) -> bool:
    """Ahead at the first size, behind at the last."""
    return bool(found["nb"][0] > found["lr"][0] + 0.01 and found["lr"][-1] > found["nb"][-1] + 0.002)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Both curves."""
    axes.semilogx(found["at"], found["nb"], "o-", color="#c2410c", label="naive Bayes")
    axes.semilogx(found["at"], found["lr"], "o-", color="#64748b", label="logistic regression")
    axes.set(xlabel="rows", ylabel="held-out AUC")
    axes.legend(frameon=False)
