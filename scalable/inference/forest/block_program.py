"""Turn a forest into the instruction stream of the block kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalable.inference.forest.decisions import Decisions
from scalable.inference.forest.trees import Trees
from scalable.kernels.forest.bitplanes import PLANE, ROWS
from scalable.kernels.forest.category import TABLE_PLANES
from scalable.kernels.forest.labels import label_trees

GROUP = 4  # trees whose leaves are added in one sweep over the block's sums
MAX_PLAN_LEAVES = 32_768  # 16-bit slots and labels; larger trees are walked
TABLE_MARGIN = 2**8  # values after the last tree's; 2**16 where a tree has labels of 16 bits
_ONES, _SINK, _FIRST = 0, 1, 2  # reach slots: every row; nobody reads it; the first inner node below a root


@dataclass(slots=True)
class Plan:
    """What the block kernel executes.

    Attributes
    ----------
    decisions : Decisions
    groups : int64 (n_groups, 8)
        First split instruction, first mark instruction, end, label sets (8 bits each), first tree, trees, whether
        labels have 16 bits, output.
    slots : uint16 (n_instructions, 4)
        Planes of: the rows at hand, their left part, their right part, the label bit to flip.
    plane_of : uint32 (n_instructions,)
        Decision plane.
    starts : int64 (n_trees,)
        Where a tree's leaves begin in `table`; trees are ordered by output, then iteration.
    table : float64
        Leaf values by label.
    n_slots, n_outputs : int
    """

    decisions: Decisions
    groups: np.ndarray
    slots: np.ndarray
    plane_of: np.ndarray
    starts: np.ndarray
    table: np.ndarray
    n_slots: int
    n_outputs: int


@dataclass(slots=True)
class Scratch:
    """Working memory of one thread."""

    x: np.ndarray
    ranks: np.ndarray
    matrix: np.ndarray
    work: np.ndarray
    planes: np.ndarray
    reach: np.ndarray
    labels: np.ndarray
    codes: np.ndarray
    total: np.ndarray

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return the arrays in the kernel's order."""
        return (self.x, self.ranks, self.matrix, self.work, self.planes, self.reach, self.labels, self.codes,
                self.total)  # fmt: skip


def aligned(n_bytes: int) -> np.ndarray:
    """Return zeroed bytes that start on a cache line."""
    raw = np.zeros(n_bytes + 64, np.uint8)
    first = -raw.ctypes.data % 64
    return raw[first : first + n_bytes]


def scratch(plan: Plan) -> Scratch:
    """Allocate the working memory that one thread needs to run `plan`."""
    reach = aligned(plan.n_slots * PLANE)
    reach[:PLANE] = 255
    return Scratch(
        np.zeros(ROWS),
        aligned(2 * ROWS),
        np.zeros(64, np.uint64),
        aligned(TABLE_PLANES * PLANE),
        aligned(max(1, plan.decisions.n_planes) * PLANE).view(np.uint64),
        reach,
        aligned(8 * GROUP * PLANE),
        aligned(GROUP * ROWS),
        np.zeros((plan.n_outputs, ROWS)),
    )


