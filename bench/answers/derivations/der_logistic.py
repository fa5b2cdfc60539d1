"""How does one derive the gradient of the logistic loss, step by step?

The derivative of the sigmoid is s (1 - s); with it all that is left of the chain rule is p - y.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.numeric import gradient
from scalable.linear import LogisticRegression

QUICK, STANDARD = 2_000, 100_000
CLAIM = "Every step holds to rounding, and Newton's steps with this gradient and Hessian end where the estimator ends."
ANSWER = """The sigmoid's derivative is s(1 - s), within {sigmoid:.0e} of differences. So the derivative of the
loss by the score is p - y, within {inner:.0e}, and the gradient is X'(p - y), within {slope:.0e}. The Hessian is
X' diag(p(1 - p)) X, within {hessian:.0e} of differences of the gradient, and no eigenvalue is negative, so the
loss is convex. Five of Newton's steps with these end within {apart:.0e} of `LogisticRegression` without a penalty.
On separable rows the same steps never end."""
LINKS = ("scalable/linear/logistic.py", "scalable/linear/solvers/newton.py")


def measure(rows: int) -> dict[str, Any]:
    """Check each step on random numbers."""
    random = np.random.default_rng(0)
    x = np.column_stack([random.normal(size=(rows, 3)), np.ones(rows)])
    y = (random.random(rows) < _s(x @ [1.0, -1.0, 0.5, -0.3])).astype(np.float64)

    def loss(b: Any) -> float:
        z = x @ b
        return float((np.logaddexp(0.0, z) - y * z).mean())

    def slope(b: Any) -> Any:
        return x.T @ (_s(x @ b) - y) / rows

    def curvature(b: Any) -> Any:
        p = _s(x @ b)
        return (x * (p * (1.0 - p))[:, None]).T @ x / rows

    z, somewhere = np.linspace(-4.0, 4.0, 41), random.normal(size=4)
    by_differences = np.empty((4, 4))
    for j, e in enumerate(1e-5 * np.eye(4)):
        by_differences[j] = (slope(somewhere + e) - slope(somewhere - e)) / 2e-5
    b, losses = np.zeros(4), [loss(np.zeros(4))]
    for _ in range(7):
        b = b - np.linalg.solve(curvature(b), slope(b))
        losses.append(loss(b))
    model = LogisticRegression(penalty=None, solver="newton", tol=1e-12).fit(x[:, :3], y)
    ours = np.r_[model.coef_.ravel(), np.ravel(model.intercept_)]
    one = gradient(lambda t: float(np.logaddexp(0.0, t[0]) - 1.0 * t[0]), np.array([0.7]))[0]
    return {
        "sigmoid": float(np.abs((_s(z + 1e-5) - _s(z - 1e-5)) / 2e-5 - _s(z) * (1.0 - _s(z))).max()),
        "inner": float(abs(one - (_s(0.7) - 1.0))),
        "slope": float(np.abs(gradient(loss, somewhere) - slope(somewhere)).max()),
        "hessian": float(np.abs(by_differences - curvature(somewhere)).max()),
        "least": float(np.linalg.eigvalsh(curvature(somewhere))[0]),
        "apart": float(np.abs(ours - b).max()),
        "losses": losses,
    }


def _s(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-np.asarray(z)))


def holds(found: dict[str, Any]) -> bool:
    """All steps to the accuracy of differences."""
    steps = max(found[name] for name in ("sigmoid", "inner", "slope", "hessian")) < 1e-8
    return bool(steps and found["least"] > 0.0 and found["apart"] < 1e-6)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Loss above its least by Newton step."""
    losses = np.array(found["losses"])
    axes.semilogy(losses[:-1] - losses[-1] + 1e-17, "o-", color="#c2410c")
    axes.set(xlabel="step of Newton's method", ylabel="loss above the least")
