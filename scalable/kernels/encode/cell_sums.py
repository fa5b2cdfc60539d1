"""What a target is in the cells of one column: weights, targets and their squares, summed by half of the rows."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel

STRIP = 256


@kernel()
def cells_of_numbers(x: np.ndarray, edges: np.ndarray, steps: int, missing: int, cells: np.ndarray) -> None:
    """Write the cell of each value: twice the edges below it, and one more at an edge.

    Many values are searched side by side and without branches, so that neither a wrong guess nor a wait for memory
    holds one up.

    Parameters
    ----------
    x : float32 or float64 array of shape (n,)
        Values; NaN is missing.
    edges : float64 array of shape (2 ** steps,)
        Ascending, padded with NaN, of which no value is above or at; at least one of them is padding.
    steps : int
        Halvings of the search.
    missing : int
        Cell of NaN.
    cells : int32 array of shape (n,)
        Output.
    """
    value = np.empty(STRIP)
    place = np.empty(STRIP, np.uint32)  # unsigned: Numba lets signed places count from the end
    for start in range(0, x.size, STRIP):
        n = min(STRIP, x.size - start)
        for i in range(n):
            value[i] = x[start + i]
            place[i] = np.uint32(0)
        half = 1 << steps
        for _ in range(steps):
            half >>= 1
            probes, more = edges[half - 1 :], np.uint32(half)
            for i in range(n):
                place[i] += more if probes[place[i]] < value[i] else np.uint32(0)
        for i in range(n):
            v = value[i]
            cell = np.int32(2 * place[i]) + np.int32(1 if edges[place[i]] == v else 0)
            cells[start + i] = np.int32(missing) if np.isnan(v) else cell


@kernel()
def add_to_cells(
    cells: np.ndarray, halves: np.ndarray, y: np.ndarray, weight: np.ndarray, by_class: bool, sums: np.ndarray
) -> None:
    """Add rows to the sums of their cells.

    Parameters
    ----------
    cells : int32 array of shape (n,)
        Within ``sums.shape[1]``; not checked.
    halves : uint8 array of shape (n,)
        0 or 1.
    y : float64 array of shape (n,)
        Targets, or indices of classes.
    weight : float64 array of shape (n,) or (0,)
        Weights; empty where all are 1.
    by_class : bool
        Whether the targets are the indicators of each class.
    sums : float64 array of shape (2, n_cells, 1 + 2 * n_outputs)
        Weight, then of each output the weighted sum, then that of its squares; updated.
    """
    n_outputs = (sums.shape[2] - 1) // 2
    for i in range(cells.size):
        half, cell = np.uint64(halves[i]), np.uint64(cells[i])
        w = weight[i] if weight.size else 1.0
        sums[half, cell, 0] += w
        if by_class:
            k = np.uint64(y[i])
            sums[half, cell, np.uint64(1) + k] += w
            sums[half, cell, np.uint64(1 + n_outputs) + k] += w
        else:
            sums[half, cell, 1] += w * y[i]
            sums[half, cell, 2] += w * y[i] * y[i]
