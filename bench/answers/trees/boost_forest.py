"""When are boosted trees the choice, and when a forest?

Boosting adds small trees that mend each other, a forest averages large ones that do not know of each other
(Caruana and Niculescu-Mizil, 2006).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
from sklearn.ensemble import RandomForestClassifier

from bench.answers.numeric import log_loss

QUICK, STANDARD = 4_500, 12_000
CLAIM = "Tuned boosting is nearer to the best possible loss with far fewer nodes, and loses more when badly tuned."
ANSWER = """Boosting wins when tuned: over {settings} settings each, its best held-out log loss was
{boost:.4f} and the forest's {forest:.4f}, where {best:.4f} is the best possible on these {rows:,} rows. Its
worst setting gave {boost_worst:.4f}, the forest's worst {forest_worst:.4f}, so a forest is the safer choice
untuned. The best boosted model has {boost_nodes:,} nodes and visits {boost_path:.0f} of them a prediction,
the best forest {forest_nodes:,} and {forest_path:.0f}: that is what memory and latency follow. Trees of a
forest can grow side by side, rounds only one after another. Seconds are measured by `scalable versus`, not
here; on noisy labels the order can turn."""
LINKS = ("scalable/boosting/train.py", "docs/versus.md", "scalable/inference/forest/formats/scikit_learn.py")
ROUNDS, TREES = 100, 40


def measure(rows: int) -> dict[str, Any]:
    """Fit both over a grid, and count their nodes."""
    (x, y, _), (new, truth, p) = _rows(rows, 0), _rows(10_000, 1)
    boosted: list[Any] = []
    for leaves in (7, 31, 127):
        for rate in (0.06, 0.5):
            params = {"objective": "binary", "num_leaves": leaves, "learning_rate": rate, "verbosity": -1,
                      "num_threads": 1}  # fmt: skip
            model = lightgbm.train(params, lightgbm.Dataset(x, y), ROUNDS)
            boosted.append((log_loss(truth, model.predict(new)), model))
    forests: list[Any] = []
    for least in (1, 10, 50):
        for columns in (3, 8):
            model = RandomForestClassifier(
                TREES, min_samples_leaf=least, max_features=columns, random_state=0, n_jobs=1
            ).fit(x, y)
            forests.append((log_loss(truth, model.predict_proba(new)[:, 1]), model))
    losses = [[loss for loss, _ in each] for each in (boosted, forests)]
    boost, forest = (min(each, key=lambda pair: pair[0])[1] for each in (boosted, forests))
    depth = boost.trees_to_dataframe()
    paths = boost.predict(new[:200], pred_leaf=True)
    named = depth[depth.left_child.isna()].set_index(
        ["tree_index", depth[depth.left_child.isna()].node_index]
    )
    return {
        "rows": rows,
        "settings": len(boosted),
        "losses": losses,
        "boost": min(losses[0]),
        "forest": min(losses[1]),
        "boost_worst": max(losses[0]),
        "forest_worst": max(losses[1]),
        "best": log_loss(truth, p),
        "boost_nodes": len(depth),
        "forest_nodes": sum(tree.tree_.node_count for tree in forest.estimators_),
        "boost_path": float(_visited(named, paths)),
        "forest_path": float(np.diff(forest.decision_path(new[:200])[0].indptr).mean()),
    }


def _visited(leaves: Any, paths: Any) -> float:
    depth = leaves["node_depth"].to_dict()
    return float(
        np.mean([[depth[(t, f"{t}-L{leaf}")] for t, leaf in enumerate(row)] for row in paths])
        * paths.shape[1]
    )


def _rows(rows: int, seed: int) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 8))
    p = 1.0 / (
        1.0 + np.exp(-(1.5 * np.sin(2.0 * x[:, 0]) + x[:, 1] * x[:, 2] + x[:, 3] - 0.5 * x[:, 4] ** 2))
    )
    return x, (random.random(rows) < p).astype(np.float64), p


def holds(found: dict[str, Any]) -> bool:
    """Better when tuned, smaller, and more to lose."""
    better = (
        found["best"] < found["boost"] < found["forest"]
        and found["boost_nodes"] < 0.5 * found["forest_nodes"]
    )
    risk = found["boost_worst"] - found["boost"] > found["forest_worst"] - found["forest"]
    return bool(better and risk)


def draw(found: dict[str, Any], axes: Any) -> None:
    """All settings, best to worst."""
    for losses, name, colour in zip(
        found["losses"], ("boosting", "forest"), ("#c2410c", "#64748b"), strict=True
    ):
        axes.plot(sorted(losses), "o-", color=colour, label=name)
    axes.axhline(found["best"], color="k", ls=":", lw=1, label="best possible")
    axes.set(xlabel="settings, best to worst", ylabel="held-out log loss")
    axes.legend(frameon=False)
