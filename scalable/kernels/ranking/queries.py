"""How well scores order the rows of each query: NDCG and average precision at several places."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel


@kernel()
def rank_queries(
    edges: np.ndarray,
    label: np.ndarray,
    score: np.ndarray,
    gains: np.ndarray,
    discounts: np.ndarray,
    places: np.ndarray,
    ndcg: np.ndarray,
    chance: np.ndarray,
    precision: np.ndarray,
) -> None:
    """Measure every query; rows of one score keep their order, as in LightGBM.

    NDCG is that of Jarvelin and Kekalainen, "Cumulated gain-based evaluation of IR techniques" (2002), NaN for a
    query in which nothing has a gain; average precision counts labels above one half, and is 1 where there is none.

    Parameters
    ----------
    edges : int64 array (n_queries + 1,)
        Where the rows of each query begin, and the last one's end.
    label, score : float64 array (n_rows,)
    gains : float64 array (n_labels,)
        Gain of each label; empty where NDCG is not wanted, and labels may be any numbers.
    discounts : float64 array of at least as many as the largest query has rows
        Of each place.
    places : int64 array (n_places,)
        Rising: how many of the first rows count.
    ndcg, chance, precision : float64 array (n_queries, n_places)
        Output; `chance` is NDCG in the mean over all orders of the rows. Both are left alone without gains.
    """
    ideal = np.empty(gains.size, np.int64)
    for q in range(edges.size - 1):
        low, n = edges[q], edges[q + 1] - edges[q]
        order = np.argsort(-score[low : low + n], kind="mergesort")
        positives, total, reach = 0, 0.0, 0.0
        ideal[:] = 0
        for i in range(low, low + n):
            positives += label[i] > 0.5
            if gains.size:
                ideal[int(label[i])] += 1
                total += gains[int(label[i])]
        found, best, hits, average = 0.0, 0.0, 0, 0.0
        top, done = gains.size - 1, 0
        for p in range(places.size):
            stop = min(places[p], n)
            for i in range(done, stop):
                y = label[low + order[i]]
                if y > 0.5:
                    hits += 1
                    average += hits / (i + 1.0)
                if gains.size:
                    found += gains[int(y)] * discounts[i]
                    while ideal[top] == 0:
                        top -= 1
                    ideal[top] -= 1
                    best += gains[top] * discounts[i]
                    reach += discounts[i]
            done = max(done, stop)
            precision[q, p] = average / min(positives, stop) if positives else 1.0
            if gains.size:
                ndcg[q, p] = found / best if best > 0.0 else np.nan
                chance[q, p] = total / n * reach / best if best > 0.0 else np.nan
