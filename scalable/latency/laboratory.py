"""`scalable latency`: a saved model, rows of a dataset, every measurement, as the sections of a results document."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scalable.errors import DataError, UsageError
from scalable.latency import engines as registry
from scalable.latency import latency, open_loop
from scalable.latency.requests import measure_requests
from scalable.registry.address import model_path

if TYPE_CHECKING:
    from scalable.data.source import Source

MAX_ROWS = 1_000_000
MAX_BYTES = 2**29  # of the rows as one float64 matrix; wider models get fewer rows
BATCHES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
THREADS = (1, 2)


def sample_rows(
    names: Sequence[str], encode: Callable[[Any], np.ndarray], source: Source, limit: int
) -> np.ndarray:
    """Return about `limit` rows, from the heads of evenly spaced shards, as a model's engines take them.

    Parameters
    ----------
    names : sequence of str
        Columns to decode.
    encode : callable
        From a `RawBlock` to a matrix (n_rows, n_features).

    Raises
    ------
    DataError
        There are no rows.
    """
    from scalable.execution.sampling import sample_shards

    chosen = sample_shards(source, limit)
    blocks = [encode(raw) for shard in chosen for raw in source.raw_blocks(shard, list(names))]
    if not blocks:
        raise DataError("the dataset has no rows to predict")
    return np.concatenate(blocks)


def load(model: Any, data: str, max_rows: int = MAX_ROWS) -> tuple[Any, np.ndarray]:
    """Return what engines are built from and about `max_rows` rows of a dataset as they take them.

    Parameters
    ----------
    model : path
        As for ``load_model``; features are looked up in the data by name.
    data : str
        File, directory or glob of Parquet.

    Raises
    ------
    UsageError
        A linear model that needs more than plain numbers.
    DataError
        The dataset has no rows.
    """
    from scalable.data.parquet import ParquetSource
    from scalable.models.predictors import load_model

    predictor = load_model(model)
    if predictor.kind not in MEASURED:
        raise UsageError(
            f"{model}: latency compares {' and '.join(MEASURED)} models, this one is {predictor.kind}"
        )
    facts, names, encode = MEASURED[predictor.kind](model, predictor)
    limit = min(max_rows, MAX_BYTES // (8 * facts.shape["features"]))
    return facts, sample_rows(names, encode, ParquetSource(data, features=names), limit)


def _plain_forest(path: Any, model: Any) -> tuple[Any, list[str], Callable[[Any], np.ndarray]]:
    """Return facts, columns and encoding of a forest in a file of its own."""
    from scalable.inference.forest.file import is_compiled

    lightgbm = model.forest.forest.library == "lightgbm" and not is_compiled(path)
    facts = (
        registry.describe(registry.text_of(path)) if lightgbm else registry.describe_compiled(model.forest)
    )
    return facts, model.needed, model.matrix


def _forest(path: Any, model: Any) -> tuple[Any, list[str], Callable[[Any], np.ndarray]]:
    """Return facts, columns and encoding of a saved forest."""
    return registry.describe(model.text), model.needed, model.matrix


def _linear(path: Any, model: Any) -> tuple[Any, list[str], Callable[[Any], np.ndarray]]:
    """Return facts, columns and encoding of a saved linear model."""
    n = model.encoder.n_columns
    if model.encoder.n_indices or model.link not in ("identity", "logistic", "softmax"):
        raise UsageError(
            f"{path}: latency compares forests, and linear models of plain numbers with the link identity, logistic "
            f"or softmax; this one has the link {model.link} and {model.encoder.n_indices:,} feature indices for text"
        )
    facts = registry.LinearFacts(model.coef[:, :n], model.coef[:, n], model.link)
    return facts, model.needed, lambda raw: model.encode(raw).columns.T.astype(np.float64)


MEASURED = {"forest": _forest, "linear": _linear, "plain forest": _plain_forest}  # by kind of model


def examine(
    model: Any, data: str, engines: Sequence[str] | None = None, *, seed: int = 0, requests: int = 2000,
    max_rows: int = MAX_ROWS,
) -> dict[str, Any]:  # fmt: skip
    """Measure a model on a dataset in every way.

    Parameters
    ----------
    model, data, max_rows
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
        Sections ``latency``, ``requests`` and, for forests, ``waterfall`` (our steps) and ``open_loop``.
    """
    if isinstance(model, str | os.PathLike):
        model = model_path(model)
    facts, rows = load(model, data, max_rows)
    forest = isinstance(facts, registry.ForestModel)
    named = engines or (registry.PEERS if forest else registry.LINEAR)
    found = latency.measure(facts, rows, named, batch_sizes=BATCHES, threads=THREADS, seed=seed)
    asked = measure_requests(model, facts, rows, data)
    if not forest:
        return {"latency": found, "requests": asked}
    steps = latency.measure(
        facts, rows[:20_000], tuple(registry.STEPS), single_rows=100, batch_sizes=(1_000,), seed=seed
    )
    loaded = [name for name in ("lightgbm", "scalable") if engines is None or name in engines]
    served = open_loop.measure_open_loop(facts, rows, loaded, requests=requests, seed=seed)
    return {
        "latency": found,
        "requests": asked,
        "waterfall": latency.waterfall(steps),
        "open_loop": served,
    }
