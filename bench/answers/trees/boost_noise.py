"""Why does boosting overfit noisy labels?

Each round fits what the rounds before got wrong, and in the end that is the noise; a forest's trees never see each
other's errors (Dietterich, 2000).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
from sklearn.ensemble import RandomForestClassifier

QUICK, STANDARD = 3_000, 3_000
CLAIM = (
    "Under label noise boosting's held-out loss turns upwards with rounds and a forest's does not with trees; "
    "without noise neither does as much."
)
ANSWER = """Boosting spends its late rounds on rows whose labels are wrong. With {noise:.0%} of {rows:,} labels
flipped its held-out log loss fell to {least:.3f} at round {best} and rose to {last:.3f} at round {rounds}; with
none flipped it rose by {clean_rise:.3f} at most. A forest on the same flipped labels went from {forest_first:.3f}
at {forest_few} trees to {forest_last:.3f} at {forest_many}. Early stopping on held-out rows ends boosting at its
least loss, which is below the forest's best by {gain:.3f} here. How soon it turns depends on rows, learning rate
and leaves."""
LINKS = ("scalable/boosting/training/loop.py", "scalable/boosting/training/evaluation.py")
NOISE, ROUNDS, FOREST = 0.2, 400, (20, 100, 300)


def measure(rows: int) -> dict[str, Any]:
    """Boost and grow a forest on clean and on flipped labels; the held-out labels have the same noise."""
    curves = {}
    for share in (0.0, NOISE):
        (x, y), (new, truth) = _rows(rows, 0, share), _rows(10_000, 1, share)
        booster = lightgbm.train(
            {"objective": "binary", "num_leaves": 15, "verbosity": -1, "num_threads": 1, "seed": 0},
            lightgbm.Dataset(x, y),
            ROUNDS,
        )
        at = [1, 5, 10, 20, 40, 80, 160, ROUNDS]
        curves[share] = [_loss(truth, booster.predict(new, num_iteration=k)) for k in at]
    forest = RandomForestClassifier(max(FOREST), min_samples_leaf=5, random_state=0, n_jobs=1).fit(x, y)
    votes = np.array([tree.predict_proba(new)[:, 1] for tree in forest.estimators_])
    grown = [_loss(truth, votes[:k].mean(axis=0)) for k in FOREST]
    noisy = curves[NOISE]
    return {
        "rows": rows,
        "noise": NOISE,
        "rounds": ROUNDS,
        "at": at,
        "noisy": noisy,
        "clean": curves[0.0],
        "least": min(noisy),
        "best": at[int(np.argmin(noisy))],
        "last": noisy[-1],
        "rise": noisy[-1] - min(noisy),
        "clean_rise": curves[0.0][-1] - min(curves[0.0]),
        "forest": grown,
        "forest_few": FOREST[0],
        "forest_many": FOREST[-1],
        "forest_first": grown[0],
        "forest_last": grown[-1],
        "gain": min(grown) - min(noisy),
    }


def _rows(rows: int, seed: int, noise: float) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 8))
    y = x[:, 0] + x[:, 1] * x[:, 2] > 0.0
    return x, (y ^ (random.random(rows) < noise)).astype(int)


def _loss(y: Any, p: Any) -> float:
    p = np.clip(p, 1e-6, 1.0 - 1e-6)
    return float(-np.where(y == 1, np.log(p), np.log(1.0 - p)).mean())


def holds(found: dict[str, Any]) -> bool:
    """Boosting turns under noise, the forest does not."""
    turned = found["rise"] > 0.05 and found["rise"] > 3.0 * found["clean_rise"]
    return bool(turned and found["forest_last"] <= found["forest_first"] + 0.005)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Held-out loss by rounds."""
    axes.semilogx(found["at"], found["noisy"], "o-", color="#c2410c", label="boosting, labels flipped")
    axes.semilogx(found["at"], found["clean"], "o-", color="#0f766e", label="boosting, clean")
    axes.semilogx(list(FOREST), found["forest"], "o-", color="#64748b", label="forest, labels flipped")
    axes.set(xlabel="rounds, trees", ylabel="held-out log loss")
    axes.legend(frameon=False)
