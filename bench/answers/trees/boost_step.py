"""What is one step of gradient boosting, written out?

A leaf's value is minus the sum of gradients over the sum of Hessians plus the penalty; a split's gain is what these
values lower the second-order expansion of the loss by (Friedman, 2001; Chen and Guestrin, 2016).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

QUICK, STANDARD = 2_000, 200_000
CLAIM = "The root split, its gain and both leaf values written out by hand are those of LightGBM."
ANSWER = """With scores at the base rate each row has gradient p - y and Hessian p(1 - p). The best split of all
{tried:,} tried by hand was column {column} at {threshold:.4f}; LightGBM's tree of two leaves split column
{their_column} at {their_threshold:.4f}, with {between} rows between the two. Its gain, G^2/(H + lambda) of both
sides less that of the whole, was {gain:.4f} by hand and {their_gain:.4f} there. The leaf values -G/(H + lambda)
times the rate agreed within {apart:.0e}. The exact loss fell by {fell:.5f} a row where the expansion predicts
{foretold:.5f}: the step is of second order, not exact."""
LINKS = ("scalable/boosting/native/growth/grow.py", "scalable/kernels/histogram/gain.py")
LAMBDA, RATE = 1.0, 0.1


def measure(rows: int) -> dict[str, Any]:
    """Search the best split by hand and by LightGBM."""
    random = np.random.default_rng(0)
    x = np.round(random.normal(size=(rows, 3)), 1)  # few values, so that bins are exact
    y = (x[:, 1] + random.normal(size=rows) > 0.5).astype(np.float64)
    p = y.mean()
    g, h = p - y, np.full(rows, p * (1.0 - p))

    def part(rows_in: Any) -> float:
        return float(g[rows_in].sum() ** 2 / (h[rows_in].sum() + LAMBDA))

    every = np.ones(rows, bool)
    tried = [
        (part(x[:, j] <= t) + part(x[:, j] > t) - part(every), j, t)
        for j in range(3)
        for t in np.unique(x[:, j])[:-1]
    ]
    gain, column, at = max(tried)
    left = x[:, column] <= at
    values = [-RATE * float(g[side].sum() / (h[side].sum() + LAMBDA)) for side in (left, ~left)]
    params = {"objective": "binary", "num_leaves": 2, "learning_rate": RATE, "lambda_l2": LAMBDA, "verbosity": -1,
              "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0.0, "num_threads": 1}  # fmt: skip
    booster = lightgbm.train(params, lightgbm.Dataset(x, y), 1)
    tree = booster.dump_model()["tree_info"][0]["tree_structure"]
    score = float(np.log(p / (1.0 - p)))
    theirs = [tree["left_child"]["leaf_value"] - score, tree["right_child"]["leaf_value"] - score]
    step = np.where(left, *values)
    return {
        "tried": len(tried),
        "column": column,
        "threshold": float(at),
        "their_column": int(tree["split_feature"]),
        "their_threshold": float(tree["threshold"]),
        "between": int((left != (x[:, column] <= tree["threshold"])).sum()),
        "gain": float(gain),
        "their_gain": float(tree["split_gain"]),
        "apart": float(np.abs(np.array(values) - theirs).max()),
        "fell": _loss(y, score) - _loss(y, score + step),
        "foretold": float(-(g * step + 0.5 * h * step**2).mean()),
        "gains": [[float(t), float(v)] for v, j, t in tried if j == column],
    }


def _loss(y: Any, z: Any) -> float:
    return float((np.logaddexp(0.0, z) - y * z).mean())


def holds(found: dict[str, Any]) -> bool:
    """Same split, gain and leaves."""
    split = found["column"] == found["their_column"] and found["between"] == 0
    gains = abs(found["gain"] / found["their_gain"] - 1.0) < 1e-4
    return bool(
        split and gains and found["apart"] < 1e-6 and abs(found["fell"] / found["foretold"] - 1.0) < 0.1
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Gain by threshold."""
    points = np.array(found["gains"])
    axes.plot(points[:, 0], points[:, 1], color="#c2410c")
    axes.axvline(found["their_threshold"], color="#64748b", lw=1)
    axes.set(xlabel="threshold of the chosen column", ylabel="gain")
