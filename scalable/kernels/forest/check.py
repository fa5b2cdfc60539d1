"""Prove that a forest read from a file cannot lead a kernel out of its memory, nor keep it for ever."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.row import LEFT_INNER, MAX_ENTRIES, RIGHT_INNER
from scalable.kernels.jit import kernel


@kernel()
def nodes_are_closed(nodes: Any, exits: Any, n_slots: Any, n_vectors: Any, inner: Any) -> Any:
    """Return whether every path from `exits` ends at an entry, reading only rank slots below `n_slots`.

    Children come after their parents, so one pass in order sees every node that can be reached, and no path is endless.

    Parameters
    ----------
    nodes : uint64 (n_entries,)
        Packed nodes and leaf values, see ``forest_row``.
    exits : uint32, flat
        Entries reached from the top levels, top bit set where they are nodes.
    n_slots : int
    n_vectors : int
        Leaf numbers are below; 0 where entries of leaves are values, which may be anything.
    inner : bool (n_entries,)
        Scratch, False.
    """
    for i in range(exits.size):
        entry = np.int64(exits[i]) & np.int64(MAX_ENTRIES - 1)
        if entry >= nodes.size or exits[i] & np.uint32(1 << 30):
            return False
        if exits[i] >> np.uint32(31):
            inner[entry] = True
        elif n_vectors and nodes[entry] >= n_vectors:
            return False
    for i in range(nodes.size):
        if inner[i]:
            node = nodes[i]
            child = np.int64(node >> np.uint64(32)) & np.int64(MAX_ENTRIES - 1)
            if child <= i or child + 1 >= nodes.size or np.int64(node & np.uint64(0xFFFF)) >= n_slots:
                return False
            if (node >> np.uint64(LEFT_INNER)) & np.uint64(1):
                inner[child] = True
            elif n_vectors and nodes[child] >= n_vectors:
                return False
            if (node >> np.uint64(RIGHT_INNER)) & np.uint64(1):
                inner[child + 1] = True
            elif n_vectors and nodes[child + 1] >= n_vectors:
                return False
    return True


@kernel()
def trees_are_closed(node_start: Any, nodes: Any, depth: Any, n_features: Any) -> Any:
    """Return whether every child exists and lies one level below its parent, and every feature and rule exists."""
    for t in range(len(node_start) - 1):
        first, stop = node_start[t], node_start[t + 1]
        n = stop - first
        for i in range(first, stop):
            node = nodes[i]
            if not 0 <= node.feature < n_features or (node.rule >> 2) & 3 > 2 or node.rule > 15:
                return False
            for child in (node.left, node.right):
                if child >= n or child < -1 - n or (child >= 0 and depth[first + child] != depth[i] + 1):
                    return False
    return True


@kernel()
def program_is_closed(instructions: Any, n_slots: Any, n_labels: Any, n_planes: Any) -> Any:
    """Return whether every instruction reads and writes existing planes, never writing the plane of all rows."""
    for i in range(len(instructions)):
        step = instructions[i]
        if step.here >= n_slots or not 0 < step.left < n_slots or not 0 < step.right < n_slots:
            return False
        if step.label >= n_labels or step.above + 1 >= n_planes or step.low >= n_planes:
            return False
    return True
