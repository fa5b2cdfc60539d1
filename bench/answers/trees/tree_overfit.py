"""Why do single trees overfit?

A leaf is the mean of the rows in it: as leaves shrink its variance goes to that of one target, while the training error
goes to zero (Breiman et al., 1984).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor

QUICK, STANDARD = 4_000, 20_000
CLAIM = "With depth the training error only falls, and the held-out error falls, turns and ends near twice the noise."
ANSWER = """A deep tree's leaves average so few rows that they repeat their noise. On {rows:,} rows with noise of
variance {noise}, the training error fell from {train[0]:.2f} at depth {depths[0]} to {train[7]:.2f} at depth
{depths[7]}, the held-out error from {held[0]:.2f} to {least:.2f} at depth {best} and back up to {held[7]:.2f}. A
tree with one row a leaf answers with one target, noise included: {twice:.2f} times the noise. Twice as many rows
shift the best depth and change nothing of the rest; averaging trees does."""
LINKS = ("scalable/boosting/native/growth/grow.py",)
DEPTHS, NOISE = (1, 2, 4, 6, 8, 10, 14, 30), 1.0


def rows_of(rows: int, seed: int) -> tuple[Any, Any]:
    """Return columns and a smooth target with noise."""
    random = np.random.default_rng(seed)
    x = random.uniform(-2.0, 2.0, size=(rows, 4))
    return x, np.sin(2.0 * x[:, 0]) + x[:, 1] * x[:, 2] + NOISE**0.5 * random.normal(size=rows)


def measure(rows: int) -> dict[str, Any]:
    """Grow one tree at each depth."""
    (x, y), (new, truth) = rows_of(rows, 0), rows_of(20_000, 1)
    train, held = [], []
    for depth in DEPTHS:
        tree = DecisionTreeRegressor(max_depth=depth, random_state=0).fit(x, y)
        train.append(float(((tree.predict(x) - y) ** 2).mean()))
        held.append(float(((tree.predict(new) - truth) ** 2).mean()))
    return {
        "rows": rows,
        "noise": NOISE,
        "depths": list(DEPTHS),
        "train": train,
        "held": held,
        "least": min(held),
        "best": DEPTHS[int(np.argmin(held))],
        "twice": held[-1] / NOISE,
    }


def holds(found: dict[str, Any]) -> bool:
    """Falls in training, turns on held-out rows."""
    falls = (np.diff(found["train"]) <= 0.0).all() and found["train"][-1] < 0.01
    turns = found["best"] not in (DEPTHS[0], DEPTHS[-1]) and found["held"][-1] > 1.2 * found["least"]
    return bool(falls and turns and 1.6 < found["twice"] < 2.6)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Errors by depth."""
    axes.plot(found["depths"], found["train"], "o-", color="#64748b", label="training rows")
    axes.plot(found["depths"], found["held"], "o-", color="#c2410c", label="held-out rows")
    axes.set(xlabel="depth", ylabel="squared error")
    axes.legend(frameon=False)
