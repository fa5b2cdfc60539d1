"""More rows than the machine has memory for floats: one process of ours, bins of four bits."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bench.boosting.processes import in_own_process
from bench.boosting.rows import NARROW_COLUMNS, NARROW_LEVELS, narrow

MAX_BIN = 15
TEST_FILES = 1  # the last file is held out


def section_narrow(rows: int, trees: int, only: list[str]) -> dict[str, Any]:
    """Train on `rows` x 16 and a label; the AUC is of the file of rows after them."""
    directory = narrow(rows + TEST_FILES * 10**6)
    run = in_own_process(_trained, str(directory), trees)
    return {
        "rows": rows,
        "columns": NARROW_COLUMNS,
        "levels": NARROW_LEVELS,
        "max_bin": MAX_BIN,
        "trees": trees,
        "bytes_on_disk": sum(path.stat().st_size for path in directory.glob("*.parquet")),
        "bytes_as_float32": rows * NARROW_COLUMNS * 4,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "runs": {"ours": run},
    }


def _trained(directory: str, trees: int) -> dict[str, Any]:
    import pyarrow.parquet as pq
    from sklearn.metrics import roc_auc_score

    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier

    files = sorted(Path(directory).glob("*.parquet"))
    source = ParquetSource([str(path) for path in files[:-TEST_FILES]], target="y")
    began = time.perf_counter()
    model = LGBMClassifier(trees, num_leaves=63, max_bin=MAX_BIN).fit(source)
    seconds = time.perf_counter() - began
    held = pq.read_table(files[-1])
    auc = float(roc_auc_score(held["y"], model.predict_proba(held.drop(["y"]))[:, 1]))
    return {"fit_seconds": seconds, "auc": auc, "stats": model.stats_}
