"""Prove that a forest read from a file cannot lead a kernel out of its memory, nor keep it for ever."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.row import LEFT_INNER, MAX_ENTRIES, RIGHT_INNER
from scalable.kernels.jit import kernel


@kernel()
def nodes_are_closed(nodes: Any, exits: Any, n_slots: Any, inner: Any) -> Any:
    """Return whether every path from `exits` ends at an entry, reading only rank slots below `n_slots`.

    Children come after their parents, so one pass in order sees every node that can be reached, and no path is endless.

    Parameters
    ----------
    nodes : uint64 (n_entries,)
        Packed nodes and leaf values, see ``forest_row``.
    exits : uint32, flat
        Entries reached from the top levels, top bit set where they are nodes.
    n_slots : int
    inner : bool (n_entries,)
        Scratch, False.
    """
    for i in range(exits.size):
        entry = np.int64(exits[i]) & np.int64(MAX_ENTRIES - 1)
        if entry >= nodes.size or exits[i] & np.uint32(1 << 30):
            return False
        if exits[i] >> np.uint32(31):
            inner[entry] = True
    for i in range(nodes.size):
        if inner[i]:
            node = nodes[i]
            child = np.int64(node >> np.uint64(32)) & np.int64(MAX_ENTRIES - 1)
            if child <= i or child + 1 >= nodes.size or np.int64(node & np.uint64(0xFFFF)) >= n_slots:
                return False
            if (node >> np.uint64(LEFT_INNER)) & np.uint64(1):
                inner[child] = True
            if (node >> np.uint64(RIGHT_INNER)) & np.uint64(1):
                inner[child + 1] = True
    return True


@kernel()
def trees_are_closed(
    node_start: Any, left: Any, right: Any, level: Any, feature: Any, n_features: Any, decision: Any
) -> Any:
    """Return whether every child exists and lies one level below its parent, and every feature and kind exists."""
    for t in range(len(node_start) - 1):
        first, stop = node_start[t], node_start[t + 1]
        n = stop - first
        for i in range(first, stop):
            if not 0 <= feature[i] < n_features or decision[i] >> 2 > 2:
                return False
            for child in (left[i], right[i]):
                if child >= n or child < -1 - n or (child >= 0 and level[first + child] != level[i] + 1):
                    return False
    return True


@kernel()
def program_is_closed(slots: Any, plane_of: Any, n_slots: Any, n_labels: Any, n_planes: Any) -> Any:
    """Return whether every instruction reads and writes existing planes, never writing the plane of all rows."""
    for i in range(len(slots)):
        if slots[i, 0] >= n_slots or not 0 < slots[i, 1] < n_slots or not 0 < slots[i, 2] < n_slots:
            return False
        if slots[i, 3] >= n_labels or plane_of[i] >= n_planes:
            return False
    return True
