"""How does one derive EM, step by step?

For any probabilities r of the hidden labels the log likelihood is at least sum r log(joint / r), with equality at the
posterior: EM climbs this bound in turns (Neal and Hinton, 1998).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from scalable.mixture import GaussianMixture

QUICK, STANDARD = 500, 50_000
CLAIM = "The bound holds, touches at the posterior, rises in the maximisation, and one step is that of the estimator."
ANSWER = """Bound the log likelihood from below and raise the bound: for random probabilities of the labels the
bound was {below:.3f} a row below it, for the posterior equal to it within {touch:.0e}. Maximising it by
weighted means, variances and shares raised it by {raised:.4f}, more than any of {tried} changes tried around
them, and the likelihood by {gained:.4f}, which is at least as much, as the bound demands. `GaussianMixture`
makes the same step: its means differ by {apart:.0e}. Nothing here says that the top reached is the highest."""
LINKS = ("scalable/mixture/em.py",)
TRIED = 200


def measure(rows: int) -> dict[str, Any]:
    """Check each step for two normal laws in one dimension."""
    random = np.random.default_rng(0)
    x = np.where(random.random(rows) < 0.4, random.normal(-1.0, 1.0, rows), random.normal(2.0, 0.7, rows))
    start = (np.array([0.5, 0.5]), np.array([-0.5, 1.0]), np.array([1.0, 1.0]))

    def log_joint(w: Any, m: Any, v: Any) -> Any:
        return np.log(w) - 0.5 * np.log(2.0 * np.pi * v) - 0.5 * (x[:, None] - m) ** 2 / v

    def likelihood(*theta: Any) -> float:
        return float(np.logaddexp(*log_joint(*theta).T).mean())

    def bound(r: Any, *theta: Any) -> float:
        return float((r * (log_joint(*theta) - np.log(np.maximum(r, 1e-300)))).sum(axis=1).mean())

    joint = log_joint(*start)
    posterior = np.exp(joint - np.logaddexp(*joint.T)[:, None])
    some = random.random((rows, 1))
    counts = posterior.sum(axis=0)
    means = posterior.T @ x / counts
    theta = (counts / rows, means, (posterior * (x[:, None] - means) ** 2).sum(axis=0) / counts)
    around = []
    for _ in range(TRIED):
        w, m, v = (part * np.exp(0.05 * random.normal(size=2)) for part in theta)
        around.append(bound(posterior, w / w.sum(), m, v))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # one step was asked for
        model = GaussianMixture(
            2, covariance_type="diag", max_iter=1, reg_covar=0.0, random_state=0, weights_init=start[0],
            means_init=start[1][:, None], precisions_init=1.0 / start[2][:, None],
        ).fit(x[:, None])  # fmt: skip
    return {
        "below": likelihood(*start) - bound(np.hstack([some, 1.0 - some]), *start),
        "touch": abs(likelihood(*start) - bound(posterior, *start)),
        "raised": bound(posterior, *theta) - bound(posterior, *start),
        "gained": likelihood(*theta) - likelihood(*start),
        "tried": TRIED,
        "better": sum(value > bound(posterior, *theta) for value in around),
        "apart": float(np.abs(model.means_.ravel() - means).max()),
        "around": sorted(value - bound(posterior, *theta) for value in around),
    }


def holds(found: dict[str, Any]) -> bool:
    """All steps to rounding."""
    steps = found["below"] > 0.0 and found["touch"] < 1e-12 and found["better"] == 0
    return bool(steps and found["gained"] >= found["raised"] > 0.0 and found["apart"] < 1e-10)


def draw(found: dict[str, Any], axes: Any) -> None:
    """The bound at the points tried."""
    axes.plot(found["around"], color="#c2410c")
    axes.axhline(0.0, color="#64748b", lw=1)
    axes.set(xlabel="changes tried", ylabel="bound, less that of the step")
