"""Gradients of LambdaMART: what swapping two rows of a query would change in NDCG, pair by pair.

Burges, "From RankNet to LambdaRank to LambdaMART: an overview" (2010), with LightGBM's truncation and normalisation.
A query is summed by one thread in the order of its rows, so that the sums are the same bits wherever it lies.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.elementary import exp, log
from scalable.kernels.jit import kernel

LOG_2 = 0.6931471805599453


@kernel()
def best_gains(
    edges: np.ndarray,
    label: np.ndarray,
    gains: np.ndarray,
    discounts: np.ndarray,
    truncation: int,
    inverse: np.ndarray,
) -> None:
    """Write one over each query's greatest discounted gain; 0 where nothing has a gain.

    Parameters
    ----------
    edges : int64 array (n_queries + 1,)
        Where the rows of each query begin, and the last one's end.
    label : float32 array (n_rows,)
        Whole numbers below the number of gains.
    gains : float64 array (n_labels,)
    discounts : float64 array of at least as many as the largest query has rows
        Of each place.
    truncation : int
        Places that count.
    inverse : float64 array (n_queries,)
        Output.
    """
    counts = np.empty(gains.size, np.int64)
    for q in range(edges.size - 1):
        counts[:] = 0
        for i in range(edges[q], edges[q + 1]):
            counts[int(label[i])] += 1
        best, top = 0.0, gains.size - 1
        for place in range(min(truncation, edges[q + 1] - edges[q])):
            while counts[top] == 0:
                top -= 1
            counts[top] -= 1
            best += gains[top] * discounts[place]
        inverse[q] = 1.0 / best if best > 0.0 else 0.0


@kernel()
def lambda_gradients(
    edges: np.ndarray,
    first: int,
    last: int,
    score: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    gains: np.ndarray,
    discounts: np.ndarray,
    inverse: np.ndarray,
    truncation: int,
    sigmoid: float,
    normed: bool,
    g: np.ndarray,
    h: np.ndarray,
) -> None:
    """Write gradients and hessians of the rows of queries [first, last).

    Parameters
    ----------
    edges, label, gains, discounts, inverse, truncation
        As for `best_gains`.
    first, last : int
        Queries.
    score : float64 array (n_rows,)
    weight : float32 array (n_rows,) or (0,)
        Of shape (0,) where all rows weigh 1.
    sigmoid : float
        Steepness of a pair's loss.
    normed : bool
        Whether pairs far apart, and queries of many wrong pairs, count less.
    g, h : float64 array (n_rows,)
        Output.
    """
    for q in range(first, last):
        low, n = edges[q], edges[q + 1] - edges[q]
        own, loss, slope = score[low : low + n], g[low : low + n], h[low : low + n]
        loss[:] = 0.0
        slope[:] = 0.0
        order = np.argsort(-own, kind="mergesort")
        spread = normed and own[order[0]] != own[order[n - 1]]
        total = 0.0
        for i in range(min(truncation, n - 1)):
            a = order[i]
            for j in range(i + 1, n):
                b = order[j]
                if label[low + a] == label[low + b]:
                    continue
                better, worse = (a, b) if label[low + a] > label[low + b] else (b, a)
                apart = own[better] - own[worse]
                gap = gains[int(label[low + better])] - gains[int(label[low + worse])]
                change = gap * abs(discounts[i] - discounts[j]) * inverse[q]
                if spread:
                    change /= 0.01 + abs(apart)
                p = 1.0 / (1.0 + exp(sigmoid * apart))
                pull, bend = sigmoid * change * p, sigmoid * sigmoid * change * p * (1.0 - p)
                loss[better] -= pull
                loss[worse] += pull
                slope[better] += bend
                slope[worse] += bend
                total += 2.0 * pull
        if normed and total > 0.0:
            factor = log(1.0 + total) / LOG_2 / total
            for i in range(n):
                loss[i] *= factor
                slope[i] *= factor
        if weight.size:
            for i in range(n):
                loss[i] *= weight[low + i]
                slope[i] *= weight[low + i]
