"""Turn a forest into the instruction stream of the block kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalable.inference.forest.decisions import Decisions
from scalable.inference.forest.trees import Trees
from scalable.kernels.forest.bitplanes import PLANE, ROWS
from scalable.kernels.forest.category import TABLE_PLANES
from scalable.kernels.forest.labels import label_trees
from scalable.kernels.forest.rank import rounded_down
from scalable.kernels.forest.tables import GROUP, INSTRUCTION, Program, Scratch

TOGETHER = 4  # trees whose leaves are added in one sweep over the block's sums
TABLE_MARGIN = 2**8  # values after the last tree's; 2**16 where a tree has labels of 16 bits
_ONES, _SINK, _FIRST = 0, 1, 2  # reach slots: every row; nobody reads it; the first inner node below a root


@dataclass(slots=True)
class Plan:
    """What the block kernel executes, and what it needs to work in.

    Attributes
    ----------
    decisions : Decisions
    groups, instructions, starts, table, sum_start
        See ``kernels.forest.tables.Program``.
    n_slots, n_outputs : int
        Planes of rows at hand; outputs.
    """

    decisions: Decisions
    groups: np.ndarray
    instructions: np.ndarray
    starts: np.ndarray
    table: np.ndarray
    sum_start: np.ndarray
    n_slots: int
    n_outputs: int

    def program(self) -> Program:
        """Return the kernel's argument."""
        d = self.decisions
        rungs, ladders = d.ladders()
        return Program(
            d.columns, rungs, ladders, rounded_down(ladders), d.to_class, d.signatures, d.masks, self.groups,
            self.instructions, self.starts, self.table, self.sum_start,
        )  # fmt: skip


def aligned(n_bytes: int) -> np.ndarray:
    """Return zeroed bytes that start on a cache line."""
    raw = np.zeros(n_bytes + 64, np.uint8)
    first = -raw.ctypes.data % 64
    return raw[first : first + n_bytes]


def scratch(plan: Plan) -> Scratch:
    """Allocate the working memory that one thread needs to run `plan`."""
    reach, planes = aligned(plan.n_slots * PLANE), aligned(plan.decisions.n_planes * PLANE)
    reach[:PLANE] = planes[:PLANE] = 255
    return Scratch(
        np.zeros(ROWS),
        aligned(2 * ROWS),
        np.zeros(64, np.uint64),
        aligned(TABLE_PLANES * PLANE),
        planes.view(np.uint64),
        reach,
        aligned(8 * TOGETHER * PLANE),
        aligned(TOGETHER * ROWS),
        np.zeros((plan.n_outputs, ROWS), plan.table.dtype),
    )


@dataclass(slots=True)
class _Labels:
    """How the leaves of each tree are told apart: label width, bits a node flips, each leaf's label."""

    bits: np.ndarray
    flip: np.ndarray
    leaf: np.ndarray


def _labels(trees: Trees) -> _Labels:
    leaves = np.diff(trees.leaf_start)
    bits = np.ceil(np.log2(leaves)).astype(np.int64)
    # One spare bit leaves room for labels one flip apart; above 8 bits a label takes two bytes.
    bits = np.where(leaves < 2, 0, np.where(bits < 8, bits + 1, bits))
    n_nodes = len(trees.feature)
    order = np.lexsort((trees.depth, trees.tree_of_nodes()))
    label, flip = np.zeros(n_nodes, np.int64), np.zeros(n_nodes, np.int64)
    leaf = np.zeros(len(trees.leaf_value), np.int64)
    used = np.zeros(1 << int(bits.max(initial=0)), bool)
    label_trees(
        trees.node_start, trees.leaf_start, order, trees.left, trees.right, bits, used, label, flip, leaf
    )
    return _Labels(bits, flip, leaf)


@dataclass(slots=True)
class _Order:
    """Which trees are added together: group and place of each tree, output of each group, trees as they are added."""

    group: np.ndarray
    place: np.ndarray
    outputs: np.ndarray
    trees: np.ndarray


def _order(trees: Trees, bits: np.ndarray, every: int = 0) -> _Order:
    """Trees of one output stay in iteration order; a tree with 16-bit labels is a group of its own.

    Groups do not reach over a multiple of `every` trees.
    """
    group, place = np.zeros(trees.n_trees, np.int64), np.zeros(trees.n_trees, np.int64)
    outputs: list[int] = []
    step = trees.n_outputs // trees.width
    for begin in range(0, trees.n_trees, every or max(1, trees.n_trees)):
        for first in range(step):
            room = 0
            for t in range(
                begin + first, min(begin + every, trees.n_trees) if every else trees.n_trees, step
            ):
                wide = bits[t] > 8
                if wide or room == 0:
                    outputs.append(first * trees.width)
                    room = TOGETHER
                group[t], place[t] = len(outputs) - 1, TOGETHER - room
                room = 0 if wide else room - 1
    return _Order(group, place, np.array(outputs, np.int64), np.lexsort((place, group)))


