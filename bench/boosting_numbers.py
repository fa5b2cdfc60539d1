"""Measure boosting: fill, two workers against lightgbm.dask and plain LightGBM, deals of the rows, rotation.

Run ``python -m bench.boosting_numbers SECTION --rows N --out docs/results/boosting_SECTION.json``; docs/boosting.md
explains the numbers. Every contender runs in a process tree of its own whose memory is sampled ten times a second.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = 28
TREE = {"objective": "binary", "num_leaves": 63, "learning_rate": 0.1, "verbosity": -1}


def rows_of(n: int, seed: int, columns: int = COLUMNS) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 features of shape (n, columns) and labels: a few products drive the log odds."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, columns), np.float32)
    odds = X[:, 0] + X[:, 1] * X[:, 2] + np.abs(X[:, 3]) - 1
    return X, (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int8)


def write_rows(directory: Path, n: int, columns: int = COLUMNS) -> Path:
    """Write `n` rows as files of a million."""
    for k, start in enumerate(range(0, n, 10**6)):
        X, y = rows_of(min(10**6, n - start), k, columns)
        table = pa.table({**{f"x{j}": X[:, j] for j in range(columns)}, "y": y})
        pq.write_table(
            table,
            directory / f"part-{k:04d}.parquet",
            row_group_size=2**17,
            compression="none",
            use_dictionary=False,
        )
    return directory


class PeakMemory:
    """Peak of the resident memory of this process and all below it, in bytes, less what was there before."""

    def __enter__(self) -> PeakMemory:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.1):
            total = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss  # shared pages count once over the processes
                except psutil.Error:
                    continue
            self.bytes = max(self.bytes, total)

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()


def in_own_process(function: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """Run `function` in a fresh process and return its dict with seconds and peak memory added."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_child, args=(there, function, args))
    process.start()
    result: dict[str, Any] = here.recv()
    process.join()
    return result


def _child(pipe: Any, function: Callable[..., dict[str, Any]], args: tuple[Any, ...]) -> None:
    with PeakMemory() as memory:
        began = time.perf_counter()
        result = function(*args)
        seconds = time.perf_counter() - began
    pipe.send({"seconds": seconds, "peak_bytes": memory.bytes, **result})


def ours(directory: str, trees: int, test: str) -> dict[str, Any]:
    """Two one-thread workers of a local Dask cluster."""
    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier

    began = time.perf_counter()
    model = LGBMClassifier(trees, num_leaves=63, n_workers=2).fit(ParquetSource(directory, target="y"))
    return {
        "fit_seconds": time.perf_counter() - began,
        "auc": _auc(model.booster_, test),
        "stats": model.stats_,
    }


def plain(directory: str, trees: int, test: str) -> dict[str, Any]:
    """``lgb.train`` on an Arrow table, two threads."""
    import lightgbm as lgb

    began = time.perf_counter()
    table = pq.read_table(directory)
    booster = lgb.train(
        {**TREE, "num_threads": 2}, lgb.Dataset(table.drop(["y"]), table["y"]), num_boost_round=trees
    )
    return {"fit_seconds": time.perf_counter() - began, "auc": _auc(booster, test)}


def lightgbm_dask(directory: str, trees: int, test: str) -> dict[str, Any]:
    """``lightgbm.dask`` on persisted input, its best case."""
    import dask.dataframe as dd
    import lightgbm as lgb
    from distributed import Client, LocalCluster, wait

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster,
        Client(cluster) as client,
    ):
        began = time.perf_counter()
        frame = dd.read_parquet(directory).persist()
        wait(frame)
        X, y = frame.drop(columns=["y"]).persist(), frame["y"].persist()
        wait([X, y])
        model = lgb.DaskLGBMClassifier(
            client=client, n_estimators=trees, num_leaves=63, learning_rate=0.1, verbosity=-1
        )
        model.fit(X, y)
        seconds = time.perf_counter() - began
        return {"fit_seconds": seconds, "auc": _auc(model.booster_, test)}


def _auc(booster: Any, test: str) -> float:
    from sklearn.metrics import roc_auc_score

    with np.load(test) as held:
        return float(roc_auc_score(held["y"], booster.predict(held["X"])))


def section_workers(rows: int, trees: int) -> dict[str, Any]:
    """Compare two workers of ours with lightgbm.dask and with plain LightGBM on two threads."""
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "rows"
        data.mkdir()
        write_rows(data, rows)
        X, y = rows_of(100_000, 10**6)
        np.savez(Path(place) / "test.npz", X=X, y=y)
        args = (str(data), trees, str(Path(place) / "test.npz"))
        runs = {f.__name__: in_own_process(f, *args) for f in (ours, plain, lightgbm_dask)}
    return {"rows": rows, "columns": COLUMNS, "trees": trees, "runs": runs}


