"""From an entity to a decision over HTTP, keep-alive: 50 stored features looked up by key, then a forest.

    python -m bench.serving.feature_numbers --out docs/results/serving_features.json

The store is held in the page cache. Beside it a bare echo of the same server at the same rate; turns alternate. Server
and generator have a processor each, and at half of the capacity real-time priority, see `bench.serving.http_numbers`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.held_files import in_memory
from bench.records.features_data import START, YEAR, prepare
from bench.serving.http_numbers import beside, capacity
from bench.serving.servers import LEARNED, running, write_forest
from scalable.feature_store import OnlineStore, materialize
from scalable.feature_store.online.page_check import DATA
from scalable.report.document import new_results
from scalable.report.results import write_results

ASKED = 10_000  # entities that are asked about


def stored(place: Path, entities: int) -> tuple[Path, list[dict[str, Any]]]:
    """Return a forest over stored features, in a folder with their definitions and store, and requests."""
    folder = prepare(place, 3 * entities, 1000, entities)
    materialize(folder / "online.toml", folder / "store")
    rng = np.random.default_rng(3)
    with OnlineStore(folder / "online.toml", folder / "store") as store:
        now, keys = (START + YEAR) * 1000, rng.integers(0, entities, LEARNED).tolist()
        rows = [store.lookup({"customer": key}, at=now) for key in keys]
    names = list(rows[0])
    X = np.array([[row[name] for name in names] for row in rows], np.float64)
    score = np.nan_to_num(X).sum(axis=1)
    y = score + rng.normal(size=LEARNED) * score.std() > np.median(score)
    write_forest(folder / "forest.txt", X, y, names)
    return folder / "forest.txt", [{"customer": key} for key in rng.integers(0, entities, ASKED).tolist()]


def measure(place: Path, entities: int, seconds: float) -> list[dict[str, Any]]:
    """Return the capacity, and latency at half of it, beside the echo's."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("the server and the generator need a processor each")
    model, rows = stored(place, entities)
    os.sched_setaffinity(0, cores[-1:])
    with in_memory(model.parent / "store" / DATA) as kept:
        with running("features", model, rows[0]) as url:
            most = capacity(url, rows, seconds)
        found: list[dict[str, Any]] = [
            {"server": "features", "at": "capacity", **most, "kept_in_memory": kept}
        ]
        if not most["rate"]:  # it failed
            return found
        points = [(name, most["rate"] / 2, "50% of capacity") for name in ("features", "echo")]
        return found + beside(model, rows, points, seconds)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=lambda text: int(float(text)), default=10**6)
    parser.add_argument("--seconds", type=float, default=3.0, help="a turn")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="feature-numbers-") as place:
        found = measure(Path(place), options.entities, options.seconds)
    write_results(options.out, new_results("serving", {"features": found}))
    for row in found:
        print({name: round(value, 1) if isinstance(value, float) else value for name, value in row.items()})


if __name__ == "__main__":
    main()
