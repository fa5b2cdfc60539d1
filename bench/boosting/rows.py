"""Rows that the sections train on, written once into the benchmark data directory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.data import directory

COLUMNS = 28
TEST_ROWS = 100_000
FILE_ROWS = 10**6


def rows_of(n: int, seed: int, columns: int = COLUMNS) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 features of shape (n, columns) and labels: a few products drive the log odds."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, columns), np.float32)
    odds = X[:, 0] + X[:, 1] * X[:, 2] + np.abs(X[:, 3]) - 1
    return X, (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int8)


def wide(n_rows: int) -> Path:
    """Return the directory of `n_rows` x 28 float32 rows and a label, in files of a million, written if need be."""
    target = directory() / f"boosting-{n_rows}x{COLUMNS}"
    target.mkdir(exist_ok=True)
    for k, start in enumerate(range(0, n_rows, FILE_ROWS)):
        path = target / f"part-{k:04d}.parquet"
        if path.exists():
            continue
        X, y = rows_of(min(FILE_ROWS, n_rows - start), k)
        table = pa.table({**{f"x{j}": X[:, j] for j in range(COLUMNS)}, "y": y})
        scratch = path.with_suffix(".tmp")
        pq.write_table(table, scratch, compression="none", use_dictionary=False, row_group_size=2**17)
        os.replace(scratch, path)
    return target


def held_out(place: Path) -> str:
    """Write rows that no training file holds; return the file's path."""
    X, y = rows_of(TEST_ROWS, 10**6)
    path = place / "held_out.npz"
    np.savez(path, X=X, y=y)
    return str(path)