def _groups(trees: Trees, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each tree its group and its place in the group, and for each group its output.

    Trees of one output stay in iteration order; a tree with 16-bit labels is a group of its own.
    """
    group, place = np.zeros(trees.n_trees, np.int64), np.zeros(trees.n_trees, np.int64)
    outputs: list[int] = []
    for output in range(trees.per_iteration):
        room = 0
        for t in range(output, trees.n_trees, trees.per_iteration):
            wide = bits[t] > 8
            if wide or room == 0:
                outputs.append(output)
                room = GROUP
            group[t], place[t] = len(outputs) - 1, GROUP - room
            room = 0 if wide else room - 1
    return group, place, np.array(outputs, np.int64)


def _within(keys: np.ndarray) -> np.ndarray:
    """Return each entry's position within its run of equal, sorted keys."""
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return np.arange(len(keys)) - np.repeat(first, np.diff(np.r_[first, len(keys)]))


def make_plan(trees: Trees, decisions: Decisions) -> Plan:
    """Compile a forest with constant leaves of at most `MAX_PLAN_LEAVES` per tree; `decisions` are its own."""
    n_nodes = np.diff(trees.node_start)
    leaves = n_nodes + 1
    bits = np.ceil(np.log2(leaves)).astype(np.int64)
    # One spare bit leaves room for labels one flip apart; above 8 bits a label takes two bytes.
    bits = np.where(leaves < 2, 0, np.where(bits < 8, bits + 1, bits))
    tree_of = np.repeat(np.arange(trees.n_trees), n_nodes)
    order = np.lexsort((trees.level, tree_of))
    label, flip = np.zeros(len(tree_of), np.int64), np.zeros(len(tree_of), np.int64)
    leaf_label = np.zeros(len(trees.leaf_value), np.int64)
    used = np.zeros(1 << int(bits.max(initial=0)), bool)
    label_trees(
        trees.node_start,
        trees.leaf_start,
        order,
        trees.left,
        trees.right,
        bits,
        used,
        label,
        flip,
        leaf_label,
    )

    group_of, place, outputs = _groups(trees, bits)
    plan_order = np.lexsort((place, group_of))  # trees as the kernel adds them
    starts = np.zeros(trees.n_trees, np.int64)
    starts[plan_order] = np.cumsum(np.r_[0, (1 << bits[plan_order])[:-1]])[: trees.n_trees]
    # With the margin, a label of any value finds something in the table: nothing to check per row.
    table = np.zeros(int((1 << bits).sum()) + (2**16 if (bits > 8).any() else TABLE_MARGIN))
    table[np.repeat(starts, leaves) + leaf_label] = trees.leaf_value

    base = trees.node_start[tree_of]
    # Slot of each node: roots share the plane of ones, the others are numbered within their group.
    slot = np.zeros(len(tree_of), np.int64)
    inner = np.flatnonzero(trees.level > 0)
    inner = inner[np.lexsort((trees.level[inner], group_of[tree_of[inner]]))]
    if inner.size:
        slot[inner] = _FIRST + _within(group_of[tree_of[inner]])
    left = np.where(trees.left >= 0, slot[base + np.maximum(trees.left, 0)], _SINK)
    right = np.where(trees.right >= 0, slot[base + np.maximum(trees.right, 0)], _SINK)
    splits = (trees.left >= 0) | (trees.right >= 0)

    node, bit = np.nonzero((flip[:, None] >> np.arange(16)) & 1)
    is_split = splits[node] & np.r_[True, node[1:] != node[:-1]][: len(node)]
    owner = group_of[tree_of[node]]
    row = np.lexsort((trees.level[node], ~is_split, owner))
    node, bit, is_split, owner = node[row], bit[row], is_split[row], owner[row]
    n_groups = len(outputs)
    stops = np.searchsorted(owner, np.arange(n_groups), "right")
    first = np.r_[0, stops[:-1]]
    slots = np.stack([slot[node], left[node], right[node], 8 * place[tree_of[node]] + bit], axis=1)
    wide = np.zeros(n_groups, np.int64)
    wide[group_of] = bits > 8
    size = np.bincount(group_of, minlength=n_groups)
    groups = np.stack(
        [first, first + np.bincount(owner[is_split], minlength=n_groups), stops, np.where(wide, 2, size),
         np.cumsum(np.r_[0, size[:-1]]), size, wide, outputs], axis=1,
    )  # fmt: skip
    n_slots = int(slots[:, :3].max(initial=_FIRST)) + 1
    return Plan(
        decisions, groups, slots.astype(np.uint16), decisions.plane[node].astype(np.uint32),
        starts[plan_order], table, n_slots, trees.per_iteration,
    )  # fmt: skip
