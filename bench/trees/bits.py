"""Models as other processors would grow them: vectors of 256 and of 512 bits, each compiled in a process of its own.

Run as a program, it prints a digest of the texts of a few models; `bits` compares what processors print.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

from bench.trees.rows import grower_of, numbers, rows_of, target_of
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.text import model_text

AVX2 = "+avx2,+fma,+bmi,+bmi2,+popcnt"
PROCESSORS = {
    "avx2": ("haswell", f"{AVX2},-avx512f"),
    "avx512": ("skylake-avx512", f"{AVX2},+avx512f,+avx512dq,+avx512vl,+avx512bw"),
}
ROWS, COLUMNS, TREES = 30_000, 6, 5


def digest(objective: str, n_threads: int) -> str:
    """Return a digest of the text of a model grown by this processor."""
    params = {"objective": objective, "num_leaves": 31}
    X, noisy = numbers(ROWS, COLUMNS, 1)
    X[::7, 2] = np.nan
    y = target_of(np.nan_to_num(noisy), params)
    y = np.maximum(0, np.round(2 * y)) if objective == "poisson" else y
    rows = rows_of(X, y, params, n_threads)
    with Crew(len(rows.parts)) as crew:
        boosting = grower_of(rows, params, crew)
        trees = [tree for k in range(TREES) for tree in boosting.iterate(k, 0.1)]
    return hashlib.sha256(model_text(rows.bins, trees).encode()).hexdigest()


def bits(objectives: tuple[str, ...] = ("binary", "regression", "poisson")) -> dict[str, Any]:
    """Return the digests of models by processor, each compiled anew, and whether they are the same."""
    seen = {}
    for name, (processor, features) in PROCESSORS.items():
        with tempfile.TemporaryDirectory(prefix="scalable-bits-") as place:
            forced = {
                "NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features, "SCALABLE_CACHE_DIR": place,
            }  # fmt: skip
            command = [sys.executable, "-m", "bench.trees.bits", *objectives]
            done = subprocess.run(
                command, env=os.environ | forced, capture_output=True, text=True, check=True
            )
        seen[name] = done.stdout.split()
    return {
        "rows": ROWS,
        "objectives": objectives,
        "digests": seen,
        "same": len(set(map(tuple, seen.values()))) == 1,
    }


if __name__ == "__main__":
    print(*(digest(objective, n_threads) for n_threads in (1, 2) for objective in sys.argv[1:]))
