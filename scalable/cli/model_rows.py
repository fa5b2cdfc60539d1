"""Rows of a dataset as the matrix a model's engines take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.planned import Source
from scalable.execution.rounds import sample_shards


def rows_from(predictor: Any, source: Source, limit: int) -> NDArray[np.float64]:
    """Return rows from the heads of evenly spaced shards, encoded for a predictor.

    Returns
    -------
    float64 array of shape (n_rows, n_features)
    """
    names = list(predictor.needed)
    raw_blocks = (raw for shard in sample_shards(source, limit) for raw in source.raw_blocks(shard, names))
    return np.concatenate([predictor.matrix(raw) for raw in raw_blocks])