def _table(trees: Trees, labels: _Labels, order: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return where each tree's labels begin in the table, where each leaf is in it, and its length."""
    starts = np.zeros(trees.n_trees, np.int64)
    starts[order] = np.cumsum(np.r_[0, (1 << labels.bits[order])[:-1]])[: trees.n_trees]
    # With the margin, a label of any value finds something in the table: nothing to check per row.
    length = int((1 << labels.bits).sum()) + (2**16 if (labels.bits > 8).any() else TABLE_MARGIN)
    return starts, np.repeat(starts, np.diff(trees.leaf_start)) + labels.leaf, length


def leaf_numbers(trees: Trees) -> tuple[np.ndarray, np.ndarray]:
    """Return what ``leaf_rows`` needs beside the program: trees in its order, and leaf numbers by label, int32."""
    labels = _labels(trees)
    order = _order(trees, labels.bits).trees
    _, at, length = _table(trees, labels, order)
    numbers = np.zeros(length, np.int32)
    numbers[at] = np.arange(len(trees.leaf_value)) - np.repeat(
        trees.leaf_start[:-1], np.diff(trees.leaf_start)
    )
    return order, numbers


def _within(keys: np.ndarray) -> np.ndarray:
    """Return each entry's position within its run of equal, sorted keys."""
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return np.arange(len(keys)) - np.repeat(first, np.diff(np.r_[first, len(keys)]))


def checks_of(plan: Plan, every: int) -> np.ndarray:
    """Return after how many groups each multiple of `every` trees is complete, int64."""
    done = np.cumsum(plan.groups["trees"])
    return np.flatnonzero(done % every == 0) + 1


def make_plan(trees: Trees, decisions: Decisions, every: int = 0) -> Plan:
    """Compile a forest of at most `MAX_COMPILED_LEAVES` leaves per tree.

    Parameters
    ----------
    trees : Trees
    decisions : Decisions
        Its own.
    every : int
        Let groups end at multiples of so many trees, all outputs' together; 0 for the fastest order.
    """
    tree_of = trees.tree_of_nodes()
    labels = _labels(trees)
    order = _order(trees, labels.bits, every)
    starts, at, length = _table(trees, labels, order.trees)
    kind = np.float32 if trees.arithmetic.float32_sum else np.float64
    table = np.zeros((length, trees.width), kind)
    table[at] = trees.leaf_value

    base = trees.node_start[tree_of]
    # Slot of each node: roots share the plane of ones, the others are numbered within their group.
    slot = np.zeros(len(tree_of), np.int64)
    inner = np.flatnonzero(trees.depth > 0)
    inner = inner[np.lexsort((trees.depth[inner], order.group[tree_of[inner]]))]
    if inner.size:
        slot[inner] = _FIRST + _within(order.group[tree_of[inner]])
    left = np.where(trees.left >= 0, slot[base + np.maximum(trees.left, 0)], _SINK)
    right = np.where(trees.right >= 0, slot[base + np.maximum(trees.right, 0)], _SINK)
    splits = (trees.left >= 0) | (trees.right >= 0)

    node, bit = np.nonzero((labels.flip[:, None] >> np.arange(16)) & 1)
    is_split = splits[node] & np.r_[True, node[1:] != node[:-1]][: len(node)]
    owner = order.group[tree_of[node]]
    row = np.lexsort((trees.depth[node], ~is_split, owner))
    node, bit, is_split, owner = node[row], bit[row], is_split[row], owner[row]
    n_groups = len(order.outputs)
    instructions = np.zeros(len(node), INSTRUCTION)
    instructions["here"], instructions["left"], instructions["right"] = slot[node], left[node], right[node]
    instructions["label"] = 8 * order.place[tree_of[node]] + bit
    above, low = decisions.planes_of_nodes()
    instructions["above"], instructions["low"] = above[node], low[node]
    groups = np.zeros(n_groups, GROUP)
    groups["stop"] = np.searchsorted(owner, np.arange(n_groups), "right")
    groups["split"] = np.r_[0, groups["stop"][:-1]][:n_groups]
    groups["mark"] = groups["split"] + np.bincount(owner[is_split], minlength=n_groups)
    groups["wide"][order.group] = labels.bits > 8
    groups["trees"] = np.bincount(order.group, minlength=n_groups)
    groups["tree"] = np.cumsum(np.r_[0, groups["trees"][:-1]])[:n_groups]
    groups["label_sets"] = np.where(groups["wide"], 2, groups["trees"])
    groups["output"] = order.outputs
    most = [int(instructions[name].max(initial=_FIRST)) for name in ("here", "left", "right")]
    return Plan(
        decisions, groups, instructions, starts[order.trees], table, trees.sum_start.astype(kind), 1 + max(most),
        trees.n_outputs,
    )  # fmt: skip
