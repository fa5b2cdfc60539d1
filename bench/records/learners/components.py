"""`PCA` from Parquet beside scikit-learn's `IncrementalPCA` fed by pyarrow, of 28 and of 500 columns.

The file is plain: a dictionary of random numbers would be larger than they are. Both are held against the exact
subspace. scikit-learn's gets its own batches, five times as many rows as columns.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.decomposition import IncrementalPCA
from sklearn.utils import gen_batches

from bench.records.learners.side_by_side import in_turns
from scalable import ParquetSource
from scalable.decomposition import PCA

COMPONENTS = 8
VALUES = 28  # a row; so many values are measured at either width


def rows_of(n: int, d: int) -> NDArray[np.float64]:
    """Return rows with eight directions that stand out, each less than the one before."""
    random = np.random.default_rng(0)
    strong = random.normal(size=(n, COMPONENTS)) * np.linspace(6.0, 3.0, COMPONENTS)
    turned = np.linalg.qr(random.normal(size=(d, COMPONENTS)))[0]
    return np.asarray(strong @ turned.T + random.normal(size=(n, d)))


def apart(components: NDArray[Any], exact: NDArray[Any]) -> float:
    """Return the sine of the greatest angle between two subspaces of orthonormal rows."""
    rest = components - (components @ exact.T) @ exact
    return float(np.linalg.norm(rest, 2))


def beside(n: int, d: int, path: str) -> tuple[dict[str, Any], dict[str, Any], NDArray[np.float64]]:
    """Return times, fitted models and the exact components of so many rows, written to a path."""
    X, models = rows_of(n, d), {}
    table = pa.table({f"x{j}": column for j, column in enumerate(X.T)})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    del table
    exact = np.linalg.eigh(np.cov(X.T))[1][:, ::-1][:, :COMPONENTS].T
    del X
    source = ParquetSource(path)

    def ours() -> None:
        models["scalable"] = PCA(COMPONENTS).fit(source)

    def theirs() -> None:
        model = IncrementalPCA(COMPONENTS)
        for batch in pq.ParquetFile(path).iter_batches(64 * 5 * d):
            some = np.column_stack([column.to_numpy() for column in batch.columns])
            for part in gen_batches(len(some), 5 * d, min_batch_size=COMPONENTS):
                model.partial_fit(some[part])
        models["scikit-learn"] = model

    return in_turns({"scalable": ours, "scikit-learn": theirs}, n, 2), models, exact


def measure(rows: int) -> dict[str, Any]:
    """Return a row a width: times, ratio, and angles to the exact subspace."""
    found = []
    for d in (28, 500):
        n = max(20 * d, rows * VALUES // d)
        with tempfile.TemporaryDirectory() as scratch:
            times, models, exact = beside(n, d, f"{scratch}/rows.parquet")
        found.append({
            "rows": n, "columns": d, "times": times,
            "times_as_fast": times["scikit-learn"]["wall_ns_per_row"] / times["scalable"]["wall_ns_per_row"],
            "apart": {name: apart(model.components_, exact) for name, model in models.items()},
        })  # fmt: skip
    return {"widths": found}
