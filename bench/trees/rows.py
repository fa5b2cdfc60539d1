"""Rows for growing trees alone, binned already: what is measured is the trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.dataset.lightgbm_api import reference_from_sample, serialize_reference
from scalable.boosting.native.bins import Bins
from scalable.boosting.native.boost import Boosting
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.rows import Rows
from scalable.boosting.native.settings import Settings

SAMPLE = 200_000
BLOCK = 2**16


def numbers(n_rows: int, n_columns: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return normal columns and log odds with a line, a product and a wave."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_columns), np.float32)
    z = X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * np.sin(3 * X[:, 3])
    return X, z + rng.logistic(size=n_rows)


def target_of(noisy: NDArray[np.float64], params: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return 0 and 1 for a binary objective, else the numbers themselves."""
    return (noisy > 0).astype(np.float64) if params["objective"] == "binary" else noisy


def rows_of(
    X: NDArray[np.float32], y: NDArray[np.float64], params: Mapping[str, Any], n_threads: int
) -> Rows:
    """Return rows in the bins that LightGBM finds for a sample of them."""
    names = [f"x{j}" for j in range(X.shape[1])]
    dataset_params = {**params, "num_threads": 1, "verbosity": -1}
    step = max(1, len(X) // SAMPLE)
    columns = [np.ascontiguousarray(X[::step, j], np.float64) for j in range(X.shape[1])]
    made = reference_from_sample(columns, n_rows=len(X), params=dataset_params, names=names)
    bins = Bins.read(serialize_reference(made), dataset_params, params, names)
    rows = Rows(bins, [(0, len(X))], n_threads, 1, weighted=False)
    for start in range(0, len(X), BLOCK):
        block = X[start : start + BLOCK]
        rows.push(list(block.T), y[start : start + BLOCK].astype(np.float32), None, None, start=start)
    return rows


def binned_rows(n_rows: int, n_columns: int, params: Mapping[str, Any], n_threads: int, seed: int) -> Rows:
    """Return rows of `numbers`, binned."""
    X, noisy = numbers(n_rows, n_columns, seed)
    return rows_of(X, target_of(noisy, params), params, n_threads)


def grower_of(rows: Rows, params: Mapping[str, Any], crew: Crew) -> Boosting:
    """Return what grows trees on rows."""
    return Boosting(rows, params, Settings.of(params), crew)
