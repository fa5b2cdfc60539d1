"""Why does a forest lower variance and not bias?

The mean of B trees of variance v and correlation c has variance c v + (1 - c) v / B; their mean is the same as one
tree's, so its bias is too (Breiman, 2001).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from bench.answers.trees.tree_overfit import NOISE, rows_of

QUICK, STANDARD = 300, 3_000
CLAIM = "The variance of a forest follows c v + (1 - c) v / B while its squared bias stays within its error."
ANSWER = """Averaging trees takes away what they do not share. Over {draws} training sets of {rows:,} rows one
tree had a variance of {one:.3f}, {many} trees {all:.3f}; from the correlation of {correlation:.2f} between
trees of one forest c v + (1 - c) v / B predicts {foretold:.3f}. Squared bias was {bias_one:.3f} for one tree
and {bias_all:.3f} for all. What is left is the correlation: more trees lower it no further, drawing fewer
columns a split does. Bias falls only with deeper trees or with boosting."""
LINKS = ("scalable/inference/forest/formats/scikit_learn.py",)
DRAWS, TREES = 24, (1, 3, 10, 30)


def measure(rows: int) -> dict[str, Any]:
    """Grow a forest on each of many training sets and look at its parts."""
    points, _ = rows_of(300, 999)
    truth = np.sin(2.0 * points[:, 0]) + points[:, 1] * points[:, 2]
    each = np.empty((DRAWS, max(TREES), len(points)))
    for seed in range(DRAWS):
        x, y = rows_of(rows, seed)
        forest = RandomForestRegressor(max(TREES), max_features=2, random_state=seed, n_jobs=1).fit(x, y)
        each[seed] = [tree.predict(points) for tree in forest.estimators_]
    variance = [float(each[:, :b].mean(axis=1).var(axis=0, ddof=1).mean()) for b in TREES]
    one = float(each.var(axis=0, ddof=1).mean())
    centred = each - each.mean(axis=(0, 1))
    total = centred.sum(axis=1)
    b = max(TREES)
    shared = float(((total**2 - (centred**2).sum(axis=1)) / (b * (b - 1))).mean()) * DRAWS / (DRAWS - 1)
    bias = [
        float(((each[:, :k].mean(axis=(0, 1)) - truth) ** 2).mean()) - variance[j] / DRAWS
        for j, k in enumerate(TREES)
    ]
    return {
        "rows": rows,
        "draws": DRAWS,
        "trees": list(TREES),
        "variance": variance,
        "bias": bias,
        "one": one,
        "many": b,
        "all": variance[-1],
        "correlation": shared / one,
        "foretold": shared + (one - shared) / b,
        "bias_one": bias[0],
        "bias_all": bias[-1],
        "noise": NOISE,
    }


def holds(found: dict[str, Any]) -> bool:
    """Variance as foretold within 15 %, bias unmoved."""
    foretold = (
        abs(found["all"] / found["foretold"] - 1.0) < 0.15 and found["all"] < 0.5 * found["variance"][0]
    )
    return bool(foretold and abs(found["bias_all"] - found["bias_one"]) < 0.1 * found["one"])


def draw(found: dict[str, Any], axes: Any) -> None:
    """Variance and squared bias by trees."""
    axes.semilogx(found["trees"], found["variance"], "o-", color="#c2410c", label="variance")
    axes.semilogx(found["trees"], found["bias"], "o-", color="#64748b", label="squared bias")
    b = np.array(found["trees"])
    shared = found["correlation"] * found["one"]
    axes.semilogx(b, shared + (found["one"] - shared) / b, "k:", lw=1, label="c v + (1 - c) v / B")
    axes.set(xlabel="trees", ylabel="squared error")
    axes.legend(frameon=False)
