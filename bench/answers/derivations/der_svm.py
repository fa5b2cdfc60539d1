"""How does one derive the dual of the support vector machine, step by step?

The Lagrangian of the margin problem is least in w and b at sums over rows; put in, only inner products and a price for
each row are left (Boser, Guyon and Vapnik, 1992).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.svm import SVC

QUICK, STANDARD = 40, 120
CLAIM = "Solved for its prices alone the dual reaches the primal's value, with w, b and slackness as derived."
ANSWER = """Setting the derivatives of the Lagrangian to zero gives w as the sum of a y x and the sum of a y as
zero; for any such multipliers in [0, C] the dual value is below the primal's, by {weak:.2f} at least for
{tried} drawn ones. At the solution the gap was {gap:.0e} of {value:.4f}. From the multipliers alone w came out
within {w:.0e} of the primal's own solution and b within {b:.0e}. Slackness held within {slack:.0e}: the {free}
rows with a multiplier between 0 and C lie on the margin, the {zero} at 0 beyond it, the {full} at C inside.
Replacing each x'z by (x'z + 1)^2 solved the same problem in the space of products: decision values are within
{kernel:.0e} of the library's. The derivation needs convexity, not that classes are separable."""
LINKS = ("scalable/linear/svc.py", "scalable/kernels/linear/losses.py")
C, TRIED = 1.0, 200


def measure(rows: int) -> dict[str, Any]:
    """Solve dual and primal apart, and check each step between them."""
    random = np.random.default_rng(0)
    y = np.where(np.arange(rows) % 2, 1.0, -1.0)
    x = random.normal(size=(rows, 2)) + 0.8 * y[:, None]
    a, b = _dual(x @ x.T, y)
    w = (a * y) @ x
    # The primal, with its slacks as variables of their own.
    start = np.r_[w, b, np.maximum(0.0, 1.0 - y * (x @ w + b))] + 0.01
    inside = [
        {"type": "ineq", "fun": lambda v: y * (x @ v[:2] + v[2]) - 1.0 + v[3:],
         "jac": lambda v: np.column_stack([y[:, None] * x, y, np.eye(rows)])},
    ]  # fmt: skip
    primal = minimize(
        lambda v: 0.5 * v[:2] @ v[:2] + C * v[3:].sum(), start, jac=lambda v: np.r_[v[:2], 0.0, np.full(rows, C)],
        constraints=inside, bounds=[(None, None)] * 3 + [(0.0, None)] * rows, method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    below = []
    for _ in range(TRIED):
        drawn = random.uniform(0.0, C, rows)
        drawn *= np.where(
            y > 0,
            min(1.0, drawn[y < 0].sum() / drawn[y > 0].sum()),
            min(1.0, drawn[y > 0].sum() / drawn[y < 0].sum()),
        )
        below.append(primal.fun - _value(drawn, x @ x.T, y))
    margin, free = y * (x @ w + b), (a > 1e-6 * C) & (a < C * (1.0 - 1e-6))
    low, high = a <= 1e-6 * C, a >= C * (1.0 - 1e-6)
    slack = [
        np.abs(margin[free] - 1.0),
        np.maximum(0.0, 1.0 - margin[low]),
        np.maximum(0.0, margin[high] - 1.0),
    ]
    gram = (x @ x.T + 1.0) ** 2
    prices, offset = _dual(gram, y)
    library = SVC(C=C, kernel="poly", degree=2, gamma=1.0, coef0=1.0, tol=1e-10).fit(x, y)
    return {
        "rows": rows,
        "tried": TRIED,
        "weak": float(min(below)),
        "value": float(primal.fun),
        "gap": float(abs(primal.fun - _value(a, x @ x.T, y))),
        "w": float(np.abs(w - primal.x[:2]).max()),
        "b": float(abs(b - primal.x[2])),
        "slack": float(max(part.max() for part in slack if len(part))),
        "free": int(free.sum()),
        "zero": int(low.sum()),
        "full": int(high.sum()),
        "kernel": float(np.abs(gram @ (prices * y) + offset - library.decision_function(x)).max()),
        "margins": margin.tolist(),
        "prices": a.tolist(),
    }


def _value(a: Any, gram: Any, y: Any) -> float:
    return float(a.sum() - 0.5 * (a * y) @ gram @ (a * y))


def _dual(gram: Any, y: Any) -> tuple[Any, float]:
    q = gram * np.outer(y, y)
    found = minimize(
        lambda a: 0.5 * a @ q @ a - a.sum(), np.full(len(y), 0.1), jac=lambda a: q @ a - 1.0, method="SLSQP",
        bounds=[(0.0, C)] * len(y), constraints=[{"type": "eq", "fun": lambda a: a @ y, "jac": lambda a: y}],
        options={"ftol": 1e-15, "maxiter": 1_000},
    )  # fmt: skip
    a = found.x
    free = (a > 1e-6 * C) & (a < C * (1.0 - 1e-6))
    return a, float((y - gram @ (a * y))[free].mean())


def holds(found: dict[str, Any]) -> bool:
    """No gap, the same plane, slackness, and the library's kernel machine."""
    same = (
        found["gap"] < 1e-6 * found["value"] and max(found["w"], found["b"]) < 1e-4 and found["weak"] >= 0.0
    )
    return bool(same and found["slack"] < 1e-4 and found["kernel"] < 1e-3 and found["free"] > 0)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Price by margin."""
    axes.plot(found["margins"], found["prices"], "o", color="#c2410c", ms=4)
    axes.axvline(1.0, color="#64748b", lw=1)
    axes.set(xlabel="margin of a row", ylabel="price")
