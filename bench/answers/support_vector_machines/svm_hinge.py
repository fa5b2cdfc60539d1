"""How does the hinge loss differ from cross-entropy?

The hinge is zero beyond the margin, so most rows leave no trace and scores are not probabilities; cross-entropy hears
every row and its scores are log odds (Steinwart, 2003; Zhang, 2004).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.svm import LinearSVC as ExactSVC

from scalable.evaluate import evaluate_predictions
from scalable.linear import LogisticRegression

QUICK, STANDARD = 4_000, 20_000
CLAIM = (
    "The hinge loss is decided by a part of the rows and ranks as well, its scores are no probabilities, and rows that "
    "are certain move it less than cross-entropy."
)
ANSWER = """They rank alike and mean different things: AUC {hinge_auc:.4f} by the hinge loss and {log_auc:.4f}
by cross-entropy on {rows:,} rows. {share:.0%} of the rows lie within the margin and decide the hinge's line;
dropping all others moved its coefficients by {moved:.0e}, while every row moves cross-entropy's, by
{log_moved:.2f}. Taken as log odds the hinge's scores have a log loss of {hinge_loss:.4f} against
{log_loss:.4f}: its slope is {slope:.2f} times the true one, because it answers yes or no. One row in {every}
with a wrong label far out turned the hinge's line by {hinge_turn:.1f} degrees and cross-entropy's by
{log_turn:.1f}: both lose by the distance, neither is robust. Where probabilities decide, cross-entropy is the
choice; where only the class matters and rows are certain, the hinge's sparsity is a gain."""
LINKS = ("scalable/linear/svc.py", "scalable/linear/logistic.py", "scalable/kernels/linear/losses.py")
TRUTH, EVERY = np.array([2.0, -1.0]), 100


def measure(rows: int) -> dict[str, Any]:
    """Fit both losses, with and without the rows that hinge leaves out, and with outliers."""
    random = np.random.default_rng(0)
    (x, y), (new, truth) = _rows(random, rows), _rows(random, 100_000)
    w, b = _hinge(x, y)
    v, a = _cross_entropy(x, y)
    margin = (2.0 * y - 1.0) * (x @ w + b)
    inside = margin < 1.0 + 1e-3
    fewer, _ = _hinge(x[inside], y[inside])
    log_fewer, _ = _cross_entropy(x[inside], y[inside])
    bad, label = x.copy(), y.copy()
    bad[::EVERY], label[::EVERY] = [0.0, 8.0], 1.0
    return {
        "rows": rows,
        "every": EVERY,
        "hinge_auc": _score(truth, new @ w + b)["auc"],
        "log_auc": _score(truth, new @ v + a)["auc"],
        "hinge_loss": _score(truth, new @ w + b)["log_loss"],
        "log_loss": _score(truth, new @ v + a)["log_loss"],
        "share": float(inside.mean()),
        "moved": float(np.abs(fewer - w).max()),
        "log_moved": float(np.abs(log_fewer - v).max()),
        "slope": float(np.linalg.norm(w) / np.linalg.norm(TRUTH)),
        "hinge_turn": _degrees(_hinge(bad, label)[0], w),
        "log_turn": _degrees(_cross_entropy(bad, label)[0], v),
        "margins": np.histogram(margin, 60, (-4.0, 8.0))[0].tolist(),
    }


def _rows(random: Any, rows: int) -> tuple[Any, Any]:
    x = random.normal(size=(rows, 2)) * 2.0
    return x, (random.random(rows) < 1.0 / (1.0 + np.exp(-x @ TRUTH))).astype(np.float64)


def _hinge(x: Any, y: Any) -> tuple[Any, float]:
    machine = ExactSVC(loss="hinge", C=1.0, max_iter=200_000, tol=1e-7, random_state=0)
    machine.fit(x, y)
    return machine.coef_[0], float(machine.intercept_[0])


def _cross_entropy(x: Any, y: Any) -> tuple[Any, float]:
    model = LogisticRegression(penalty=None).fit(x, y)
    return np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])


def _score(truth: Any, z: Any) -> Any:
    return evaluate_predictions(truth, 1.0 / (1.0 + np.exp(-z)))


def _degrees(a: Any, b: Any) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1.0, 1.0))))


def holds(found: dict[str, Any]) -> bool:
    """A part of the rows decides, the same ranking, worse probabilities."""
    sparse = found["share"] < 0.6 and found["moved"] < 0.02 < found["log_moved"]
    both = min(found["hinge_turn"], found["log_turn"]) > 0.5
    return bool(
        sparse
        and both
        and abs(found["hinge_auc"] - found["log_auc"]) < 0.003
        and found["hinge_loss"] > found["log_loss"] + 0.002
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Where rows lie by their margin."""
    axes.stairs(found["margins"], np.linspace(-4.0, 8.0, 61), color="#c2410c")
    axes.axvline(1.0, color="#64748b", lw=1)
    axes.set(xlabel="margin of a row; right of the line hinge's loss is zero", ylabel="rows")
