"""What does each assumption of least squares buy, and what breaks without it?

Unbiased coefficients need a mean that is linear; honest standard errors need independent errors of one variance
(Gauss-Markov); normality is only needed in small samples (White, 1980).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.linear import LinearRegression

QUICK, STANDARD = 400, 20_000
CLAIM = (
    "Intervals cover as stated when all holds and with heavy tails; unequal and correlated errors break them, "
    "not the coefficients."
)
ANSWER = """Linearity buys unbiased coefficients, equal and independent errors buy honest intervals, normal errors
buy little. Of {draws} intervals of 95 % each, {cover_none:.1%} covered the truth when all assumptions held and
{cover_heavy:.1%} under heavy-tailed errors. With errors that grow with the column {cover_unequal:.1%} did, and
with errors that copies of a row share {cover_correlated:.1%}; the mean coefficient was still within
{bias_errors:.3f} of the truth. Where the truth bends, the coefficient is that of the best straight line and the
residuals keep {bent:.0%} of what could be explained. No single number of a fit tells which of these holds: look at
residuals."""
LINKS = ("scalable/linear/least_squares.py", "scalable/linear/solvers/diagnostics.py")
DRAWS, COPIES = 200, 5


def measure(rows: int) -> dict[str, Any]:
    """Count how often the interval of a slope covers it."""
    cover, mean = {}, {}
    for case in ("none", "heavy", "unequal", "correlated"):
        inside, slopes = 0, []
        for seed in range(DRAWS):
            random = np.random.default_rng(seed)
            x = random.normal(size=rows)
            noise = random.normal(size=rows)
            if case == "heavy":
                noise = random.standard_t(3, size=rows)
            if case == "unequal":
                noise = noise * np.abs(x) ** 1.5
            if case == "correlated":
                x, noise = (np.repeat(values[: rows // COPIES], COPIES) for values in (x, noise))
            model = LinearRegression().fit(x[:, None], x + noise)
            inside += abs(model.coef_[0] - 1.0) < 1.96 * model.diagnostics_.standard_errors[0]
            slopes.append(float(model.coef_[0]))
        cover[case], mean[case] = inside / DRAWS, float(np.mean(slopes))
    random = np.random.default_rng(0)
    x = random.normal(size=rows)
    truth = x + x**2
    left = truth - LinearRegression().fit(x[:, None], truth).predict(x[:, None])
    return {
        "draws": DRAWS,
        **{f"cover_{case}": value for case, value in cover.items()},
        "bias_errors": max(abs(mean[case] - 1.0) for case in ("unequal", "correlated")),
        "bent": float(left.var() / truth.var()),
    }


def holds(found: dict[str, Any]) -> bool:
    """Coverage as stated within binomial error, or clearly not."""
    honest = min(found["cover_none"], found["cover_heavy"]) > 0.91
    broken = max(found["cover_unequal"], found["cover_correlated"]) < 0.88
    return bool(honest and broken and found["bias_errors"] < 0.03)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Coverage by what is violated."""
    names = ["none", "heavy", "unequal", "correlated"]
    axes.bar(names, [found[f"cover_{name}"] for name in names], color="#c2410c")
    axes.axhline(0.95, color="#64748b", lw=1)
    axes.set(ylabel="coverage of 95 % intervals", xlabel="what is violated", ylim=(0, 1))
