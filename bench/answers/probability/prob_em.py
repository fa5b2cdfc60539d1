"""What do the steps of expectation and maximisation do?

The expectation step fixes the probability that each row is of each component, the maximisation step fits each to its
weighted rows; neither can lower the likelihood (Dempster, Laird and Rubin, 1977).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from scalable.mixture import GaussianMixture

QUICK, STANDARD = 10_000, 2_000_000
CLAIM = "The likelihood never falls from step to step, and the end is near the mixture that made the rows."
ANSWER = """Every step raises the likelihood or leaves it: over {steps} steps on {rows:,} rows the smallest gain
was {least:.1e} per row. The first step gained {first:.4f}, the tenth {tenth:.1e}: EM is quick at first and slow at
the end, where each gain was {ratio:.2f} of the one before. The means ended within {means:.3f} of those that made
the rows, the shares within {shares:.3f}. That is one start on components far apart; other starts may end
elsewhere."""
LINKS = ("scalable/mixture/em.py", "scalable/kernels/mixture/expect.py")


def measure(rows: int) -> dict[str, Any]:
    """Run EM from a poor start on rows of a known mixture."""
    random = np.random.default_rng(0)
    means, weights = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]), np.array([0.5, 0.3, 0.2])
    x = means[random.choice(3, rows, p=weights)] + random.normal(size=(rows, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GaussianMixture(
            3,
            tol=0.0,
            max_iter=60,
            means_init=means + [[0.5, 1.0]] * 3,
            weights_init=np.full(3, 1 / 3),
            random_state=0,
        ).fit(x)
    gains = np.diff(model.history_)
    order = [int(((model.means_ - mean) ** 2).sum(axis=1).argmin()) for mean in means]
    return {
        "rows": rows,
        "steps": len(gains),
        "history": model.history_,
        "least": float(gains.min()),
        "first": float(gains[0]),
        "tenth": float(gains[9]),
        "ratio": float(np.median(gains[11:20] / gains[10:19])),
        "means": float(np.abs(model.means_[order] - means).max()),
        "shares": float(np.abs(model.weights_[order] - weights).max()),
    }


def holds(found: dict[str, Any]) -> bool:
    """No fall beyond rounding, and the truth within sampling error."""
    return bool(
        found["least"] > -1e-12
        and found["means"] < 0.15
        and found["shares"] < 0.03
        and found["tenth"] < found["first"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Likelihood by step."""
    axes.plot(found["history"], color="#c2410c")
    axes.set(xlabel="step", ylabel="mean log likelihood of a row")
