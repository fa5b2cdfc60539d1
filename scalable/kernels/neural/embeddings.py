"""Embeddings of categories: rows of a table beside the numbers of a row, and what their gradients move.

Only the rows of the table that a batch has are moved (as the lazy Adam of TensorFlow does): a step costs what the batch
costs, not what the table does.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.neural.updates import StepRule, moved


@kernel()
def embed(x: np.ndarray, ids: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """Write the numbers of each row, then the embedding of each of its feature indices.

    Parameters
    ----------
    x : array of shape (n, d) or (n, 0)
        Numbers; none where `out` has them already.
    ids : int32 array of shape (n, h)
        Rows of the table; not checked.
    table : array of shape (n_indices, e)
        Embeddings.
    out : array of shape (n, d + h * e)
        Written to.
    """
    e = table.shape[1]
    d = out.shape[1] - ids.shape[1] * e
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j]
        for c in range(ids.shape[1]):
            row = table[np.uint64(ids[i, c])]
            for j in range(e):
                out[i, d + c * e + j] = row[j]


@kernel()
def move_embeddings(
    ids: np.ndarray, gradient: np.ndarray, d: int, rule: StepRule, table: np.ndarray, moments: np.ndarray,
    sums: np.ndarray, touched: np.ndarray,
) -> None:  # fmt: skip
    """Move the embeddings of a batch.

    Parameters
    ----------
    ids : int32 array of shape (n, h)
        See `embed`.
    gradient : array of shape (n, d + h * e)
        With respect to what `embed` wrote.
    d : int
        Numbers a row, before the embeddings.
    rule : StepRule
        How parameters move.
    table : array of shape (n_indices, e)
        Changed.
    moments : array of shape (2, n_indices, e)
        State of the optimizer; changed.
    sums : array of shape (n_indices, e)
        Zeros, before and after.
    touched : bool array of shape (n_indices,)
        False, before and after.
    """
    e = table.shape[1]
    for i in range(ids.shape[0]):
        for c in range(ids.shape[1]):
            k = np.uint64(ids[i, c])
            touched[k] = True
            for j in range(e):
                sums[k, j] += gradient[i, d + c * e + j]
    for i in range(ids.shape[0]):
        for c in range(ids.shape[1]):
            k = np.uint64(ids[i, c])
            if touched[k]:
                touched[k] = False
                for j in range(e):
                    table[k, j] = moved(rule, table[k, j], sums[k, j], moments[:, k, j], False)
                    sums[k, j] = 0.0
