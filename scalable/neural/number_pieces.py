"""Where numbers are cut into pieces: at the quantiles of a sample of the encoded rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scalable.data.source import Source
from scalable.execution.executors import Executor
from scalable.features.linear_encoder import LinearEncoder
from scalable.features.row_sample import sampled_blocks

SAMPLE = 2**14  # rows; a quantile is then off by four thousandths of the rows at most
LEAST_WIDTH = 1e-3  # of a piece, in standard deviations: a shorter one would be a step


def edges_of(
    source: Source, encoder: LinearEncoder, executor: Executor, most: int
) -> tuple[tuple[int, ...], NDArray[np.float32]]:
    """Return how many pieces each dense column of an encoder has, at most `most`, and where they begin and end.

    Parameters
    ----------
    source : Source
        Rows of which a sample is drawn in one pass.
    encoder : LinearEncoder
        Of these rows.
    executor : Executor
        Who reads.
    most : int
        Pieces a column.

    Returns
    -------
    tuple of int, float32 array
        As `scalable.neural.network.Shape.pieces` and `Network.edges` are.
    """
    features = encoder.features_only
    names = tuple(features.needed)
    columns = [features.encode(raw).columns for raw in sampled_blocks(source, names, SAMPLE, executor)]
    rows = np.concatenate([np.empty((encoder.n_columns, 0), np.float32), *columns], axis=1)
    found = [_column_edges(row, most) for row in rows]
    joined = np.concatenate([np.empty(0, np.float32), *found])
    return tuple(len(edges) - 1 for edges in found), joined


def check_edges(edges: NDArray[np.float32], pieces: tuple[int, ...]) -> None:
    """Raise ValueError where pieces do not go up."""
    ends = np.cumsum([n + 1 for n in pieces])
    if any((np.diff(some) <= 0.0).any() for some in np.split(edges, ends[:-1].astype(np.intp)) if len(some)):
        raise ValueError("pieces that end before they begin")


def _column_edges(values: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    quantiles = np.zeros(1)
    if len(values):
        quantiles = np.quantile(values, np.linspace(0.0, 1.0, most + 1), method="inverted_cdf")
    kept = [float(quantiles[0])]
    for edge in quantiles[1:].tolist():
        if edge - kept[-1] >= max(LEAST_WIDTH, 1e-6 * abs(edge)):  # what float32 tells apart
            kept.append(edge)
    return np.array(kept if len(kept) > 1 else [kept[0], kept[0] + max(1.0, abs(kept[0]))], np.float32)
