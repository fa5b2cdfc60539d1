"""Kernel machines and mixtures of very many rows: time a row, and whether memory grows; each in a process of its own.

`physics` of a tenth of the rows and of all is generated and removed again, 114 bytes a row. Peaks are the high-water
mark of resident memory of the process that learned.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import data_gen
from scalable import ParquetSource
from scalable.boosting.workers.life import peak_rss
from scalable.kernel_approximation import KernelClassifier
from scalable.mixture import GaussianMixture

FEATURES, COMPONENTS, STEPS, HELD_OUT = 4_096, 8, 3, 50_000


def learned(name: str, path: str) -> dict[str, Any]:
    """Learn from all rows of a directory; return seconds, peak memory, and AUC or likelihood."""
    source = ParquetSource(path, target="signal")
    found: dict[str, Any] = {}
    begin = time.perf_counter()
    if name == "kernel":
        kernel = KernelClassifier("structured", FEATURES, solver="descent", random_state=0).fit(source)
        seconds = time.perf_counter() - begin
        table = data_gen.rows("physics", 10**10, 10**10 + HELD_OUT).select([*source.feature_names, "signal"])
        p = kernel.predict_proba(table.drop_columns(["signal"]))[:, 1]
        found["auc"] = float(roc_auc_score(table["signal"].to_numpy(), p))
        found["passes"] = int(np.max(kernel.n_iter_))
    else:
        mixture = GaussianMixture(COMPONENTS, max_iter=STEPS, tol=0.0, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few steps are what was asked for
            mixture.fit(source)
        seconds = time.perf_counter() - begin
        found |= {"lower_bound": float(mixture.lower_bound_), "passes": STEPS}
    return {
        **found,
        "seconds": seconds,
        "us_per_row": seconds / source.n_rows * 1e6,
        "peak_memory_bytes": peak_rss(),
    }


def measure(rows: int) -> dict[str, Any]:
    """Return a row a learner and size, and how much more memory all rows took than a tenth of them."""
    found: list[dict[str, Any]] = []
    for n in (rows // 10, rows):
        with tempfile.TemporaryDirectory() as scratch:
            path = f"{scratch}/rows"
            data_gen.generate("physics", rows=n, out=path, seed=0)
            for name in ("kernel", "mixture"):
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                    found.append({"learner": name, "rows": n, **pool.submit(learned, name, path).result()})
                print(found[-1], flush=True)
    few, many = found[:2], found[2:]
    grew = {
        a["learner"]: b["peak_memory_bytes"] / a["peak_memory_bytes"] for a, b in zip(few, many, strict=True)
    }
    return {"features": FEATURES, "components": COMPONENTS, "fits": found, "memory_grew": grew}
