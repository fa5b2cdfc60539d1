"""Why do collinear columns make coefficients unstable and predictions not?

The variance of a coefficient is that of the errors times the inverse Gram matrix, whose small eigenvalues lie along the
direction in which the columns hardly differ; predictions barely depend on it (Belsley, Kuh and Welsch, 1980).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.linear import LinearRegression

QUICK, STANDARD = 500, 200_000
CLAIM = (
    "Over fresh draws the spread of a coefficient grows as the root of its inflation factor, that of "
    "predictions stays."
)
ANSWER = """Where two columns are nearly one, only their sum is measured well: over {draws} fresh draws at a
correlation of {correlations[2]} the spread of a coefficient was {growth:.0f} times that of independent columns,
and that of predictions {prediction_growth:.2f} times. The variance inflation factor predicts it: the root of
the factor of {inflation:.0f} is {foretold:.0f}. The condition number of the scaled columns rose from
{conditions[0]:.1f} to {conditions[2]:.0f}. Predictions are safe only where new rows keep the correlation: a row
that breaks it is predicted with an error {broken:.0f} times as large."""
LINKS = ("scalable/linear/least_squares.py", "scalable/linear/solvers/diagnostics.py")
CORRELATIONS, DRAWS = (0.0, 0.9, 0.999), 60


def measure(rows: int) -> dict[str, Any]:
    """Refit on fresh draws at three correlations."""
    spreads, predicted, conditions, broken = [], [], [], []
    for correlation in CORRELATIONS:
        coefs, ordinary, odd = [], [], []
        for seed in range(DRAWS):
            random = np.random.default_rng(seed)
            a, other = random.normal(size=(2, rows))
            x = np.column_stack([a, correlation * a + np.sqrt(1.0 - correlation**2) * other])
            model = LinearRegression().fit(x, x.sum(axis=1) + random.normal(size=rows))
            coefs.append(model.coef_)
            ordinary.append(model.predict([[1.0, correlation]])[0])
            odd.append(model.predict([[1.0, -1.0]])[0])
        spreads.append(float(np.std([c[0] for c in coefs])))
        predicted.append(float(np.std(ordinary)))
        broken.append(float(np.std(odd)))
        conditions.append(float(model.condition_number_))
        inflation = float(model.diagnostics_.inflation[0])
    return {
        "correlations": list(CORRELATIONS),
        "draws": DRAWS,
        "spreads": spreads,
        "predictions": predicted,
        "growth": spreads[2] / spreads[0],
        "prediction_growth": predicted[2] / predicted[0],
        "inflation": inflation,
        "foretold": inflation**0.5,
        "conditions": conditions,
        "broken": broken[2] / predicted[2],
    }


def holds(found: dict[str, Any]) -> bool:
    """Within the sampling error of a spread over so many draws."""
    foretold = abs(found["growth"] / found["foretold"] - 1.0) < 0.5
    return bool(foretold and found["prediction_growth"] < 2.0 and found["broken"] > 5.0)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Spread of coefficient and prediction by correlation."""
    names = [str(c) for c in found["correlations"]]
    axes.semilogy(names, found["spreads"], "o-", color="#c2410c", label="coefficient")
    axes.semilogy(names, found["predictions"], "o-", color="#64748b", label="prediction")
    axes.set(xlabel="correlation of the two columns", ylabel="spread over draws")
    axes.legend(frameon=False)
