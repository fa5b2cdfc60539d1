"""Why is least squares the maximum of a Gaussian likelihood?

With independent normal errors of one variance the log likelihood is -n/2 log(2 pi s^2) - RSS / (2 s^2): whatever s is,
it is largest where the sum of squares is least (Gauss, 1809).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from scalable.linear import LinearRegression

QUICK, STANDARD = 20_000, 2_000_000
CLAIM = "A maximiser of the Gaussian likelihood that knows nothing of squares ends at the least-squares coefficients."
ANSWER = """A maximiser of the normal likelihood, started at zero, ended within {apart:.1e} of the least-squares
coefficients. Its standard deviation is the root mean square of the residuals: {sigma:.5f} against {rms:.5f}.
Under errors of Laplace's law the same data has another maximum, the least absolute deviations: fitted to such
errors over {repeats} draws, least squares had {efficiency:.2f} times the squared error of the estimator that
fits them. The equality is of the maximum alone: intervals drawn from it still need the law of the errors to be
right."""
LINKS = ("scalable/linear/least_squares.py", "scalable/linear/sgd.py")
REPEATS = 40


def measure(rows: int) -> dict[str, Any]:
    """Maximise the likelihood by L-BFGS beside the exact solver; then errors of another law."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 4))
    truth = np.array([1.0, -2.0, 0.5, 0.0])
    y = x @ truth + 1.5 * random.normal(size=rows)
    gram, cross, square = x.T @ x / rows, x.T @ y / rows, float(y @ y) / rows

    def minus_likelihood(theta: np.ndarray) -> tuple[float, np.ndarray]:
        coef, log_s = theta[:-1], theta[-1]
        rss = square - 2.0 * cross @ coef + coef @ gram @ coef
        shrink = np.exp(-2.0 * log_s)
        slope = np.append((gram @ coef - cross) * shrink, 1.0 - rss * shrink)
        return float(log_s + 0.5 * rss * shrink), slope

    best = minimize(
        minus_likelihood, np.zeros(5), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10}
    )
    model = LinearRegression(fit_intercept=False).fit(x, y)
    least, most = _errors(min(rows, 2_000))
    return {
        "apart": float(np.abs(best.x[:-1] - model.coef_).max()),
        "sigma": float(np.exp(best.x[-1])),
        "rms": float(np.sqrt(np.mean((y - model.predict(x)) ** 2))),
        "repeats": REPEATS,
        "least_squares": least,
        "least_deviations": most,
        "efficiency": float(np.mean(least) / np.mean(most)),
    }


def _errors(rows: int) -> tuple[list[float], list[float]]:
    """Return squared errors of the slope by least squares and by least deviations, under Laplace's law."""
    squares, deviations = [], []
    for seed in range(REPEATS):
        random = np.random.default_rng(seed)
        x = random.normal(size=rows)
        y = x + random.laplace(size=rows)
        squares.append(float((x @ y / (x @ x) - 1.0) ** 2))
        ratio, weight = y / x, np.abs(x)  # the weighted median of y / x minimises the sum of |y - b x|
        order = np.argsort(ratio)
        middle = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2.0)
        deviations.append(float((ratio[order][middle] - 1.0) ** 2))
    return squares, deviations


def holds(found: dict[str, Any]) -> bool:
    """One maximum, one spread; and least squares loses where its law does not hold."""
    return bool(
        found["apart"] < 1e-5
        and abs(found["sigma"] / found["rms"] - 1.0) < 1e-5
        and found["efficiency"] > 1.1
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Squared errors of the slope under Laplace errors, draw by draw."""
    axes.loglog(found["least_squares"], found["least_deviations"], "o", color="#c2410c", ms=4)
    ends = [min(found["least_squares"]), max(found["least_squares"])]
    axes.plot(ends, ends, color="#64748b", lw=1)
    axes.set(
        xlabel="squared error, least squares", ylabel="least deviations", title="Errors of Laplace's law"
    )
