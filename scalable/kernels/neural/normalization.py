"""Layer normalisation (Ba et al., 2016) and batch normalisation (Ioffe and Szegedy, 2015), and their gradients.

What is shifted afterwards is the layer's bias, see `scalable.kernels.neural.activations`.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel

EPSILON = 1e-5


@kernel(fastmath=True)
def layer_norm(z: np.ndarray, gain: np.ndarray, inverse: np.ndarray, out: np.ndarray) -> None:
    """Standardise every row of `z` in place, and write ``gain`` times it.

    Parameters
    ----------
    z : array of shape (n, k)
        Products; standardised afterwards.
    gain : array of shape (k,)
        Factor of each unit.
    inverse : array of shape (n,)
        Written to: one over the deviation of each row.
    out : array of shape (n, k)
        Written to.
    """
    n, k = z.shape
    for i in range(n):
        row = z[i]
        mean = 0.0
        for j in range(k):
            mean += row[j]
        mean /= k
        square = 0.0
        for j in range(k):
            square += (row[j] - mean) * (row[j] - mean)
        scale = 1.0 / np.sqrt(square / k + EPSILON)
        inverse[i] = scale
        for j in range(k):
            row[j] = (row[j] - mean) * scale
            out[i, j] = row[j] * gain[j]


@kernel(fastmath=True)
def layer_norm_backward(
    z: np.ndarray, gain: np.ndarray, inverse: np.ndarray, gradient: np.ndarray, slope: np.ndarray
) -> None:
    """Replace the gradient of `layer_norm`'s output by that of its input, and write that of the gains to `slope`."""
    n, k = z.shape
    for j in range(k):
        slope[j] = 0.0
    for i in range(n):
        row, g = z[i], gradient[i]
        mean, along = 0.0, 0.0
        for j in range(k):
            slope[j] += g[j] * row[j]
            g[j] *= gain[j]
            mean += g[j]
            along += g[j] * row[j]
        mean, along = mean / k, along / k
        for j in range(k):
            g[j] = (g[j] - mean - row[j] * along) * inverse[i]


@kernel(fastmath=True)
def batch_norm(
    z: np.ndarray, gain: np.ndarray, mean: np.ndarray, variance: np.ndarray, out: np.ndarray
) -> None:
    """Standardise every unit of `z` in place by its moments over the batch, which are written; and scale it.

    Parameters
    ----------
    z, gain, out
        See `layer_norm`.
    mean, variance : arrays of shape (k,)
        Written to.
    """
    n, k = z.shape
    sums, squares = np.zeros(k), np.zeros(k)
    for i in range(n):
        for j in range(k):
            sums[j] += z[i, j]
    for j in range(k):
        sums[j] /= n
        mean[j] = sums[j]
    for i in range(n):
        for j in range(k):
            squares[j] += (z[i, j] - sums[j]) * (z[i, j] - sums[j])
    for j in range(k):
        variance[j] = squares[j] / n
    standardise(z, gain, mean, variance, out)


@kernel(fastmath=True)
def standardise(
    z: np.ndarray, gain: np.ndarray, mean: np.ndarray, variance: np.ndarray, out: np.ndarray
) -> None:
    """Do `batch_norm` with moments that are known: those of training, at prediction."""
    n, k = z.shape
    scale = np.empty(k, z.dtype)
    for j in range(k):
        scale[j] = 1.0 / np.sqrt(variance[j] + EPSILON)
    for i in range(n):
        for j in range(k):
            z[i, j] = (z[i, j] - mean[j]) * scale[j]
            out[i, j] = z[i, j] * gain[j]


@kernel(fastmath=True)
def batch_norm_backward(
    z: np.ndarray, gain: np.ndarray, variance: np.ndarray, gradient: np.ndarray, slope: np.ndarray
) -> None:
    """Replace the gradient of `batch_norm`'s output by that of its input, and write that of the gains to `slope`."""
    n, k = z.shape
    sums, along = np.zeros(k), np.zeros(k)
    for i in range(n):
        for j in range(k):
            sums[j] += gradient[i, j]
            along[j] += gradient[i, j] * z[i, j]
    for j in range(k):
        slope[j] = along[j]
        along[j] /= n
        sums[j] /= n
    for i in range(n):
        for j in range(k):
            scale = gain[j] / np.sqrt(variance[j] + EPSILON)
            gradient[i, j] = (gradient[i, j] - sums[j] - z[i, j] * along[j]) * scale
