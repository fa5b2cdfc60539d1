"""Prove that a single-row model read from a file cannot lead its kernel out of its own memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest_row import LEFT_INNER, MAX_ENTRIES, RIGHT_INNER
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
