"""Score blocks of rows through a whole forest without following a single branch: bit-sliced evaluation.

Every distinct decision of the forest is a plane (one bit per row, 512 rows at once), made of three that many share.
Within a tree the set of rows that reach a node is a plane too; one AND and one XOR split it between the children, and
the rows that go right get one bit of their leaf's label flipped. Labels are chosen so that nearly every split flips
exactly one bit. Transposing the label planes gives one byte per row, the index of its leaf.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.bitplanes import PLANE, ROWS, add_four_pairs, add_pair, mark, split, transpose8
from scalable.kernels.forest.category import category_planes, tabulated_planes
from scalable.kernels.forest.rank import (
    RANK_CATEGORY,
    gather_column,
    rank_column,
    rank_missing,
    threshold_planes,
)
from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_u8, load_u64


@kernel(inline=True)
def decision_planes(places: Any, start: Any, n: Any, program: Any, scratch: Any) -> None:
    """Compute the planes of all decisions of `n` rows from row `start`."""
    base, work = np.uintp(scratch.planes.ctypes.data), np.uintp(scratch.work.ctypes.data)
    x, ranks = scratch.x, scratch.ranks
    high, low = np.uintp(ranks.ctypes.data), np.uintp(ranks.ctypes.data + ROWS)
    last = ranked = -1
    for c in range(len(program.columns)):
        column = program.columns[c]
        if column.feature != last:
            gather_column(places[column.feature], start, n, x)
            last = column.feature
        to = base + np.uintp(column.at) * np.uintp(PLANE)
        if column.kind == RANK_CATEGORY and column.octets > 0:
            tabulated_planes(x, n, program.to_class, column, program.masks, ranks, work, to)
            ranked = -1
        elif column.kind == RANK_CATEGORY:
            category_planes(
                x, n, program.to_class, column, program.signatures, scratch.matrix, scratch.planes
            )
        else:
            if column.first == ranked:  # the same thresholds, and missing values elsewhere
                rank_missing(x, n, column, ranks[:ROWS], ranks[ROWS:])
            elif places[column.feature].is_float32:
                rank_column(x, n, program.narrow, program.rungs[c], column, ranks[:ROWS], ranks[ROWS:])
            else:
                rank_column(x, n, program.ladders, program.rungs[c], column, ranks[:ROWS], ranks[ROWS:])
            threshold_planes(high, low, column.count, to)
            ranked = column.first


@kernel(inline=True)
def leaf_labels(group: Any, instructions: Any, planes: Any, reach: Any, labels: Any, codes: Any) -> None:
    """Compute the leaf labels of one group's trees for the rows of a block, as bytes in `codes`."""
    size = np.uintp(PLANE)
    for i in range(np.uintp(group.split), np.uintp(group.mark)):  # unsigned: nothing to wrap around
        step = instructions[i]
        split(
            reach + np.uintp(step.here) * size,
            planes + np.uintp(step.above) * size,
            planes + np.uintp(step.low) * size,
            reach + np.uintp(step.left) * size,
            reach + np.uintp(step.right) * size,
            labels + np.uintp(step.label) * size,
        )
    for i in range(np.uintp(group.mark), np.uintp(group.stop)):
        step = instructions[i]
        mark(
            reach + np.uintp(step.here) * size,
            planes + np.uintp(step.above) * size,
            planes + np.uintp(step.low) * size,
            labels + np.uintp(step.label) * size,
        )
    for s in range(group.label_sets):
        for half in range(0, PLANE, 32):
            at = np.uintp(s * 8 * PLANE + half)
            transpose8(labels + at, codes + at)


@kernel(inline=True)
def add_leaves(codes: Any, table: Any, starts: Any, first: Any, count: Any, wide: Any, total: Any) -> None:
    """Add the leaves of one group's trees, in tree order, to one sum per row; `table` is flat."""
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


