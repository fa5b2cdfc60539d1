"""What lies at the end of a path: leaf numbers, leaves that hold linear models, and prediction early stopping."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.bitplanes import PLANE, ROWS
from scalable.kernels.forest.block import add_leaves, decision_planes, leaf_labels
from scalable.kernels.forest.rank import ZERO
from scalable.kernels.jit import kernel
from scalable.kernels.memory import load_f32, load_f64


@kernel(inline=True)
def load_rows(places: Any, first: Any, n: Any, x: Any) -> None:
    """Copy `n` rows (from row `first`) to `x`."""
    for f in range(x.shape[1]):
        place = places[f]
        address = place.address + first * place.stride
        for i in range(n):
            at = np.uintp(address + i * place.stride)
            x[i, f] = load_f32(at) if place.is_float32 else load_f64(at)


@kernel(inline=True)
def linear_leaf(x: Any, i: Any, leaf: Any, terms: Any, constant: Any) -> Any:
    """Return the output of a (global) leaf that holds a linear model, `constant` when a feature is NaN."""
    start, feature, coef, intercept = terms
    value = intercept[leaf]
    for k in range(start[leaf], start[leaf + np.uint64(1)]):
        v = x[i, np.uint64(feature[k])]
        if np.isnan(v):
            return constant
        value += coef[k] * (v if abs(v) > ZERO else 0.0)  # LightGBM drops what it takes for zero
    return value


@kernel(inline=True)
def confident(sums: Any, i: Any, margin: Any) -> Any:
    """Return whether the margin of the scores in column `i` exceeds `margin` (LightGBM's early-stopping rule)."""
    if sums.shape[0] == 1:
        return 2.0 * abs(sums[0, i]) > margin
    first = second = -np.inf
    for output in range(sums.shape[0]):
        value = sums[output, i]
        if value > first:
            first, second = value, first
        elif value > second:
            second = value
    return first - second > margin


@kernel(inline=True)
def _label(codes: Any, t: Any, i: Any, wide: Any) -> Any:
    """Return the label of row `i` of a block in the group's tree `t`."""
    at = (i & 7) * PLANE + (i >> 3)
    if wide:
        return np.uint64(codes[at]) | (np.uint64(codes[ROWS + at]) << np.uint64(8))
    return np.uint64(codes[t * ROWS + at])


@kernel()
def leaf_rows(
    places: Any, first_row: Any, program: Any, scratch: Any, trees: Any, numbers: Any, out: Any
) -> None:
    """Write the leaf of consecutive rows in every tree.

    Parameters
    ----------
    places, first_row, program, scratch
        As in ``block.score_rows``.
    trees : int64 (n_trees,)
        Which tree each place of ``program.starts`` is.
    numbers : int32 array of shape (n_labels,)
        Leaf number by label.
    out : int32 (n_rows, n_trees)
    """
    planes, reach = np.uintp(scratch.planes.ctypes.data), np.uintp(scratch.reach.ctypes.data)
    labels, codes = np.uintp(scratch.labels.ctypes.data), np.uintp(scratch.codes.ctypes.data)
    bytes_of, starts = scratch.codes, program.starts
    for start in range(0, out.shape[0], ROWS):
        n = min(ROWS, out.shape[0] - start)
        decision_planes(places, first_row + start, n, program, scratch)
        for g in range(len(program.groups)):
            group = program.groups[g]
            leaf_labels(group, program.instructions, planes, reach, labels, codes)
            for t in range(group.trees):
                tree, first, wide = trees[group.tree + t], np.uint64(starts[group.tree + t]), group.wide
                for i in range(n):
                    out[start + i, tree] = numbers[first + _label(bytes_of, t, i, wide)]


@kernel()
def linear_rows(
    places: Any, first_row: Any, program: Any, scratch: Any, trees: Any, numbers: Any, leaf_start: Any, leaves: Any,
    out: Any,
) -> None:  # fmt: skip
    """Write the raw scores of consecutive rows by trees whose leaves hold linear models.

    Parameters
    ----------
    places, first_row, program, scratch, trees, numbers
        As in `leaf_rows`.
    leaf_start : int64 (n_trees + 1,)
    leaves : WalkLeaves
    out : float64 (n_rows, n_outputs)
    """
    planes, reach = np.uintp(scratch.planes.ctypes.data), np.uintp(scratch.reach.ctypes.data)
    labels, codes = np.uintp(scratch.labels.ctypes.data), np.uintp(scratch.codes.ctypes.data)
    bytes_of, starts = scratch.codes, program.starts
    is_linear, constant = leaves.is_linear, leaves.value
    terms = leaves.linear_start, leaves.linear_feature, leaves.linear_coef, leaves.linear_constant
    x = np.empty((ROWS, len(places)))
    for start in range(0, out.shape[0], ROWS):
        n = min(ROWS, out.shape[0] - start)
        decision_planes(places, first_row + start, n, program, scratch)
        load_rows(places, first_row + start, n, x)
        out[start : start + n] = 0.0
        for g in range(len(program.groups)):
            group = program.groups[g]
            leaf_labels(group, program.instructions, planes, reach, labels, codes)
            for t in range(group.trees):
                leaf0, first, wide = (
                    leaf_start[trees[group.tree + t]],
                    np.uint64(starts[group.tree + t]),
                    group.wide,
                )
                for i in range(n):
                    leaf = np.uint64(leaf0 + numbers[first + _label(bytes_of, t, i, wide)])
                    value = constant[leaf, 0]
                    if is_linear[leaf]:
                        value = linear_leaf(x, np.uint64(i), leaf, terms, value)
                    out[start + i, group.output] += value


@kernel()
def stop_rows(
    places: Any, first_row: Any, program: Any, scratch: Any, checks: Any, margin: Any, out: Any
) -> None:
    """Write the raw scores of consecutive rows, each as of the first check at which it is beyond doubt.

    All trees are evaluated as long as a row of the block needs them: it costs less than following some.

    Parameters
    ----------
    places, first_row, program, scratch
        As in ``block.score_rows``; groups in the order of the checks.
    checks : int64, ascending
        Numbers of groups after which rows are looked at.
    margin : float
        See `confident`.
    out : float64 (n_rows, n_outputs)
    """
    planes, reach = np.uintp(scratch.planes.ctypes.data), np.uintp(scratch.reach.ctypes.data)
    labels, codes = np.uintp(scratch.labels.ctypes.data), np.uintp(scratch.codes.ctypes.data)
    total, table = scratch.total, program.table.reshape(-1)
    running = np.zeros(ROWS, np.int64)
    for start in range(0, out.shape[0], ROWS):
        n = min(ROWS, out.shape[0] - start)
        decision_planes(places, first_row + start, n, program, scratch)
        for output in range(out.shape[1]):
            total[output] = program.sum_start[output]
        for i in range(n):
            running[i] = i
        check = 0
        for g in range(len(program.groups)):
            group = program.groups[g]
            leaf_labels(group, program.instructions, planes, reach, labels, codes)
            sums = total[group.output]
            add_leaves(scratch.codes, table, program.starts, group.tree, group.trees, group.wide, sums)
            if check < len(checks) and checks[check] == g + 1:
                check += 1
                kept = 0
                for r in range(n):
                    i = running[r]
                    at = (i & 7) * PLANE + (i >> 3)
                    if confident(total, at, margin):
                        for output in range(out.shape[1]):
                            out[start + i, output] = total[output, at]
                    else:
                        running[kept] = i
                        kept += 1
                n = kept
                if n == 0:
                    break
        for r in range(n):
            i = running[r]
            for output in range(out.shape[1]):
                out[start + i, output] = total[output, (i & 7) * PLANE + (i >> 3)]
