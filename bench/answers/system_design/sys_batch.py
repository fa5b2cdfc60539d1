"""Should a model answer in batches or in real time?

A batch shares the cost of each step over many rows, and its answers are as old as the batch; what age costs depends on
how fast the columns change (Huyen, 2022).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

from bench.answers.measures import auc, least_seconds
from scalable.inference import compile_model

QUICK, STANDARD = 4_000, 20_000
CLAIM = "A row costs a batch far less processor time than a call of its own, and a score computed earlier ranks worse."
ANSWER = """In batches where columns change slowly, at the call where they change fast: in a batch of {batch:,}
rows a prediction took {batch_us:.2f} us of processor time, in a call of its own {one_us:.1f} us, {ratio:.0f}
times as much; still {a_day:.1f} s of one processor for a million calls a day. A score that was up to date
ranked with an AUC of {fresh:.3f}, one computed {old} steps before with {stale:.3f}, where the column that
matters keeps {keeps:.0%} of itself from step to step; where it keeps {slow:.1%}, {slow_fresh:.3f} and
{slow_stale:.3f}. Rows that nobody knows before are answered at the call too; many systems take slow columns
from a table and fast ones from the call. Network, queue and the fetching of columns, which are often most of
the time, are not in these numbers."""
LINKS = (
    "scalable/inference/forest/compiled.py",
    "scalable/serve/__init__.py",
    "scalable/scoring/predict_files.py",
    "docs/serving.md",
)
OLD, KEEPS, SLOW, COLUMNS = 8, 0.8, 0.995, 10


def measure(rows: int) -> dict[str, Any]:
    """Time both ways on the compiled forest, and let scores age."""
    found: dict[str, Any] = {"batch": rows, "old": OLD, "keeps": KEEPS, "slow": SLOW}
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, COLUMNS))
    y = (random.random(rows) < _p(x)).astype(np.float64)
    params = {"objective": "binary", "num_leaves": 31, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(params, lightgbm.Dataset(x, y), 100)
    forest = compile_model(booster)
    forest.predict(x)
    found["batch_us"] = least_seconds(lambda: forest.predict(x)) / rows * 1e6
    some = [np.ascontiguousarray(row) for row in x[:500]]
    forest.predict_one(some[0])
    found["one_us"] = least_seconds(lambda: [forest.predict_one(row) for row in some]) / len(some) * 1e6
    found["ratio"] = found["one_us"] / found["batch_us"]
    found["a_day"] = found["one_us"]
    for name, keeps in (("", KEEPS), ("slow_", SLOW)):
        then = random.normal(size=(rows, COLUMNS))
        now = then.copy()
        for _ in range(OLD):
            now[:, 0] = keeps * now[:, 0] + np.sqrt(1.0 - keeps**2) * random.normal(size=rows)
        truth = random.random(rows) < _p(now)
        found[f"{name}fresh"], found[f"{name}stale"] = (
            auc(truth, forest.predict(each)) for each in (now, then)
        )
    return found


def _p(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-(2.0 * x[:, 0] + x[:, 1] * x[:, 2])))


def holds(found: dict[str, Any]) -> bool:
    """Cheaper, and older."""
    aged = found["stale"] < found["fresh"] - 0.02 and found["slow_stale"] > found["slow_fresh"] - 0.02
    return bool(aged and found["ratio"] > 1.5)


def draw(found: dict[str, Any], axes: Any) -> None:
    """AUC now and later."""
    at = np.arange(2)
    axes.bar(at - 0.2, [found["fresh"], found["slow_fresh"]], 0.4, color="#c2410c", label="at the call")
    axes.bar(
        at + 0.2,
        [found["stale"], found["slow_stale"]],
        0.4,
        color="#64748b",
        label=f"{found['old']} steps before",
    )
    axes.set_xticks(at, ["column changes fast", "column changes slowly"])
    axes.set(ylabel="AUC", ylim=(0.5, 1.0))
    axes.legend(frameon=False)
