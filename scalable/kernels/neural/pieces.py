"""Piecewise-linear embeddings of numbers (Gorishniy, Rubachev and Babenko, 2022).

A number becomes as many as its column has pieces: 1 for each piece that lies below it, 0 for each above, and a share of
the one that it is in. The first and the last piece go on for ever.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel


@kernel()
def through_pieces(x: np.ndarray, edges: np.ndarray, n_pieces: np.ndarray, out: np.ndarray) -> None:
    """Write how far the numbers of each row are through the pieces of their columns.

    Parameters
    ----------
    x : array of shape (n, d)
        Numbers.
    edges : array of shape (sum(n_pieces) + d,)
        Where the pieces of each column begin, and where its last one ends; ascending within a column.
    n_pieces : int64 array of shape (d,)
        Pieces of each column, at least one.
    out : array of shape (n, >= sum(n_pieces))
        The first columns are written.
    """
    scales = np.empty_like(edges)
    for k in range(edges.size - 1):  # those across two columns are not used
        scales[k] = 1.0 / (edges[k + 1] - edges[k]) if edges[k + 1] > edges[k] else 0.0
    low, high = edges.dtype.type(0.0), edges.dtype.type(1.0)
    for i in range(x.shape[0]):
        to = at = np.uint64(0)
        for j in range(x.shape[1]):
            v, last = x[i, j], np.uint64(n_pieces[j] - 1)
            for k in range(last + np.uint64(1)):
                share = (v - edges[at + k]) * scales[at + k]
                share = share if share > low or k == 0 else low
                out[i, to + k] = share if share < high or k == last else high
            to += last + np.uint64(1)
            at += last + np.uint64(2)
