"""When does a maximum a posteriori differ from maximum likelihood in practice?

The prior is as good as so many rows seen before: it decides while rows are few and is drowned as they come
(Bishop, 2006, section 3.3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.linear import LinearRegression, Ridge

QUICK, STANDARD = 3_000, 20_000
CLAIM = "With few rows the mode of the posterior is nearer to the truth; the difference of both falls as one over rows."
ANSWER = """They differ while rows are few: with {few} rows for {columns} coefficients the error of the
maximum likelihood was {mle_first:.2f}, of the maximum a posteriori {map_first:.2f}; with {rows:,} rows
{mle_last:.4f} and {map_last:.4f}. Their distance fell as rows to the power of {power:.2f}, their error only
to the power of {error_power:.2f}, so the prior soon matters less than chance does. A prior {wrong_by} times
too narrow had an error of {wrong_first:.2f} with {few} rows and, doing harm, of {wrong_middle:.2f} with
{middle}, against {mle_middle:.2f} without any. The mode is ridge with a penalty of noise over prior variance.
It is one point: how unsure it is needs the whole posterior."""
LINKS = ("scalable/linear/least_squares.py",)
COLUMNS, NOISE, PRIOR, DRAWS, WRONG = 20, 2.0, 0.5, 40, 10


def measure(rows: int) -> dict[str, Any]:
    """Sweep rows, with coefficients drawn from the prior."""
    sizes = [25, 50, 100, 300, 1_000, rows]
    error, apart = np.zeros((3, len(sizes))), np.zeros(len(sizes))
    random = np.random.default_rng(0)
    for k, n in enumerate(sizes):
        draws = DRAWS if n < 10_000 else 4
        for _ in range(draws):
            truth = PRIOR * random.normal(size=COLUMNS)
            x = random.normal(size=(n, COLUMNS))
            y = x @ truth + NOISE * random.normal(size=n)
            fits = [
                _fit(x, y, 0.0),
                _fit(x, y, (NOISE / PRIOR) ** 2),
                _fit(x, y, (NOISE * WRONG / PRIOR) ** 2),
            ]
            for j, fit in enumerate(fits):
                error[j, k] += float(((fit - truth) ** 2).sum()) / draws
            apart[k] += float(((fits[0] - fits[1]) ** 2).sum()) / draws
    error, apart = np.sqrt(error), np.sqrt(apart)
    return {
        "rows": rows,
        "columns": COLUMNS,
        "sizes": sizes,
        "error": error.tolist(),
        "apart": apart.tolist(),
        "few": sizes[0],
        "middle": sizes[2],
        "mle_first": error[0, 0],
        "mle_middle": error[0, 2],
        "mle_last": error[0, -1],
        "map_first": error[1, 0],
        "map_last": error[1, -1],
        "wrong_by": WRONG,
        "wrong_first": error[2, 0],
        "wrong_middle": error[2, 2],
        "power": float(np.polyfit(np.log(sizes[2:]), np.log(apart[2:]), 1)[0]),
        "error_power": float(np.polyfit(np.log(sizes[2:]), np.log(error[0, 2:]), 1)[0]),
    }


def _fit(x: Any, y: Any, penalty: float) -> Any:
    if penalty == 0.0:
        return np.ravel(LinearRegression(fit_intercept=False).fit(x, y).coef_)
    return np.ravel(Ridge(alpha=penalty, fit_intercept=False, standardize=False).fit(x, y).coef_)


def holds(found: dict[str, Any]) -> bool:
    """Nearer with few rows, and drowned with many."""
    few = found["map_first"] < 0.7 * found["mle_first"] and found["map_last"] <= 1.02 * found["mle_last"]
    powers = -1.3 < found["power"] < -0.75 and -0.6 < found["error_power"] < -0.4
    return bool(few and powers and found["wrong_middle"] > found["mle_middle"])


def draw(found: dict[str, Any], axes: Any) -> None:
    """Errors and distance by rows."""
    names = ["maximum likelihood", "maximum a posteriori", "with a prior far too narrow"]
    for error, name, colour in zip(found["error"], names, ("#64748b", "#c2410c", "#7c3aed"), strict=True):
        axes.loglog(found["sizes"], error, "o-", color=colour, label=name)
    axes.loglog(found["sizes"], found["apart"], "k:", lw=1, label="distance of the first two")
    axes.set(xlabel="rows", ylabel="error of the coefficients")
    axes.legend(frameon=False, fontsize=7)