def section_fill(rows: int, trees: int) -> dict[str, Any]:
    """Compare one thread's fill from Parquet with ``lgb.Dataset(ndarray).construct()``, three times in turn."""
    import lightgbm as lgb

    from scalable import ParquetSource
    from scalable.boosting.fill import fill
    from scalable.boosting.params import resolve
    from scalable.boosting.prepare import learn_encoder, make_reference
    from scalable.execution.threads import Threads

    result: dict[str, list[float]] = {"fill": [], "construct": []}
    params = {"num_threads": 1, "verbosity": -1, "objective": "binary"}
    with tempfile.TemporaryDirectory() as place:
        source = ParquetSource(str(write_rows(Path(place), rows)), target="y")
        survey, encoder = learn_encoder(source, resolve({}, None), True, Threads(1))
        reference, _ = make_reference(survey, encoder, source.n_rows, params)
        table = pq.read_table(place)
        X = np.column_stack([table[f"x{j}"].to_numpy() for j in range(COLUMNS)])
        y = table["y"].to_numpy()
        for _ in range(3):
            began = time.process_time()
            fill(source, encoder, reference, params, n_threads=1)
            result["fill"].append(time.process_time() - began)
            began = time.process_time()
            lgb.Dataset(X, y, params=params).construct()
            result["construct"].append(time.process_time() - began)
    rate = {name: rows / float(np.median(seconds)) for name, seconds in result.items()}
    return {
        "rows": rows,
        "columns": COLUMNS,
        "cpu_seconds": result,
        "rows_per_cpu_second": rate,
        "ratio": rate["fill"] / rate["construct"],
    }


def section_deals(rows: int, trees: int) -> dict[str, Any]:
    """Compare the models of 1, 2 and 4 ranks on differently ordered rows with one process."""
    from scalable.boosting.cluster import Place, Team
    from scalable.boosting.launch import LocalLauncher
    from scalable.boosting.train import train_on
    from scalable.data.table import as_source
    from scalable.execution.threads import Threads

    X, y = rows_of(rows, 3)
    orders = {
        "shuffled": np.arange(rows),
        "label-sorted": np.argsort(y, kind="stable"),
        "x0-sorted": np.argsort(X[:, 0]),
    }
    params = {
        **TREE,
        "num_iterations": trees,
        "deterministic": True,
        "force_col_wise": True,
        "num_leaves": 31,
    }
    params |= {"min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 50.0}
    out = []
    for name, order in orders.items():
        source = as_source(X[order], y[order])
        first: Any = None
        for n_ranks in (1, 2, 4):
            team = Team(
                tuple(Place(f"rank {r}", "127.0.0.1", 1) for r in range(n_ranks)), Threads(1), LocalLauncher
            )
            booster = train_on(team, params, source, classify=True).booster
            raw, splits = booster.predict(X[:50_000], raw_score=True), _splits(booster.model_to_string())
            first = first or (raw, splits)
            same = sum(a == b for a, b in zip(splits, first[1], strict=True))
            out.append(
                {
                    "order": name,
                    "ranks": n_ranks,
                    "trees": trees,
                    "trees_with_the_same_splits": same,
                    "largest_raw_score_difference": float(np.abs(raw - first[0]).max()),
                }
            )
    return {"rows": rows, "columns": COLUMNS, "params": params, "deals": out}


def _splits(text: str) -> list[tuple[str, ...]]:
    wanted = ("split_feature=", "threshold=", "left_child=", "right_child=")
    trees = text.split("\nTree=")[1:]
    return [tuple(line for line in tree.splitlines() if line.startswith(wanted)) for tree in trees]


def _rotated(directory: str, trees: int, test: str, boosting: str) -> dict[str, Any]:
    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier

    rotation: dict[str, Any] = {"boosting": "rotate", "rotate_rows": 10**6, "rotate_every": 10}
    extra: dict[str, Any] = rotation if boosting == "rotate" else {}
    model = LGBMClassifier(trees, num_leaves=63, **extra).fit(ParquetSource(directory, target="y"))
    return {"auc": _auc(model.booster_, test), "stats": model.stats_}


def section_rotate(rows: int, trees: int) -> dict[str, Any]:
    """Compare rotation over sets of a million rows with training on all rows, in one process."""
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "rows"
        data.mkdir()
        write_rows(data, rows, 16)
        X, y = rows_of(100_000, 10**6, 16)
        np.savez(Path(place) / "test.npz", X=X, y=y)
        runs = {
            name: in_own_process(_rotated, str(data), trees, str(Path(place) / "test.npz"), name)
            for name in ("rotate", "gbdt")
        }
    return {"rows": rows, "columns": 16, "trees": trees, "runs": runs}


SECTIONS = {
    "workers": section_workers,
    "fill": section_fill,
    "deals": section_deals,
    "rotate": section_rotate,
}


def main() -> None:
    """Run one section and write its document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--trees", type=int, default=20)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    content = SECTIONS[args.section](int(args.rows), args.trees)
    document = {
        "format": 1,
        "kind": f"boosting {args.section}",
        "created": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_bytes": psutil.virtual_memory().total,
            "system": platform.platform(),
            "load": load,
        },
        "versions": {
            "python": platform.python_version(),
            **{
                n: metadata.version(n)
                for n in ("lightgbm", "numpy", "pyarrow", "distributed", "scalable-training")
            },
        },
        "command": f"python -m bench.boosting_numbers {' '.join(sys.argv[1:])}",
        "sections": {"boosting": content},
    }
    scratch = Path(args.out + ".tmp")
    scratch.write_text(json.dumps(document, indent=1))
    scratch.replace(args.out)


if __name__ == "__main__":
    main()
