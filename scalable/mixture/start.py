"""Where clustering starts: k-means++ on a sample that is spread over the whole dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import kmeans_plusplus

from scalable import lapack
from scalable.errors import DataError
from scalable.execution.executors import Executor
from scalable.execution.iterate import Iterated, State
from scalable.execution.reader import BlockReader
from scalable.features.row_sample import sampled_blocks
from scalable.models.arrays.model import complete
from scalable.models.parameters import seed_of

SAMPLE = 2**15


def sample_rows(executor: Executor, reader: BlockReader, seed: int) -> NDArray[np.float64]:
    """Return at most about `SAMPLE` rows, one from each stretch of the dataset, float64 (n_rows, n_columns)."""
    source, encoder = reader.source, reader.encoder
    assert encoder is not None
    names = tuple(encoder.needed)
    raw = sampled_blocks(source, names, SAMPLE, executor, seed=seed)
    if not raw:
        raise DataError(f"{source.describe_place()}: no row to start from; look at the filters")
    rows = np.concatenate([complete(encoder.encode(block), names).T for block in raw])
    with np.errstate(over="ignore"):  # what is too large is refused by who squares it
        lapack.require_squares(np.ptp(rows, axis=0))
    return rows


def first_centers(rows: NDArray[np.float64], k: int, random: np.random.RandomState) -> NDArray[np.float64]:
    """Return `k` rows far from each other (Arthur and Vassilvitskii, 2007), shape (k, n_columns)."""
    if k > len(rows):
        raise DataError(f"n_samples={len(rows)} rows are fewer than the {k} clusters wanted; ask for fewer")
    centers, _ = kmeans_plusplus(rows, k, random_state=random)
    return np.asarray(centers)


def best_of(runs: Iterable[Iterated[State]]) -> Iterated[State]:
    """Return the first of the runs that end at the least objective."""
    return min(runs, key=lambda run: run.state.objective)


def seeds(random_state: Any, n: int) -> list[int]:
    """Return `n` seeds of a seed, a generator or None."""
    return [int(seed) for seed in np.random.RandomState(seed_of(random_state)).randint(2**31 - 1, size=n)]
