"""The models and rows that inference is measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MAIN = (500, 63, 28)
GRID = tuple((t, leaves, f) for f in (20, 100) for leaves in (31, 63, 255) for t in (100, 500, 1000))


def rows_of(features: int, count: int, seed: int) -> np.ndarray:
    """Return standard normal rows."""
    return np.random.default_rng(seed).standard_normal((count, features))


def model_text(shape: tuple[int, int, int], cache: Path) -> str:
    """Return the text of a binary model of (trees, leaves, features): the first trees of one trained once."""
    import lightgbm

    trees, leaves, features = shape
    path = cache / f"{trees}_{leaves}_{features}.txt"
    if not path.exists():
        sizes = {t for t, *rest in (MAIN, *GRID) if rest == [leaves, features]} | {trees}
        cache.mkdir(parents=True, exist_ok=True)
        X = rows_of(features, 20_000, features)
        z = (
            X[:, 0]
            + np.sin(2 * X[:, 0] * X[:, 1])
            + X[:, 2] * X[:, 3]
            - 0.5 * X[:, 4] ** 2
            + X[:, 5:].mean(1)
        )
        y = np.random.default_rng(0).random(len(X)) < 1 / (1 + np.exp(-z))
        params = {"objective": "binary", "num_leaves": leaves, "learning_rate": 0.05, "min_data_in_leaf": 5,
                  "feature_fraction": 0.5, "verbose": -1, "num_threads": 1}  # fmt: skip
        booster = lightgbm.train(params, lightgbm.Dataset(X, y.astype(float)), max(sizes))
        for size in sizes:
            booster.save_model(cache / f"{size}_{leaves}_{features}.txt", num_iteration=size)
    return path.read_text()
