"""Gradients of XE-NDCG-MART: the cross-entropy between the gains of a query's rows and the softmax of their scores.

Bruch, "An alternative cross entropy loss for learning-to-rank" (2021), with LightGBM's approximation of second order
and its random numbers. A query is summed by one thread in the order of its rows, so that the sums are the same bits
wherever it lies.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.elementary import exp
from scalable.kernels.jit import kernel

TINY = 1e-15
FACTOR, STEP, WORD = np.int64(214013), np.int64(2531011), np.int64(2**32 - 1)  # of LightGBM's generator


@kernel()
def xendcg_gradients(
    edges: np.ndarray,
    first: int,
    last: int,
    score: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    seed: int,
    g: np.ndarray,
    h: np.ndarray,
) -> None:
    """Write gradients and hessians of the rows of queries [first, last).

    Parameters
    ----------
    edges : int64 array (n_queries + 1,)
        Where the rows of each query begin, and the last one's end.
    first, last : int
        Queries.
    score : float64 array (n_rows,)
    label : float32 array (n_rows,)
        Whole numbers; a row gains two to the power of its own.
    weight : float32 array (n_rows,) or (0,)
        Of shape (0,) where all rows weigh 1.
    seed : int
        Query q draws its rows' numbers from ``seed + q``.
    g, h : float64 array (n_rows,)
        Output.
    """
    for q in range(first, last):
        low, n = edges[q], edges[q + 1] - edges[q]
        own, loss, slope = score[low : low + n], g[low : low + n], h[low : low + n]
        if n < 2:
            loss[:] = 0.0
            slope[:] = 0.0
            continue
        top, odds, gains = own[0], 0.0, 0.0
        for i in range(n):
            top = max(top, own[i])
        share, term = np.empty(n), np.empty(n)
        state = np.int64(seed + q) & WORD
        for i in range(n):
            share[i] = exp(own[i] - top)
            odds += share[i]
            state = (FACTOR * state + STEP) & WORD
            term[i] = 2.0 ** int(label[low + i]) - ((state >> 16) & 0x7FFF) / 32768.0
            gains += term[i]
        gains = max(gains, TINY)
        one = two = 0.0
        for i in range(n):
            share[i] /= odds
            loss[i] = share[i] - term[i] / gains
            term[i] = loss[i] / (1.0 - share[i])
            one += term[i]
        for i in range(n):
            more = share[i] * (one - term[i])
            loss[i] += more
            term[i] = more / (1.0 - share[i])
            two += term[i]
        for i in range(n):
            loss[i] += share[i] * (two - term[i])
            slope[i] = share[i] * (1.0 - share[i])
            if weight.size:
                loss[i] *= weight[low + i]
                slope[i] *= weight[low + i]
