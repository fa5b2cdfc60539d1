"""Why does averaging over a posterior overfit less than choosing one model?

A point is one guess among those the rows allow; the average counts all of them, and the evidence charges a model for
what it could have fitted (MacKay, 1992).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.bayes import BayesianRidge
from scalable.linear import LinearRegression

QUICK, STANDARD = 24, 24
CLAIM = (
    "On few rows the posterior's densities of held-out rows beat those of least squares and more columns hardly "
    "harm it; the evidence, from training rows alone, prefers nearly the best number of columns."
)
ANSWER = """It keeps all models that the rows allow: with {most} waves as columns and {rows} rows the log
density of a held-out row was {bayes_last:.2f} under the posterior and {point_last:.1f} at the least-squares
coefficients with the noise that their residuals show; with {fewest} waves {bayes_first:.2f} and
{point_first:.2f}. From its best number of waves to {most} the posterior lost {bayes_lost:.2f}, the point
{point_lost:.1f}. The evidence of the training rows alone was largest at {chosen} waves, where held-out
density is within {behind:.2f} of its best, at {best}. Its 90% intervals held {cover:.0%} of held-out rows at
{most} waves, the point's {point_cover:.0%}. A posterior is only as good as its prior and its noise: with a
wrong shape of either it is sure of wrong things too."""
LINKS = ("scalable/bayes/linear_posterior.py",)
WAVES, DRAWS, NOISE = (2, 4, 6, 8, 10, 12), 40, 0.3


def measure(rows: int) -> dict[str, Any]:
    """Fit more and more waves to few rows, by both ways."""
    bayes, point, evidence = (np.zeros((DRAWS, len(WAVES))) for _ in range(3))
    cover = np.zeros(2)
    for k in range(DRAWS):
        random = np.random.default_rng(k)
        t = random.uniform(-1.0, 1.0, rows + 300)
        y = np.sin(4.0 * t) + 0.5 * np.cos(7.0 * t) + NOISE * random.normal(size=len(t))
        for j, count in enumerate(WAVES):
            x = _waves(t, count)
            model = BayesianRidge(tol=1e-6).fit(x[:rows], y[:rows])
            mean, deviation = model.predict(x[rows:], return_std=True)
            bayes[k, j] = _density(y[rows:], mean, deviation).mean()
            evidence[k, j] = float(model.scores_[-1])
            ordinary = LinearRegression().fit(x[:rows], y[:rows])
            rest = ((ordinary.predict(x[:rows]) - y[:rows]) ** 2).sum()
            noise = float(np.sqrt(rest / (rows - count - 1)))
            guess = ordinary.predict(x[rows:])
            point[k, j] = _density(y[rows:], guess, noise).mean()
        cover += [
            (np.abs(y[rows:] - mean) < 1.645 * deviation).mean() / DRAWS,
            (np.abs(y[rows:] - guess) < 1.645 * noise).mean() / DRAWS,
        ]
    by_bayes, by_point = np.median(bayes, axis=0), np.median(point, axis=0)
    chosen = int(np.median(evidence, axis=0).argmax())
    return {
        "rows": rows,
        "waves": list(WAVES),
        "fewest": WAVES[0],
        "most": WAVES[-1],
        "bayes": by_bayes.tolist(),
        "point": by_point.tolist(),
        "evidence": np.median(evidence, axis=0).tolist(),
        "bayes_first": float(by_bayes[0]),
        "point_first": float(by_point[0]),
        "bayes_last": float(by_bayes[-1]),
        "point_last": float(by_point[-1]),
        "bayes_lost": float(by_bayes.max() - by_bayes[-1]),
        "point_lost": float(by_point.max() - by_point[-1]),
        "chosen": WAVES[chosen],
        "best": WAVES[int(by_bayes.argmax())],
        "behind": float(by_bayes.max() - by_bayes[chosen]),
        "cover": float(cover[0]),
        "point_cover": float(cover[1]),
    }


def _waves(t: Any, count: int) -> Any:
    k = np.arange(1, count // 2 + 1)
    return np.column_stack([np.sin(np.outer(t, 2.0 * k)), np.cos(np.outer(t, 2.0 * k))])


def _density(y: Any, mean: Any, deviation: Any) -> Any:
    return -0.5 * ((y - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * np.log(2.0 * np.pi)


def holds(found: dict[str, Any]) -> bool:
    """The posterior loses little, the point much, and the evidence chooses well."""
    less = found["bayes_last"] > found["point_last"] + 1.0 and found["point_lost"] > 5.0 * found["bayes_lost"]
    return bool(less and found["behind"] < 0.2 and found["cover"] > found["point_cover"] + 0.1)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Held-out log density by columns."""
    axes.plot(found["waves"], found["bayes"], "o-", color="#c2410c", label="posterior")
    axes.plot(
        found["waves"],
        np.maximum(found["point"], -12.0),
        "o-",
        color="#64748b",
        label="least squares (cut at -12)",
    )
    axes.axvline(found["chosen"], color="k", ls=":", lw=1, label="largest evidence")
    axes.set(xlabel="waves", ylabel="held-out log density")
    axes.legend(frameon=False)
