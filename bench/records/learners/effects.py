"""`double_ml` of many rows: time a row, peak memory, whether the true effect is covered, and the formula of EconML.

The formula, of `LinearDML` without effect modifiers, on fewer rows: least squares of what is left of the target on
what is left of the cause, with the error robust to uneven noise, written out row by row over the same folds.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import data_gen
from scalable import ParquetSource
from scalable.boosting.workers.life import peak_rss
from scalable.causal import double_ml
from scalable.data.selection import divide

SAMPLE, FOLDS = 100_000, 5


def formula(source: ParquetSource, controls: list[str]) -> tuple[float, float]:
    """Return coefficient and error of cross-fitted least squares."""
    blocks = [raw for shard in source.shards for raw in source.raw_blocks(shard)]
    *x, t, y = (
        np.concatenate([raw.arrays[name].to_numpy() for raw in blocks]).astype(float)
        for name in (*controls, "treatment", "target")
    )
    design = np.column_stack([np.ones(len(y)), *x])
    left = np.empty((2, len(y)))
    for part in divide([1.0] * FOLDS, None, 0):
        held = np.concatenate([part.mask(raw) for raw in blocks])
        for goal, rest in zip((t, y), left, strict=True):
            rest[held] = (
                goal[held] - design[held] @ np.linalg.lstsq(design[~held], goal[~held], rcond=None)[0]
            )
    coef = (left[0] @ left[1]) / (left[0] @ left[0])
    scores = left[0] * (left[1] - coef * left[0])
    return float(coef), float(np.sqrt(scores @ scores * len(y) / (len(y) - 1)) / (left[0] @ left[0]))


def measure(rows: int) -> dict[str, Any]:
    """Return what is told above."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, n in (("few", min(rows, SAMPLE)), ("rows", rows)):
            data_gen.generate("effect", rows=n, out=f"{scratch}/{name}", seed=0)
        few = ParquetSource(f"{scratch}/few", target="target")
        controls = [name for name in few.feature_names if name.startswith("x_")]
        on_few = double_ml(few, "treatment", controls=controls, n_folds=FOLDS)
        coef, error = formula(few, controls)
        source = ParquetSource(f"{scratch}/rows", target="target")
        truth = json.loads(Path(scratch, "rows", "manifest.json").read_text("utf-8"))["truth"]
        begin = time.perf_counter()
        effect = double_ml(source, "treatment", controls=controls, n_folds=FOLDS)
        seconds = time.perf_counter() - begin
    return {
        "rows": rows, "controls": len(controls), "seconds": seconds, "us_per_row": seconds / rows * 1e6,
        "peak_memory_bytes": peak_rss(), "truth": truth, "coef": effect.coef, "error": effect.error,
        "formula_apart": {"coef": abs(on_few.coef - coef), "error": abs(on_few.error - error)},
    }  # fmt: skip
