"""When is a simple model the right choice, and when a complex one?

It is a question of how much error the simple one's bias costs beside the complex one's variance, size and care
(Domingos, 1999; Rudin, 2019).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
from sklearn.linear_model import LogisticRegression

from bench.answers.numeric import log_loss

QUICK, STANDARD = 2_000, 10_000
CLAIM = (
    "Where effects add up the linear model is as good, steadier and far smaller; where columns act together the "
    "boosted one is better by more than it varies."
)
ANSWER = """The simple one while effects add up: on {rows:,} rows of such a world the linear model's loss was
{line_add:.4f} above the best possible, that of boosted trees {trees_add:.4f}; where columns act together
{line_act:.4f} and {trees_act:.4f}. Refitted to other rows a probability moved by {line_wave:.3f} in the
linear model and {trees_wave:.3f} in the trees. A prediction takes {line_work} products in the one and
{trees_work:,} comparisons in the other, which keep {line_size} and {trees_size:,} numbers. Trees of two
leaves, which cannot combine columns, had {stumps_add:.4f} and {stumps_act:.4f}: a middle that stays readable.
On the second world the linear model with the two right products as columns had {made_act:.4f}, so knowledge
can replace size. Start simple, and let the held-out gap, beside its own spread, decide; how long each takes
to train is not measured here."""
LINKS = ("scalable/linear/logistic.py", "scalable/boosting/train.py", "scalable/scoring/compare.py")
COLUMNS, DRAWS, ROUNDS = 6, 5, 80


def measure(rows: int) -> dict[str, Any]:
    """Fit three models in two worlds, on several draws."""
    found: dict[str, Any] = {"rows": rows}
    for world in ("add", "act"):
        new, truth, p = _rows(999, 20_000, world)
        best = log_loss(truth, p)
        losses: dict[str, list[float]] = {"line": [], "stumps": [], "trees": [], "made": []}
        scores: dict[str, list[Any]] = {name: [] for name in losses}
        for seed in range(DRAWS):
            x, y, _ = _rows(seed, rows, world)
            made, held = (np.column_stack([v, v[:, 0] * v[:, 1], v[:, 2] * v[:, 3]]) for v in (x, new))
            trees = _boost(x, y, 31)
            each = {
                "line": LogisticRegression().fit(x, y).predict_proba(new)[:, 1],
                "stumps": _boost(x, y, 2).predict(new),
                "trees": trees.predict(new),
                "made": LogisticRegression().fit(made, y).predict_proba(held)[:, 1],
            }
            for name, guess in each.items():
                losses[name].append(log_loss(truth, np.asarray(guess)) - best)
                scores[name].append(guess)
        found |= {f"{name}_{world}": float(np.mean(value)) for name, value in losses.items()}
        if world == "add":
            found |= {
                f"{n}_wave": float(np.sqrt(np.var(scores[n], axis=0, ddof=1).mean()))
                for n in ("line", "trees")
            }
    frame = trees.trees_to_dataframe()
    leaves = frame[frame.left_child.isna()]
    visits = float((leaves.node_depth * leaves["count"]).sum() / leaves["count"].sum() * ROUNDS)
    return {**found, "line_work": COLUMNS, "trees_work": round(visits), "line_size": COLUMNS + 1,
            "trees_size": 3 * len(frame)}  # fmt: skip


def _boost(x: Any, y: Any, leaves: int) -> Any:
    params = {
        "objective": "binary",
        "num_leaves": leaves,
        "learning_rate": 0.1,
        "verbosity": -1,
        "num_threads": 1,
    }
    return lightgbm.train(params, lightgbm.Dataset(x, y), ROUNDS if leaves > 2 else 3 * ROUNDS)


def _rows(seed: int, rows: int, world: str) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, COLUMNS))
    z = x @ [1.0, -0.8, 0.6, 0.4, 0.0, 0.0]
    if world == "act":
        z = 0.5 * z + 1.5 * x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3]
    p = 1.0 / (1.0 + np.exp(-z))
    return x, (random.random(rows) < p).astype(np.float64), p


def holds(found: dict[str, Any]) -> bool:
    """Each ahead in its world."""
    simple = found["line_add"] < found["trees_add"] and found["line_wave"] < 0.7 * found["trees_wave"]
    return bool(
        simple and found["trees_act"] < 0.6 * found["line_act"] and found["made_act"] < found["trees_act"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Loss above the best possible."""
    at, names = np.arange(2), ["line", "stumps", "trees"]
    for k, (name, colour) in enumerate(zip(names, ("#64748b", "#7c3aed", "#c2410c"), strict=True)):
        axes.bar(
            at + 0.25 * (k - 1), [found[f"{name}_add"], found[f"{name}_act"]], 0.25, color=colour, label=name
        )
    axes.set_xticks(at, ["effects add up", "columns act together"])
    axes.set(ylabel="log loss above the best possible")
    axes.legend(["linear", "boosted, two leaves", "boosted, 31 leaves"], frameon=False)