@kernel(inline=True)
def add_vectors(
    codes: Any, table: Any, starts: Any, first: Any, count: Any, wide: Any, width: Any, total: Any
) -> None:
    """Add the leaves, of `width` values, of one group's trees to as many sums a row; `table` and `total` are flat."""
    for i in range(ROWS):
        to = np.uint64(i * width)
        for t in range(count):
            label = np.uint64(codes[t * ROWS + i])
            if wide:
                label |= np.uint64(codes[ROWS + i]) << np.uint64(8)
            source = (np.uint64(starts[first + t]) + label) * np.uint64(width)
            for k in range(width):
                total[to + np.uint64(k)] += table[source + np.uint64(k)]


@kernel(inline=True)
def add_pairs(codes: Any, table: Any, starts: Any, first: Any, count: Any, total: Any) -> None:
    """Add the leaves, of two doubles, of one group's trees with labels of a byte; `codes` to `total` are addresses."""
    pair, here = np.uintp(16), starts + np.uintp(first) * np.uintp(8)
    if count == 4:
        t0, t1 = table + load_u64(here) * pair, table + load_u64(here + np.uintp(8)) * pair
        t2, t3 = table + load_u64(here + np.uintp(16)) * pair, table + load_u64(here + np.uintp(24)) * pair
        c1, c2, c3 = codes + np.uintp(ROWS), codes + np.uintp(2 * ROWS), codes + np.uintp(3 * ROWS)
        for i in range(np.uintp(ROWS)):
            add_four_pairs(
                total + i * pair,
                t0,
                load_u8(codes + i),
                t1,
                load_u8(c1 + i),
                t2,
                load_u8(c2 + i),
                t3,
                load_u8(c3 + i),
            )
        return
    for t in range(np.uintp(count)):
        leaves, labels = table + load_u64(here + t * np.uintp(8)) * pair, codes + t * np.uintp(ROWS)
        for i in range(np.uintp(ROWS)):
            add_pair(total + i * pair, leaves, load_u8(labels + i))


@kernel()
def score_rows(places: Any, first_row: Any, program: Any, scratch: Any, out: Any) -> None:
    """Write the raw scores of consecutive rows.

    Parameters
    ----------
    places : PLACE (n_features,)
    first_row : int
        Row of `places` that is the first of `out`.
    program : Program
    scratch : Scratch
        Of this thread alone; the first plane of `reach` holds ones, `labels` zeros.
    out : float64 (n_rows, n_outputs)
    """
    planes, reach = np.uintp(scratch.planes.ctypes.data), np.uintp(scratch.reach.ctypes.data)
    labels, codes = np.uintp(scratch.labels.ctypes.data), np.uintp(scratch.codes.ctypes.data)
    total, width = scratch.total, program.table.shape[1]
    leaves, trees = np.uintp(program.table.ctypes.data), np.uintp(program.starts.ctypes.data)
    pairs = np.uintp(total.ctypes.data)
    table, sums = (
        program.table.reshape(-1),
        scratch.total.reshape(-1),
    )  # of vectors, each row's lie side by side
    for start in range(0, out.shape[0], ROWS):
        n = min(ROWS, out.shape[0] - start)
        decision_planes(places, first_row + start, n, program, scratch)
        for output in range(out.shape[1]):
            if width == 1:
                total[output] = program.sum_start[output]
            else:
                for i in range(ROWS):
                    sums[i * width + output] = program.sum_start[output]
        for g in range(len(program.groups)):
            group = program.groups[g]
            leaf_labels(group, program.instructions, planes, reach, labels, codes)
            starts, tree, count, wide = program.starts, group.tree, group.trees, group.wide
            if width == 1:
                add_leaves(scratch.codes, table, starts, tree, count, wide, total[group.output])
            elif width == 2 and table.itemsize == 8 and not wide:
                add_pairs(codes, leaves, trees, tree, count, pairs)
            else:
                add_vectors(scratch.codes, table, starts, tree, count, wide, width, sums)
        for output in range(out.shape[1]):
            for i in range(n):  # row 8 * k + b of the block was scored at position b * PLANE + k
                place = (i & 7) * PLANE + (i >> 3)
                out[start + i, output] = total[output, place] if width == 1 else sums[place * width + output]
