"""How does one reduce inference latency?

By taking away what is not the model: the call, the conversion, and the branches of the walk; with the same answers.
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

from bench.answers.measures import auc, least_seconds
from scalable.inference import compile_model

QUICK, STANDARD = 2_000, 20_000
CLAIM = "A compiled forest answers one row and a thousand in less processor time than the library, with the same bits."
ANSWER = """By measuring on rows that are not repeated, then removing what is not the model. For a forest of {trees}
trees one row took {library_one:.0f} us of processor time through the library and {compiled_one:.1f} us
compiled, {ratio_one:.0f} times less; a row of {batch:,} in one call {library_many:.1f} and {compiled_many:.2f} us,
{ratio_many:.1f} times less. Asked with one row again and again the library took {library_same:.0f} us, so a
repeated row flatters it. All {rows:,} answers had the same bits. A forest of a tenth of the trees took
{few_one:.1f} us compiled and lost {auc_lost:.4f} of AUC: fewer trees are the cheapest step where that is nothing.
These are shares on one machine under whatever ran beside it; queues, networks and the making of columns come on top."""
LINKS = (
    "scalable/inference/forest/compiled.py",
    "docs/reduce_inference_latency.md",
    "scalable/latency/laboratory.py",
)
TREES, COLUMNS, BATCH = 200, 28, 1_000


def measure(rows: int) -> dict[str, Any]:
    """Time one row and a thousand, by the library and compiled."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, COLUMNS))
    y = (random.random(rows) < 1.0 / (1.0 + np.exp(-(2.0 * x[:, 0] + x[:, 1] * x[:, 2])))).astype(float)
    params = {"objective": "binary", "num_leaves": 31, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(params, lightgbm.Dataset(x, y), TREES)
    forest, few = compile_model(booster), compile_model(_first(booster))
    new = random.normal(size=(rows, COLUMNS))
    truth = random.random(rows) < 1.0 / (1.0 + np.exp(-(2.0 * new[:, 0] + new[:, 1] * new[:, 2])))
    found: dict[str, Any] = {"trees": TREES, "rows": rows, "batch": BATCH}
    library = booster.predict(new, num_threads=1)
    found["same"] = float((forest.predict(new) == library).mean())
    some = [np.ascontiguousarray(row) for row in new[:300]]
    calls = {
        "library_one": lambda: [booster.predict(row[None], num_threads=1) for row in some],
        "library_same": lambda: [booster.predict(some[0][None], num_threads=1) for _ in some],
        "compiled_one": lambda: [forest.predict_one(row) for row in some],
        "few_one": lambda: [few.predict_one(row) for row in some],
    }
    found |= {name: least_seconds(do) / len(some) * 1e6 for name, do in calls.items()}
    found["library_many"] = least_seconds(lambda: booster.predict(new[:BATCH], num_threads=1)) / BATCH * 1e6
    found["compiled_many"] = least_seconds(lambda: forest.predict(new[:BATCH])) / BATCH * 1e6
    found["ratio_one"] = found["library_one"] / found["compiled_one"]
    found["ratio_many"] = found["library_many"] / found["compiled_many"]
    found["auc_lost"] = auc(truth, library) - auc(truth, few.predict(new))
    return found


def _first(booster: Any) -> Any:
    return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=TREES // 10))


def holds(found: dict[str, Any]) -> bool:
    """The same bits, in less time."""
    return bool(found["same"] == 1.0 and found["ratio_one"] > 2.0 and found["ratio_many"] > 1.0)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Processor time a row."""
    names = ["library_one", "compiled_one", "library_many", "compiled_many"]
    axes.bar([n.replace("_", "\n") for n in names], [found[n] for n in names], color="#c2410c")
    axes.set(yscale="log", ylabel="us of processor time a row")
