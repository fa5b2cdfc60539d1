"""How does one detect collinear columns?

A column that the others explain with R^2 has the inflation factor 1 / (1 - R^2); correlations of pairs do not see what
takes three columns or more (Belsley, Kuh and Welsch, 1980).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.linear import LinearRegression

QUICK, STANDARD = 20_000, 200_000
CLAIM = (
    "Inflation factors name exactly the columns of a planted pair and of a planted sum, and correlations of pairs miss "
    "the sum."
)
ANSWER = """By inflation factors, not by pairs: of {columns} columns {planted} were made dependent, and exactly those
had a factor above {limit:.0f} (the least of them {least:.0f}, the largest of the others {other:.2f}). The sum of four
columns correlates with none of them by more than {pair:.2f}, so a table of pairs finds {by_pairs} of the {planted}.
The condition number is {condition:.0f} here and {without:.1f} once one column of each group is gone: it says that
there is a problem and not where. The smallest eigenvector says where: {weight:.0%} of its weight was on one group. A
factor is the price in variance: the standard errors were sqrt(factor) times those of independent columns, within
{apart:.1%}. It says nothing of whether the column is needed."""
LINKS = ("scalable/linear/solvers/diagnostics.py",)
COLUMNS, LIMIT = 12, 10.0
PAIR, SUM = (0, 1), (2, 3, 4, 5, 6)


def measure(rows: int) -> dict[str, Any]:
    """Plant two dependences and look for them."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, COLUMNS))
    x[:, 1] = x[:, 0] + 0.1 * random.normal(size=rows)
    x[:, 6] = x[:, 2:6].sum(axis=1) + 0.3 * random.normal(size=rows)
    y = x @ np.ones(COLUMNS) + random.normal(size=rows)
    model = LinearRegression().fit(x, y)
    factors = np.ravel(model.diagnostics_.inflation)[:COLUMNS]
    errors = np.ravel(model.diagnostics_.standard_errors)[:COLUMNS]
    alone = model.diagnostics_.residual_deviation / (x.std(axis=0) * np.sqrt(rows))
    correlations: Any = np.corrcoef(x.T)
    off = np.abs(correlations - np.eye(COLUMNS))
    values, vectors = np.linalg.eigh(correlations)
    kept = np.delete(np.arange(COLUMNS), [1, 6])
    planted = sorted((*PAIR, *SUM))
    group = max((PAIR, SUM), key=lambda each: float((vectors[list(each), 0] ** 2).sum()))
    return {
        "columns": COLUMNS,
        "limit": LIMIT,
        "planted": len(planted),
        "named": np.flatnonzero(factors > LIMIT).tolist(),
        "truth": planted,
        "factors": factors.tolist(),
        "least": float(factors[planted].min()),
        "other": float(np.delete(factors, planted).max()),
        "pair": float(off[list(SUM)].max()),
        "by_pairs": int((off.max(axis=1) > 0.9).sum()),
        "condition": float(np.sqrt(values[-1] / values[0])),
        "without": float(np.sqrt(np.linalg.cond(correlations[np.ix_(kept, kept)]))),
        "weight": float((vectors[list(group), 0] ** 2).sum()),
        "apart": float(np.abs(errors / (alone * np.sqrt(factors)) - 1.0).max()),
    }


def holds(found: dict[str, Any]) -> bool:
    """Exactly the planted ones, and pairs miss the sum."""
    named = found["named"] == found["truth"] and found["by_pairs"] == len(PAIR)
    return bool(
        named
        and found["pair"] < 0.9
        and found["condition"] > 5.0 * found["without"]
        and found["apart"] < 0.01
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """The factors."""
    colours = ["#c2410c" if j in found["truth"] else "#64748b" for j in range(found["columns"])]
    axes.bar(range(found["columns"]), found["factors"], color=colours)
    axes.axhline(found["limit"], color="k", ls=":", lw=1)
    axes.set(xlabel="column (dark: planted)", ylabel="inflation factor", yscale="log")
