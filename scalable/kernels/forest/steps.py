"""The steps on the way from following trees to bit planes; only the comparison of engines runs them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scalable.kernels.copying import copy_values
from scalable.kernels.forest.rank import gather_column, rank_column
from scalable.kernels.jit import kernel

BLOCK = 512


class RankedTrees(NamedTuple):
    """Trees whose decisions are ranks; `order` is the nodes of each tree, children before parents."""

    node_start: Any
    leaf_start: Any
    column: Any
    limit: Any
    left: Any
    right: Any
    leaf_value: Any
    order: Any


@kernel(inline=True)
def _rank_block(places: Any, start: Any, n: Any, program: Any, ranks: Any) -> None:
    """Write uint16 ranks (n_columns, BLOCK) of `n` rows from row `start`."""
    x, columns = np.zeros(BLOCK), program.columns
    high, low = np.zeros(BLOCK, np.uint8), np.zeros(BLOCK, np.uint8)
    for c in range(columns.shape[0]):
        gather_column(places[columns[c].feature], start, n, x)
        rank_column(x, n, program.ladders, program.rungs[c], columns[c], high, low)
        for i in range(n):
            ranks[c, i] = np.uint16(high[i]) * np.uint16(16) + np.uint16(low[i])


@kernel(inline=True)
def _leaf(t: Any, i: Any, ranks: Any, nodes: Any) -> Any:
    base, node = nodes.node_start[t], 0
    if nodes.node_start[t + 1] == base:
        return nodes.leaf_value[nodes.leaf_start[t]]
    while node >= 0:
        at = base + node
        node = nodes.right[at] if ranks[nodes.column[at], i] > nodes.limit[at] else nodes.left[at]
    return nodes.leaf_value[nodes.leaf_start[t] + ~node]


@kernel()
def walk_ranks(places: Any, n_rows: Any, program: Any, nodes: Any, out: Any) -> None:
    """Follow all trees for one row after another, on ranks."""
    ranks = np.zeros((program.columns.shape[0], BLOCK), np.uint16)
    for start in range(0, n_rows, BLOCK):
        n = min(BLOCK, n_rows - start)
        _rank_block(places, start, n, program, ranks)
        for i in range(n):
            total = 0.0
            for t in range(len(nodes.node_start) - 1):
                total += _leaf(t, i, ranks, nodes)
            out[start + i, 0] = total


@kernel()
def walk_blocks(places: Any, n_rows: Any, program: Any, nodes: Any, out: Any) -> None:
    """Follow one tree after another for a block of rows, on ranks."""
    ranks = np.zeros((program.columns.shape[0], BLOCK), np.uint16)
    for start in range(0, n_rows, BLOCK):
        n = min(BLOCK, n_rows - start)
        _rank_block(places, start, n, program, ranks)
        for t in range(len(nodes.node_start) - 1):
            for i in range(n):
                out[start + i, 0] += _leaf(t, i, ranks, nodes)


@kernel(inline=True)
def _select(rank: Any, limit: Any, right: Any, result: Any) -> None:
    """Keep `result` where rank <= limit, else take `right`; both operands are loaded, so LLVM blends bytes."""
    for i in range(BLOCK):
        kept, other = result[i], right[i]
        if rank[i] > limit:
            kept = other
        result[i] = kept


@kernel()
def select_blocks(places: Any, n_rows: Any, program: Any, nodes: Any, out: Any) -> None:
    """Decide every node of a tree for a block of rows, from the leaves up, by byte compare and blend."""
    node_start, leaf_start, column, limit, left, right, leaf_value, order = nodes
    ranks = np.zeros((program.columns.shape[0], BLOCK), np.uint16)
    narrow = np.zeros((program.columns.shape[0], BLOCK), np.uint8)
    most = 0
    for t in range(len(node_start) - 1):
        most = max(most, node_start[t + 1] - node_start[t])
    work = np.zeros((most + 1, BLOCK), np.uint8)
    constant = np.zeros((256, BLOCK), np.uint8)
    for leaf in range(256):
        constant[leaf] = leaf
    for start in range(0, n_rows, BLOCK):
        n = min(BLOCK, n_rows - start)
        _rank_block(places, start, n, program, ranks)
        for c in range(ranks.shape[0]):
            for i in range(BLOCK):
                narrow[c, i] = ranks[c, i]
        for t in range(len(node_start) - 1):
            base = node_start[t]
            for at in range(base, node_start[t + 1]):
                node = order[at]
                result, child = work[node - base], left[node]
                copy_values(constant[~child] if child < 0 else work[child], result)
                other = constant[~right[node]] if right[node] < 0 else work[right[node]]
                _select(narrow[column[node]], np.uint8(limit[node]), other, result)
            if node_start[t + 1] == base:
                work[0] = 0
            for i in range(n):
                out[start + i, 0] += leaf_value[leaf_start[t] + np.int64(work[0, i])]
