"""Score blocks of rows through a whole forest without following a single branch: bit-sliced evaluation.

Every distinct decision of the forest becomes one plane (one bit per row, 512 rows at once). Within a tree the set of
rows that reach a node is a plane too; one AND and one XOR split it between the children, and the rows that go right
get one bit of their leaf's label flipped. Labels are chosen so that nearly every split flips exactly one bit.
Transposing the label planes gives one byte per row, the index of its leaf.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.bitplanes import PLANE, ROWS, mark, split, transpose8
from scalable.kernels.forest.category import category_planes, tabulated_planes
from scalable.kernels.forest.rank import RANK_CATEGORY, gather_column, rank_column, threshold_planes
from scalable.kernels.jit import kernel


@kernel(inline=True)
def _planes(
    places: Any,
    start: Any,
    n: Any,
    columns: Any,
    thresholds: Any,
    to_class: Any,
    signatures: Any,
    masks: Any,
    x: Any,
    ranks: Any,
    matrix: Any,
    work: Any,
    planes: Any,
) -> None:
    """Compute all decision planes of `n` rows from row `start`."""
    base = np.uintp(planes.ctypes.data)
    high, low = np.uintp(ranks.ctypes.data), np.uintp(ranks.ctypes.data + ROWS)
    scratch = np.uintp(work.ctypes.data)
    last = -1
    for c in range(columns.shape[0]):
        feature, kind, special, first, count, plane, sets, words, signature, mask, octets = columns[c]
        if feature != last:
            gather_column(places[feature], start, n, x)
            last = feature
        if kind == RANK_CATEGORY and octets > 0:
            few = (first, count, mask, octets, sets)
            to = base + np.uintp(plane) * np.uintp(PLANE)
            tabulated_planes(x, n, to_class, few, masks, ranks, scratch, to)
        elif kind == RANK_CATEGORY:
            spec = (first, count, signature, words, plane, sets)
            category_planes(x, n, to_class, spec, signatures, matrix, planes)
        else:
            rank_column(x, n, thresholds, first, count, kind, special, ranks[:ROWS], ranks[ROWS:])
            threshold_planes(high, low, count, scratch, base + np.uintp(plane) * np.uintp(PLANE))


@kernel(inline=True)
def _label(group: Any, slots: Any, plane_of: Any, planes: Any, reach: Any, labels: Any, codes: Any) -> None:
    """Compute the leaf labels of one group's trees for the rows of a block, as bytes in `codes`."""
    size = np.uintp(PLANE)
    split_start, mark_start, stop, n_sets = group
    for i in range(split_start, mark_start):
        split(
            reach + np.uintp(slots[i, 0]) * size,
            planes + np.uintp(plane_of[i]) * size,
            reach + np.uintp(slots[i, 1]) * size,
            reach + np.uintp(slots[i, 2]) * size,
            labels + np.uintp(slots[i, 3]) * size,
        )
    for i in range(mark_start, stop):
        mark(
            reach + np.uintp(slots[i, 0]) * size,
            planes + np.uintp(plane_of[i]) * size,
            labels + np.uintp(slots[i, 3]) * size,
        )
    for s in range(n_sets):
        for half in range(0, PLANE, 32):
            at = np.uintp(s * 8 * PLANE + half)
            transpose8(labels + at, codes + at)


@kernel(inline=True)
def _add(codes: Any, table: Any, starts: Any, first: Any, count: Any, wide: Any, total: Any) -> None:
    """Add the leaves of one group's trees, in tree order, to one double per row."""
    if wide:
        s0 = np.uint64(starts[first])
        for i in range(ROWS):
            total[i] += table[s0 + (np.uint64(codes[i]) | (np.uint64(codes[ROWS + i]) << np.uint64(8)))]
    elif count == 4:
        s0, s1 = np.uint64(starts[first]), np.uint64(starts[first + 1])
        s2, s3 = np.uint64(starts[first + 2]), np.uint64(starts[first + 3])
        for i in range(ROWS):
            value = total[i] + table[s0 + np.uint64(codes[i])]
            value += table[s1 + np.uint64(codes[ROWS + i])]
            value += table[s2 + np.uint64(codes[2 * ROWS + i])]
            total[i] = value + table[s3 + np.uint64(codes[3 * ROWS + i])]
    else:
        for t in range(count):
            s0, c0 = np.uint64(starts[first + t]), t * ROWS
            for i in range(ROWS):
                total[i] += table[s0 + np.uint64(codes[c0 + i])]


@kernel()
def score_rows(
    places: Any,
    first_row: Any,
    columns: Any,
    thresholds: Any,
    to_class: Any,
    signatures: Any,
    masks: Any,
    groups: Any,
    slots: Any,
    plane_of: Any,
    starts: Any,
    table: Any,
    x: Any,
    ranks: Any,
    matrix: Any,
    work: Any,
    planes: Any,
    reach: Any,
    labels: Any,
    codes: Any,
    total: Any,
    out: Any,
) -> None:
    """Write the raw scores of consecutive rows.

    Parameters
    ----------
    places : int64 (n_features, 3)
        Where each feature's values lie, see ``scalable.inference.forest.places.Columns``.
    first_row : int
        Row of `places` that is the first of `out`.
    columns ... table
        The plan, see ``scalable.inference.forest.block_program.Plan``.
    x ... total
        Scratch of one thread, see ``block_program.Scratch``; `reach` slot 0 holds ones, `labels` zeros.
    out : float64 (n_rows, n_outputs)
    """
    plane0, reach0 = np.uintp(planes.ctypes.data), np.uintp(reach.ctypes.data)
    label0, code0 = np.uintp(labels.ctypes.data), np.uintp(codes.ctypes.data)
    for start in range(0, out.shape[0], ROWS):
        n = min(ROWS, out.shape[0] - start)
        _planes(
            places,
            first_row + start,
            n,
            columns,
            thresholds,
            to_class,
            signatures,
            masks,
            x,
            ranks,
            matrix,
            work,
            planes,
        )
        total[:] = 0.0
        for g in range(groups.shape[0]):
            split_start, mark_start, stop, sets, first, count, wide, output = groups[g]
            _label((split_start, mark_start, stop, sets), slots, plane_of, plane0, reach0, label0, code0)
            _add(codes, table, starts, first, count, wide, total[output])
        for output in range(out.shape[1]):
            for i in range(n):  # row 8 * k + b of the block was scored at position b * PLANE + k
                out[start + i, output] = total[output, (i & 7) * PLANE + (i >> 3)]
