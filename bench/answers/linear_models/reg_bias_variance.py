"""How does error divide into bias, variance and noise?

The expected squared error at a point is the squared distance of the mean prediction from the truth, the variance of the
prediction over training sets, and the variance of the target (Geman, Bienenstock and Doursat, 1992).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.linear import Ridge

QUICK, STANDARD = 100, 300
CLAIM = "The three parts sum to the measured error; as the penalty grows variance falls and bias rises."
ANSWER = """Expected squared error is squared bias plus variance plus noise: over {draws} training sets the parts
sum to {total:.4f} where {error:.4f} was measured on fresh rows. As the penalty rises from {penalties[0]:g} to
{penalties[4]:g} of the weight of the data, variance falls from {variance[0]:.4f} to {variance[4]:.4f} and squared
bias rises from {bias[0]:.4f} to {bias[4]:.4f}. The least error, {least:.4f}, was at {best:g}, {where}.
Noise of {noise:.2f} no model removes. How large the parts are depends on rows and columns: with more rows variance
falls, and the best penalty with it."""
LINKS = ("scalable/linear/least_squares.py",)
PENALTIES, DRAWS, COLUMNS, NOISE = (1e-4, 0.03, 0.1, 0.3, 3.0), 80, 30, 1.0


def measure(rows: int) -> dict[str, Any]:
    """Refit ridge at five penalties on fresh draws and look at one set of points."""
    random = np.random.default_rng(0)
    truth = random.normal(size=COLUMNS) / np.sqrt(COLUMNS)
    points = random.normal(size=(500, COLUMNS))
    mean = points @ truth
    found: dict[str, Any] = {"penalties": list(PENALTIES), "draws": DRAWS, "noise": NOISE**2}
    bias, variance, errors = [], [], []
    for penalty in PENALTIES:
        predictions = np.empty((DRAWS, len(points)))
        for seed in range(DRAWS):
            random = np.random.default_rng(seed + 1)
            x = random.normal(size=(rows, COLUMNS))
            y = x @ truth + NOISE * random.normal(size=rows)
            predictions[seed] = Ridge(alpha=penalty * rows).fit(x, y).predict(points)
        bias.append(float(((predictions.mean(axis=0) - mean) ** 2).mean()))
        variance.append(float(predictions.var(axis=0).mean()))
        fresh = mean + NOISE * np.random.default_rng(99).normal(size=predictions.shape)
        errors.append(float(((predictions - fresh) ** 2).mean()))
    middle = 2
    return {
        **found,
        "bias": bias,
        "variance": variance,
        "errors": errors,
        "total": bias[middle] + variance[middle] + NOISE**2,
        "error": errors[middle],
        "least": min(errors),
        "best": PENALTIES[int(np.argmin(errors))],
        "where": "between the ends" if 0 < np.argmin(errors) < len(errors) - 1 else "at an end",
    }


def holds(found: dict[str, Any]) -> bool:
    """The sum within 2 %, both parts monotone."""
    sums = all(
        abs(b + v + found["noise"] - e) < 0.03 * e
        for b, v, e in zip(found["bias"], found["variance"], found["errors"], strict=True)
    )
    return bool(sums and (np.diff(found["variance"]) < 0.0).all() and (np.diff(found["bias"]) > -1e-4).all())


def draw(found: dict[str, Any], axes: Any) -> None:
    """Bias, variance and their sum by penalty."""
    axes.semilogx(found["penalties"], found["bias"], "o-", color="#64748b", label="squared bias")
    axes.semilogx(found["penalties"], found["variance"], "o-", color="#c2410c", label="variance")
    reducible = np.array(found["errors"]) - found["noise"]
    axes.semilogx(found["penalties"], reducible, "k--", lw=1, label="error less noise")
    axes.set(xlabel="penalty / rows", ylabel="squared error")
    axes.legend(frameon=False)
