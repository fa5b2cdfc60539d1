"""Why does EM end in local optima?

The likelihood of a mixture has many peaks, also poor ones, and EM climbs the one it starts on (Jin et al., 2016).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from scalable.mixture import GaussianMixture

QUICK, STANDARD = 600, 20_000
CLAIM = "Fifty starts end at several different likelihoods, and fewer than all at the best."
ANSWER = """EM climbs from where it stands, and there are several hills. Of {starts} random starts on {rows:,} rows
of {k} groups, {distinct} different ends were reached; {share:.0%} of the starts came within {near} of the best
mean log likelihood, {best:.3f}, and the worst ended {gap:.3f} below. In a poor end one component covers two groups
and two share one. Starting from k-means++ on a sample reached the best in {plus:.0%} of {plus_starts} seeds.
Several starts, the best kept, are the usual cure (`n_init`); nothing proves that the best found is the best there
is."""
LINKS = ("scalable/mixture/gaussian.py", "scalable/mixture/start.py")
K, STARTS, PLUS, NEAR = 6, 50, 10, 0.01


def measure(rows: int) -> dict[str, Any]:
    """Start EM at many random places."""
    random = np.random.default_rng(0)
    centers = np.array([[0, 0], [4, 0], [0, 4], [12, 12], [16, 12], [12, 16]], float)
    x = centers[random.integers(0, K, rows)] + random.normal(size=(rows, 2))
    ends, plus = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(STARTS):
            drawn = np.random.default_rng(seed).choice(x, K, replace=False)
            options = {
                "means_init": drawn,
                "weights_init": np.full(K, 1 / K),
                "precisions_init": np.ones((K, 2)),
            }
            model = GaussianMixture(
                K, covariance_type="diag", tol=1e-5, max_iter=80, random_state=0, **options
            )
            ends.append(model.fit(x).lower_bound_)
        for seed in range(PLUS):
            model = GaussianMixture(K, covariance_type="diag", tol=1e-5, max_iter=80, random_state=seed).fit(
                x
            )
            plus.append(model.lower_bound_)
    best = max(*ends, *plus)
    return {
        "rows": rows,
        "k": K,
        "starts": STARTS,
        "ends": ends,
        "distinct": len(np.unique(np.round(ends, 2))),
        "share": float(np.mean(np.array(ends) > best - NEAR)),
        "near": NEAR,
        "best": best,
        "gap": best - min(ends),
        "plus": float(np.mean(np.array(plus) > best - NEAR)),
        "plus_starts": PLUS,
    }


def holds(found: dict[str, Any]) -> bool:
    """Several ends, not all of them good."""
    return bool(found["distinct"] >= 3 and found["share"] < 0.9 and found["gap"] > 5 * NEAR)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Where the starts ended."""
    axes.hist(found["ends"], 25, color="#c2410c")
    axes.set(xlabel="mean log likelihood at the end", ylabel="starts")
