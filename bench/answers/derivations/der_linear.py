"""How does one derive the closed form of least squares, step by step?

Each step is a statement that numbers can refute; `measure` returns by how much each is off.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.numeric import gradient
from scalable.linear import LinearRegression

QUICK, STANDARD = 1_000, 100_000
CLAIM = "Every step of the derivation holds to rounding, and the estimator computes the same coefficients."
ANSWER = """The gradient of the squared error is -2 X'(y - X b), within {slope:.0e} of finite differences. Where
it vanishes the residual is orthogonal to every column, within {orthogonal:.0e}. That is X'X b = X'y, whose
solution has less error than {tried} points around it. The Hessian is 2 X'X, whose least eigenvalue of
{curvature:.2f} per row is positive, so the minimum is the only one. `LinearRegression` gives the same b within
{apart:.0e}. With dependent columns the last step fails and b is one of many."""
LINKS = ("scalable/linear/least_squares.py", "scalable/linear/solvers/gram.py")
TRIED = 200


def measure(rows: int) -> dict[str, Any]:
    """Check each step on random numbers."""
    random = np.random.default_rng(0)
    x, truth = random.normal(size=(rows, 4)), np.array([1.0, -2.0, 0.5, 0.0])
    y = x @ truth + random.normal(size=rows)

    def error(b: Any) -> float:
        return float(((y - x @ b) ** 2).sum())

    somewhere = random.normal(size=4)
    slope = np.abs(gradient(error, somewhere) + 2.0 * x.T @ (y - x @ somewhere)).max() / error(somewhere)
    best = np.linalg.solve(x.T @ x, x.T @ y)
    around = [error(best + 0.1 * random.normal(size=4)) for _ in range(TRIED)]
    return {
        "slope": float(slope),
        "orthogonal": float(np.abs(x.T @ (y - x @ best)).max() / np.abs(x.T @ y).max()),
        "tried": TRIED,
        "better": sum(value < error(best) for value in around),
        "curvature": float(np.linalg.eigvalsh(2.0 * x.T @ x / rows)[0]),
        "apart": float(np.abs(LinearRegression(fit_intercept=False).fit(x, y).coef_ - best).max()),
        "errors": sorted(value / error(best) for value in around),
    }


def holds(found: dict[str, Any]) -> bool:
    """All steps to rounding."""
    exact = max(found["orthogonal"], found["apart"]) < 1e-9 and found["slope"] < 1e-7
    return bool(exact and found["better"] == 0 and found["curvature"] > 0.0)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Error at the points around the minimum."""
    axes.plot(found["errors"], color="#c2410c")
    axes.axhline(1.0, color="#64748b", lw=1)
    axes.set(xlabel="points around the solution", ylabel="squared error, solution = 1")
