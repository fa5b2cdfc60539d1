"""When does cross-validation lie?

Whenever the rows it judges on are closer to those it learned from than the rows of tomorrow will be
(Hastie, Tibshirani and Friedman, 2009, section 7.10.2; Roberts et al., 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import KNeighborsRegressor

QUICK, STANDARD = 400, 1_000
CLAIM = "Random folds flatter models of chosen columns, of repeating entities and of drift; the right folds do not."
ANSWER = """Where folds do not repeat what will be done: with labels that are coin flips and the {kept} best of
{columns:,} columns chosen before the folds, accuracy was {outside:.2f}, and {inside:.2f} with the choice
within each fold. With {groups} entities that repeat and tell nothing of new ones, random folds explained
{group_random:.2f} of the variance, folds of whole entities {group_right:.2f}, and truly new entities
{group_truth:.2f}. With a level that drifts in time, the error of random folds was {time_random:.2f}, of folds
that learn from the past only {time_right:.2f}, and that of the next stretch of time {time_truth:.2f}. In each
case folds that repeat what will be done came nearer to the truth. No kind of fold shows a column that is
written after the target, nor a world that changes after the last row."""
LINKS = ("scalable/features/target_encoding/__init__.py", "scalable/feature_store/__init__.py")
KEPT, COLUMNS, GROUP, WALKS = 10, 1_000, 8, 10


def measure(rows: int) -> dict[str, Any]:
    """Three lies, each beside the folds that do not tell it."""
    random = np.random.default_rng(0)
    chance = np.arange(rows) % 5
    flips = np.where(np.arange(rows) % 2, 1.0, -1.0)
    some, labels = random.normal(size=(100, COLUMNS)), flips[:100]
    found: dict[str, Any] = {"kept": KEPT, "columns": COLUMNS, "groups": rows // GROUP}
    found["outside"], found["inside"] = (
        _selected(some, labels, chance[:100], within) for within in (False, True)
    )

    entity = np.arange(rows) // GROUP
    x, y = _entities(random, entity)
    new, truth = _entities(random, entity)
    found["group_random"] = _score(x, y, random.permutation(chance))
    found["group_right"] = _score(x, y, entity % 5)
    found["group_truth"] = _explained(truth, _near(x, y, new), y)

    errors = np.array([_drifting(np.random.default_rng(seed), rows) for seed in range(WALKS)])
    found |= dict(
        zip(("time_random", "time_right", "time_truth"), np.sqrt(errors.mean(axis=0)).tolist(), strict=True)
    )
    return found


def _drifting(random: Any, rows: int) -> list[float]:
    """Squared errors by random folds, by folds ahead, and of the next stretch."""
    time = np.arange(1.2 * rows)[:, None] / rows
    y = np.cumsum(random.normal(size=len(time))) * 3.0 / np.sqrt(rows) + 0.3 * random.normal(size=len(time))

    def error(known: Any, asked: Any) -> float:
        return float(((_near(time[known], y[known], time[asked]) - y[asked]) ** 2).mean())

    past, fold, step = np.arange(rows), random.permutation(rows) % 5, rows // 6
    chance = [error(past[fold != j], past[fold == j]) for j in range(5)]
    ahead = [error(past[: step * k], past[step * k : step * (k + 1)]) for k in range(1, 6)]
    return [float(np.mean(chance)), float(np.mean(ahead)), error(past, np.arange(rows, len(time)))]


def _selected(x: Any, y: Any, fold: Any, within: bool) -> float:
    right = 0.0
    for j in range(5):
        rows = fold != j if within else np.ones(len(y), bool)
        best = np.argsort(np.abs(y[rows] @ x[rows]))[-KEPT:]
        signs = y[fold != j] @ x[fold != j][:, best]
        right += float(((x[fold == j][:, best] @ signs > 0.0) == (y[fold == j] > 0.0)).sum())
    return right / len(y)


def _entities(random: Any, entity: Any) -> tuple[Any, Any]:
    n = int(entity.max()) + 1
    where, level = random.normal(size=(n, 3)), random.normal(size=n)
    return where[entity] + 0.05 * random.normal(size=(len(entity), 3)), level[entity] + 0.3 * random.normal(
        size=len(entity)
    )


def _near(x: Any, y: Any, new: Any) -> Any:
    return KNeighborsRegressor(3).fit(x, y).predict(new)


def _score(x: Any, y: Any, fold: Any) -> float:
    p = np.empty(len(y))
    for j in range(5):
        p[fold == j] = _near(x[fold != j], y[fold != j], x[fold == j])
    return _explained(y, p, y)


def _explained(y: Any, p: Any, known: Any) -> float:
    return float(1.0 - ((y - p) ** 2).mean() / ((y - known.mean()) ** 2).mean())


def holds(found: dict[str, Any]) -> bool:
    """Each lie is told, and not by the right folds."""
    chosen = found["outside"] > 0.75 and found["inside"] < 0.65
    groups = found["group_random"] > 0.5 and max(found["group_right"], found["group_truth"]) < 0.1
    time = min(found["time_right"], found["time_truth"]) > 1.5 * found["time_random"]
    return bool(chosen and groups and time)


def draw(found: dict[str, Any], axes: Any) -> None:
    """What each kind of folds said."""
    at = np.arange(3)
    lies = [found["outside"], found["group_random"], found["time_random"]]
    honest = [found["inside"], found["group_right"], found["time_right"]]
    axes.bar(at - 0.2, np.maximum(lies, -1.0), 0.4, color="#64748b", label="random folds")
    axes.bar(at + 0.2, np.maximum(honest, -1.0), 0.4, color="#c2410c", label="folds as it will be used")
    axes.set_xticks(at, ["chosen columns\n(accuracy)", "entities\n(explained)", "time\n(error)"])
    axes.legend(frameon=False)
