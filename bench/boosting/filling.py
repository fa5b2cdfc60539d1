"""The fill of one thread beside LightGBM's own construction, and reading a filled dataset back."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench.boosting.rows import COLUMNS, wide


def section_fill(rows: int, trees: int, only: list[str]) -> dict[str, Any]:
    """Compare the fill from Parquet with ``lgb.Dataset(ndarray).construct()`` and with the cache, in turns."""
    import lightgbm as lgb
    from threadpoolctl import threadpool_limits

    from scalable import ParquetSource
    from scalable.boosting.dataset.binned_cache import BinnedCache
    from scalable.boosting.dataset.fill import fill
    from scalable.boosting.params import resolve
    from scalable.boosting.prepare import learn_encoder, make_reference, sampled_columns
    from scalable.execution.threads import Threads

    params = {"num_threads": 1, "verbosity": -1, "objective": "binary"}
    directory = str(wide(rows))
    source = ParquetSource(directory, target="y")
    survey, encoder = learn_encoder(source, resolve({}, None), True, Threads(1))
    reference, _ = make_reference(
        sampled_columns(survey, encoder), encoder.feature_names, source.n_rows, params
    )
    table = pq.read_table(directory)
    X = np.column_stack([table[f"x{j}"].to_numpy() for j in range(COLUMNS)])
    y = table["y"].to_numpy()
    cpu: dict[str, list[float]] = {"fill": [], "construct": []}
    wall: dict[str, list[float]] = {"fill": [], "construct": [], "reload": [], "keep": []}

    def timed(name: str, run: Any) -> None:
        began, used = time.perf_counter(), time.process_time()
        run()
        wall[name].append(time.perf_counter() - began)
        if name in cpu:
            cpu[name].append(time.process_time() - used)

    def filled() -> lgb.Dataset:
        return fill(source, encoder, reference, params, n_threads=1)

    # A worker runs its BLAS on one thread too; idle ones of it would spin, and count.
    with threadpool_limits(1), tempfile.TemporaryDirectory(dir=Path(directory).parent) as place:
        cache = BinnedCache(f"{place}/train", source.fingerprint())
        args = (params, encoder.feature_names, source.n_rows)
        for k in range(3):
            timed("fill", filled)
            timed("construct", lambda: lgb.Dataset(X, y, params=params).construct())
            if k == 0:
                timed("keep", lambda: cache.dataset(*args, filled))
            timed("reload", lambda: cache.dataset(*args, _unwanted))
    rate = {name: rows / float(np.median(seconds)) for name, seconds in cpu.items()}
    return {
        "rows": rows,
        "columns": COLUMNS,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "rows_per_cpu_second": rate,
        "ratio": rate["fill"] / rate["construct"],
        "reload_speedup": float(np.median(wall["fill"]) / np.median(wall["reload"])),
    }


def _unwanted() -> Any:
    raise AssertionError("the cache was not read")
