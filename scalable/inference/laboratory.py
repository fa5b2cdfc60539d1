"""`scalable latency`: a saved model, rows of a dataset, every measurement, as the sections of a results document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scalable.errors import DataError, UsageError
from scalable.inference import engines as registry
from scalable.inference import latency, open_loop

MAX_ROWS = 200_000
BATCHES = (10, 100, 1_000, 10_000, 100_000)


def load(model: Any, data: str, max_rows: int = MAX_ROWS) -> tuple[str, np.ndarray]:
    """Return a forest's text and about `max_rows` rows of a dataset as its trees see them.

    Parameters
    ----------
    model : path
        A saved forest, or LightGBM text, whose features are looked up in the data by name.
    data : str
        File, directory or glob of Parquet.

    Raises
    ------
    UsageError
        The model is linear.
    DataError
        The dataset has no rows.
    """
    from scalable.data.source import ParquetSource
    from scalable.data.values import numbers
    from scalable.execution.rounds import sample_shards
    from scalable.inference.model import load_model

    if Path(model).is_dir():
        predictor = load_model(model)
        if not hasattr(predictor, "booster"):
            raise UsageError(f"{model}: latency compares forests; this is a linear model")
        names, to_rows, text = predictor.needed, predictor.matrix, predictor.text
    else:
        text = registry.text_of(model)
        names = registry.describe(text).feature_names

        def to_rows(raw: Any) -> np.ndarray:
            return np.stack([numbers(raw.arrays[name]).astype(np.float64) for name in names], axis=1)

    source = ParquetSource(data, features=names)
    blocks = [raw for shard in sample_shards(source, max_rows) for raw in source.raw_blocks(shard, names)]
    if not blocks:
        raise DataError(f"{data}: has no rows to predict")
    return text, np.concatenate([to_rows(raw) for raw in blocks])


def examine(
    model: Any, data: str, engines: Sequence[str] | None = None, *, seed: int = 0, requests: int = 2000
) -> dict[str, Any]:
    """Measure a model on a dataset in every way.

    Parameters
    ----------
    model, data
        See `load`.
    engines : names, optional
        By default ours and every peer; those not installed are listed with the reason.
    seed : int
        Of shuffles and arrivals.
    requests : int
        Per run of the open loop.

    Returns
    -------
    dict
        Sections ``latency``, ``waterfall`` (our steps) and ``open_loop``.
    """
    text, rows = load(model, data)
    found = latency.measure(text, rows, engines or registry.PEERS, batch_sizes=BATCHES, seed=seed)
    steps = latency.measure(
        text, rows[:20_000], tuple(registry.STEPS), single_rows=100, batch_sizes=(1_000,), seed=seed
    )
    loaded = [name for name in ("lightgbm", "scalable") if engines is None or name in engines]
    served = open_loop.measure_open_loop(text, rows, loaded, requests=requests, seed=seed)
    return {"latency": found, "waterfall": latency.waterfall(steps), "open_loop": served}
