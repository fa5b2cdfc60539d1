"""What do the shapes of the two penalties do to coefficients?

With uncorrelated columns of unit variance ridge divides every coefficient by 1 + alpha, and the lasso moves each by
alpha towards zero and stops there: soft thresholding (Donoho and Johnstone, 1994).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.linear import Lasso, LinearRegression, Ridge

QUICK, STANDARD = 5_000, 1_000_000
CLAIM = "On orthogonal columns ridge scales every coefficient alike and the lasso subtracts alike, to twelve digits."
ANSWER = """Ridge makes all coefficients smaller by the same factor, the lasso by the same amount. On orthogonal
columns at a strength of {alpha} ridge's coefficients were those of least squares times {factor:.4f} within
{ridge_error:.0e}, the lasso's were least squares less {alpha} within {lasso_error:.0e}, and {zeros} of {columns}
were exactly 0. So the lasso drops small effects and takes the same from a large one, {large_lasso:.3f} of
{large:.3f}, where ridge takes a third. On correlated columns neither rule is exact: there both depend on what the
others explain."""
LINKS = ("scalable/linear/least_squares.py", "scalable/linear/elastic_net.py")
ALPHA, TRUTH = 0.5, (3.0, 2.0, 1.0, 0.6, 0.45, 0.2, 0.1, 0.0)


def measure(rows: int) -> dict[str, Any]:
    """Fit both to columns made orthogonal."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, len(TRUTH)))
    x -= x.mean(axis=0)
    x = np.linalg.qr(x)[0] * np.sqrt(rows)
    y = x @ np.array(TRUTH) + random.normal(size=rows)
    least = LinearRegression().fit(x, y).coef_
    ridge = Ridge(alpha=ALPHA * rows).fit(x, y).coef_
    lasso = Lasso(alpha=ALPHA, tol=1e-12).fit(x, y).coef_
    soft = np.sign(least) * np.maximum(np.abs(least) - ALPHA, 0.0)
    return {
        "alpha": ALPHA,
        "columns": len(TRUTH),
        "factor": 1.0 / (1.0 + ALPHA),
        "ridge_error": float(np.abs(ridge - least / (1.0 + ALPHA)).max()),
        "lasso_error": float(np.abs(lasso - soft).max()),
        "zeros": int((lasso == 0.0).sum()),
        "large": float(least[0]),
        "large_lasso": float(least[0] - lasso[0]),
        "least": least.tolist(),
        "ridge": ridge.tolist(),
        "lasso": lasso.tolist(),
    }


def holds(found: dict[str, Any]) -> bool:
    """Both rules to rounding."""
    return bool(found["ridge_error"] < 1e-10 and found["lasso_error"] < 1e-8 and found["zeros"] >= 3)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Penalised against least-squares coefficients."""
    axes.plot(found["least"], found["ridge"], "o-", color="#64748b", label="ridge")
    axes.plot(found["least"], found["lasso"], "o-", color="#c2410c", label="lasso")
    axes.plot([0, 3], [0, 3], "k:", lw=1)
    axes.set(xlabel="least squares", ylabel="with the penalty")
    axes.legend(frameon=False)
