"""When does the scale of columns matter, and when not?

Gradient descent and penalties see units, Newton's method without a penalty and trees do not: both are unchanged by
scaling a column (Nocedal and Wright, 2006).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
from sklearn.linear_model import SGDClassifier

from scalable.linear import LogisticRegression

QUICK, STANDARD = 5_000, 200_000
CLAIM = (
    "Multiplying a column by 1,000 leaves Newton's and the forest's predictions as they were and ruins plain "
    "gradient descent."
)
ANSWER = """It matters to plain gradient steps and to penalties, not to Newton's method without a penalty nor to
trees. With one of five columns multiplied by 1,000, predictions of Newton's method moved by at most {newton:.0e}
and of boosted trees by {trees:.0e}. Plain stochastic steps lost: log loss {sgd_bad:.3f} instead of {sgd:.3f}.
Steps that normalise each column, as this project's descent takes, gave {own_bad:.4f} instead of {own:.4f}. A
penalty on raw coefficients moved predictions by up to {penalised:.2f}; ours are per standard deviation, and moved
by {own_penalised:.0e}."""
LINKS = (
    "scalable/linear/gradient.py",
    "scalable/kernels/linear/optimizers.py",
    "scalable/kernels/linear/adaptive_optimizers.py",
)


def measure(rows: int) -> dict[str, Any]:
    """Fit each learner to a matrix and to the same with one column in other units."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 5))
    y = (random.random(rows) < 1.0 / (1.0 + np.exp(-x @ [1.0, -1.0, 0.5, 0.0, 0.8]))).astype(int)
    scaled = x * [1000.0, 1.0, 1.0, 1.0, 1.0]
    forest = {"n_estimators": 20, "verbosity": -1, "n_jobs": 1}
    learners: dict[str, Any] = {
        "newton": lambda: LogisticRegression(penalty=None, solver="newton", tol=1e-12),
        "trees": lambda: lightgbm.LGBMClassifier(**forest),
        "sgd": lambda: SGDClassifier("log_loss", random_state=0, max_iter=20, tol=None),
        "own": lambda: LogisticRegression(solver="sgd", random_state=0, max_iter=5),
        "penalised": lambda: LogisticRegression(C=1.0 / rows, standardize=False),
        "own_penalised": lambda: LogisticRegression(C=1.0 / rows),
    }
    found: dict[str, Any] = {}
    for name, make in learners.items():
        plain, other = (make().fit(given, y).predict_proba(given)[:, 1] for given in (x, scaled))
        if name in ("sgd", "own"):
            found |= {name: _loss(y, plain), f"{name}_bad": _loss(y, other)}
        else:
            found[name] = float(np.abs(plain - other).max())
    return found


def _loss(y: Any, p: Any) -> float:
    p = np.clip(p, 1e-7, 1.0 - 1e-7)
    return float(-np.where(y == 1, np.log(p), np.log(1.0 - p)).mean())


def holds(found: dict[str, Any]) -> bool:
    """Invariance to rounding where it is claimed, harm where it is claimed."""
    same = max(found["newton"], found["trees"]) < 1e-6 and abs(found["own"] - found["own_bad"]) < 0.01
    return bool(same and found["sgd_bad"] > found["sgd"] + 0.1 and found["penalised"] > 0.05)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Largest change of a prediction."""
    names = ["newton", "trees", "own_penalised", "penalised"]
    axes.barh(names, [max(found[name], 1e-17) for name in names], color="#c2410c")
    axes.set(xscale="log", xlabel="largest change of a probability")
