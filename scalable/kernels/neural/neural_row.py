"""One row through the layers behind the first, in double precision, in one call."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.neural.activations import GELU, RELU, _gate
from scalable.kernels.neural.normalization import EPSILON

NO_NORM, BATCH, LAYER = 0, 1, 2


class RowPlan(NamedTuple):
    """A network for `finish_row`; arrays of all layers, one behind the other.

    Attributes
    ----------
    widths : int64 array
        Units of the hidden layers, and the scores.
    weights, bias : float32 arrays
        Of the layers behind the first product, by rows of inputs; of all layers.
    gain, mean, variance : float32 arrays
        Of the hidden layers, as far as they are normalised.
    norm, kind : int
        `NO_NORM`, `BATCH` or `LAYER`; the activation.
    residual : bool
        Whether layers of one width are added to.
    """

    widths: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    gain: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    norm: int
    kind: int
    residual: bool


@kernel()
def finish_row(first: np.ndarray, plan: RowPlan) -> np.ndarray:
    """Return the scores of a row.

    Parameters
    ----------
    first : float64 array of shape (k,)
        The first layer's product.
    plan : RowPlan
        The network.
    """
    z = first.copy()
    before = np.empty(0)
    at = units = 0
    for layer in range(plan.widths.size):
        width = plan.widths[layer]
        if layer > 0:
            z = np.zeros(width)
            for i in range(before.size):
                for j in range(width):
                    z[j] += before[i] * plan.weights[at + i * width + j]
            at += before.size * width
        hidden = layer < plan.widths.size - 1
        if hidden and plan.norm == LAYER:
            mean = z.mean()
            scale = 1.0 / np.sqrt(((z - mean) ** 2).mean() + EPSILON)
            for j in range(width):
                z[j] = (z[j] - mean) * scale * plan.gain[units + j]
        elif hidden and plan.norm == BATCH:
            for j in range(width):
                scale = plan.gain[units + j] / np.sqrt(plan.variance[units + j] + EPSILON)
                z[j] = (z[j] - plan.mean[units + j]) * scale
        for j in range(width):
            z[j] += plan.bias[units + j]
            if hidden and plan.kind == RELU:
                z[j] = max(z[j], 0.0)
            elif hidden and plan.kind == GELU:
                gate, _ = _gate(z[j])
                z[j] *= gate
        if hidden and plan.residual and before.size == width:
            z += before
        units += width
        before = z
    return z
