"""Why a kernel SVM stops scaling: time and memory of the exact solver against n, beside linear ones.

    python -m bench.records.svm_numbers --out docs/results/svm_scaling.json

Every fit is a process of its own, so that its memory can be seen; the rows are `physics`, standardised,
whose classes a line separates poorly and a kernel better.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.billion.watch import watched
from scalable.report.document import new_results
from scalable.report.results import write_results

HELD_OUT = 5_000
KERNEL_ROWS = (2_000, 4_000, 8_000, 16_000, 32_000)
LINEAR_ROWS = (2_000, 32_000, 500_000, 4_000_000)
ENOUGH = 200.0  # seconds; a learner that took longer is not asked for more rows


def rows(start: int, n: int) -> tuple[Any, Any]:
    """Return standardised features (n, 28) float32 and labels (n,) int8 of `physics`."""
    import data_gen

    table = data_gen.rows("physics", start, start + n)
    X = np.stack([table[name].to_numpy() for name in table.column_names[:-1]], axis=1)
    return X, table[table.column_names[-1]].to_numpy()


def fit(learner: str, n: int) -> dict[str, Any]:
    """Fit one learner on n rows and return what it cost; called in a process of its own."""
    X, y = rows(0, n)
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    X = (X - mean) / deviation
    model = _model(learner)
    if learner == "scalable LinearSVC":
        model.fit(X, y)  # compiles or loads the kernels: those of few rows are not all that many rows take
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    held_out, truth = rows(10**9, HELD_OUT)
    held_out = (held_out - mean) / deviation
    start = time.perf_counter()
    scores = model.decision_function(held_out)
    each = (time.perf_counter() - start) / HELD_OUT
    from sklearn.metrics import roc_auc_score

    found = {"learner": learner, "rows": n, "seconds": seconds, "predict_us": each * 1e6,
             "auc": float(roc_auc_score(truth, scores))}  # fmt: skip
    if hasattr(model, "support_"):
        found |= {"support_vectors": len(model.support_), "kernel_matrix_bytes": 8 * n * n}
    return found


def _model(learner: str) -> Any:
    from sklearn import svm

    if learner == "SVC, rbf":
        return svm.SVC(kernel="rbf", C=1.0, gamma="scale", cache_size=500)
    if learner == "scikit-learn LinearSVC":
        return svm.LinearSVC(C=1.0, dual=False)
    from scalable.linear import LinearSVC

    return LinearSVC()


def runs() -> Iterator[dict[str, Any]]:
    """Yield one row a learner and number of rows."""
    plan = (
        ("SVC, rbf", KERNEL_ROWS),
        ("scikit-learn LinearSVC", LINEAR_ROWS),
        ("scalable LinearSVC", LINEAR_ROWS),
    )
    for learner, sizes in plan:
        before: dict[str, Any] | None = None
        for n in sizes:
            with tempfile.TemporaryDirectory(prefix="svm") as name:
                folder = Path(name)
                command = [sys.executable, "-m", "bench.records.svm_numbers", "--one", learner, str(n)]
                cost = watched(command, folder / "log", folder / "note")
                found = json.loads((folder / "log").read_text("utf-8").strip().splitlines()[-1])
            if before is not None:
                found["exponent"] = math.log(found["seconds"] / before["seconds"]) / math.log(
                    n / before["rows"]
                )
            before = {**found, "peak_memory_bytes": cost.peak_memory_bytes}
            print(before, flush=True)
            yield before
            if found["seconds"] > ENOUGH:
                break


def main() -> None:
    """Fit all, or one of them, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--one", nargs=2, metavar=("LEARNER", "ROWS"), help="fit one here and print what it cost"
    )
    options = parser.parse_args()
    if options.one:
        print(json.dumps(fit(options.one[0], int(options.one[1]))))
        return
    command = "python -m bench.records.svm_numbers --out docs/results/svm_scaling.json"
    write_results(options.out, new_results("svm", {"fits": list(runs())}, seed=0, command=command))


if __name__ == "__main__":
    main()
