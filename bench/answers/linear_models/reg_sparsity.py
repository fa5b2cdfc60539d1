"""Why does the absolute penalty give exact zeros?

At zero its slope jumps from -alpha to alpha, so a column stays out as long as its correlation with the residual is
smaller than alpha; a squared penalty has slope 0 there and never holds anything at zero (Tibshirani, 1996).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.linear import Lasso, LinearRegression, Ridge

QUICK, STANDARD = 20_000, 2_000_000
CLAIM = (
    "The lasso sets every idle column to exactly zero and obeys the subgradient condition; ridge sets none to "
    "zero."
)
ANSWER = """The absolute penalty has a kink at zero, and a coefficient stays there until its column's correlation
with the residual exceeds alpha. Of {n_idle} idle columns the lasso set {lasso_zeros} to exactly 0, ridge
{ridge_zeros} and least squares {ols_zeros}. For the columns at zero the largest correlation with the residual was
{inside:.4f}, below the alpha of {alpha}; for the others it equals alpha within {boundary:.1e}. The columns that
act pay for it: on average their coefficients came out {shrinkage:.3f} nearer to zero than the truth. This says
nothing of correlated columns, among which the lasso picks one by chance."""
LINKS = ("scalable/linear/elastic_net.py", "scalable/linear/solvers/elastic_net_path.py")
ALPHA, COLUMNS, ACTIVE = 0.05, 30, 6


def measure(rows: int) -> dict[str, Any]:
    """Fit three penalties to independent columns of which six act."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, COLUMNS))
    truth = np.where(np.arange(COLUMNS) < ACTIVE, 0.5, 0.0)
    y = x @ truth + random.normal(size=rows)
    lasso = Lasso(alpha=ALPHA, tol=1e-10).fit(x, y)
    residual = y - lasso.predict(x)
    slope = np.abs(x.T @ (residual - residual.mean())) / rows
    out = lasso.coef_ == 0.0
    return {
        "alpha": ALPHA,
        "n_idle": COLUMNS - ACTIVE,
        "lasso_zeros": int(out[ACTIVE:].sum()),
        "lasso_zeros_active": int(out[:ACTIVE].sum()),
        "ridge_zeros": int((Ridge(alpha=float(rows)).fit(x, y).coef_ == 0.0).sum()),
        "ols_zeros": int((LinearRegression().fit(x, y).coef_ == 0.0).sum()),
        "inside": float(slope[out].max(initial=0.0)),
        "boundary": float(np.abs(slope[~out] - ALPHA).max(initial=0.0)),
        "shrinkage": float((0.5 - lasso.coef_[:ACTIVE]).mean()),
        "slopes": slope.tolist(),
        "coefficients": lasso.coef_.tolist(),
    }


def holds(found: dict[str, Any]) -> bool:
    """All idle columns out, no acting one, the subgradient inside the interval, and no zeros without the kink."""
    zeros = found["lasso_zeros"] == found["n_idle"] and found["lasso_zeros_active"] == 0
    return bool(
        zeros
        and found["ridge_zeros"] == found["ols_zeros"] == 0
        and found["inside"] < ALPHA
        and found["boundary"] < 1e-6
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Correlation with the residual against the coefficient."""
    axes.scatter(found["coefficients"], found["slopes"], s=16, color="#c2410c")
    axes.axhline(ALPHA, color="#64748b", lw=1)
    axes.set(
        xlabel="coefficient",
        ylabel="|correlation with the residual|",
        title="Below alpha a column stays at 0",
    )
