"""Answers to single rows: the first product is that of a linear model over encoded columns, the rest one kernel."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.features.categories import PARTS
from scalable.features.linear_encoder import LinearEncoder
from scalable.inference.request.answers import linear_answer
from scalable.kernels.neural import neural_row as rows
from scalable.kernels.neural.activations import ACTIVATIONS
from scalable.neural.network import Network

MOST_CELLS = 2**24  # of the first product's table; beyond, a row is a block of one
_NORMS = {None: rows.NO_NORM, "batch": rows.BATCH, "layer": rows.LAYER}


def answer_of(
    encoder: LinearEncoder, network: Network, finish: Callable[[NDArray[np.float64]], Any]
) -> Callable[..., Any] | None:
    """Return ``f(row, missing_keys="refuse")``, see `scalable.inference.request.answers.linear_answer`.

    Parameters
    ----------
    encoder, network
        Of the model.
    finish : callable
        What makes the prediction of scores, float64 (n_outputs, 1).

    Returns
    -------
    callable or None
        None where several columns share buckets, of which each has weights of its own, where numbers are cut into
        pieces or waves, or the table would be large.
    """
    coef = _first_product(encoder, network)
    if coef is None:
        return None
    plan = row_plan(network)

    def answer(first: NDArray[np.float64]) -> Any:
        return finish(rows.finish_row(first[:, 0], plan)[:, None])

    return linear_answer(encoder, coef, False, answer)


def row_plan(network: Network) -> rows.RowPlan:
    """Return what `finish_row` takes."""
    shape, arrays, moments = network.shape, network.arrays, network.moments
    layers, hidden = len(shape.hidden) + 1, len(shape.hidden)

    def joined(name: str, of: Any, first: int, last: int) -> NDArray[Any]:
        parts = [of[f"{name}_{k}"].reshape(-1) for k in range(first, last) if f"{name}_{k}" in of]
        return np.concatenate([np.empty(0, np.float32), *parts])

    return rows.RowPlan(
        np.array(shape.widths[1:], np.int64),
        joined("weights", arrays, 1, layers),
        joined("bias", arrays, 0, layers),
        joined("gain", arrays, 0, hidden),
        joined("mean", moments, 0, hidden),
        joined("variance", moments, 0, hidden),
        _NORMS[shape.norm],
        ACTIVATIONS[shape.activation],
        shape.residual,
    )


def _first_product(encoder: LinearEncoder, network: Network) -> NDArray[np.float64] | None:
    """Return the first layer as coefficients of dense columns, an intercept of 0, and feature indices."""
    ranges = _ranges(encoder)
    weights, d = network.arrays["weights_0"].astype(np.float64), encoder.n_columns
    width, e = weights.shape[1], network.shape.embedding
    if (
        network.shape.pieces
        or network.shape.frequencies
        or ranges is None
        or width * (d + 1 + encoder.n_indices) > MOST_CELLS
    ):
        return None
    coef = np.zeros((width, d + 1 + encoder.n_indices))
    coef[:, :d] = weights[:d].T
    for c, (start, stop) in enumerate(ranges):
        block = weights[d + c * e : d + (c + 1) * e]
        coef[:, d + 1 + start : d + 1 + stop] = (network.table[start:stop] @ block).T
    return coef


def _ranges(encoder: LinearEncoder) -> list[tuple[int, int]] | None:
    """Return the feature indices that each place of a row can have; None where places share some."""
    found: list[tuple[int, int]] = []
    for column, base in zip(encoder.columns, encoder.bases, strict=True):
        if column.action == "known":
            found.append((base, base + column.n_known))
        elif column.action == "hashed":
            found.append((encoder.n_known, encoder.n_indices))
        elif column.action == "number":
            edges = np.cumsum([base, *(PARTS[part] + 1 for part in column.calendar)]).tolist()
            found += pairwise(edges)
    hashed = sum(column.action == "hashed" for column in encoder.columns)
    return None if hashed > 1 else found
