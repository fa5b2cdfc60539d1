"""Columns of words in a file, each cut into stretches: read and summed in one call, however many there are.

Thousands of stretches of some kilobytes are read by each join: a call of Python's for each column of each takes longer
than the reading, and threads wait for each other meanwhile.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.parquet.files import read_bytes
from scalable.kernels.timeline.words import checksum


@kernel()
def sum_stretches(words: np.ndarray, starts: np.ndarray, sums: np.ndarray) -> None:
    """Write the checksum of each stretch of a column.

    Parameters
    ----------
    words : array of shape (n,), int64
    starts : array of shape (n_stretches + 1,), int64
        Where stretches start, and the end of the last.
    sums : array of shape (n_stretches,), int64
        Output.
    """
    for p in range(sums.size):
        sums[p] = checksum(words[starts[p] : starts[p + 1]])


@kernel()
def read_stretch(
    descriptor: int, starts: np.ndarray, sums: np.ndarray, p: int, into: np.ndarray, at: int
) -> bool:
    """Read stretch `p` of all columns, which lie one behind the other from the beginning of a file.

    Parameters
    ----------
    descriptor : int
        Open file.
    starts : array of shape (n_stretches + 1,), int64
        As of `sum_stretches`, of each column.
    sums : array of shape (n_columns, n_stretches), int64
        What `sum_stretches` wrote of each column.
    into : array of shape (n_columns, m), int64
        Output, from column `at` on.

    Returns
    -------
    bool
        False where the file ends early, cannot be read, or has other sums.
    """
    n, total = starts[p + 1] - starts[p], starts[starts.size - 1]
    for c in range(sums.shape[0]):
        to = np.int64(into.ctypes.data) + 8 * (c * into.shape[1] + at)
        if not read_bytes(descriptor, 8 * (c * total + starts[p]), to, 8 * n):
            return False
        if checksum(into[c, at : at + n]) != sums[c, p]:
            return False
    return True
