"""Check the parts of a compiled file against each other, so that kernels may run them without bounds checks.

The checksum finds damage; these checks find what nobody's compiler wrote, checksum in order or not. They prove that no
kernel reads or writes out of bounds or runs for ever, not that the numbers mean the same model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.inference.forest.block_program import TABLE_MARGIN, TOGETHER, Plan
from scalable.inference.forest.decisions import FIRST_PLANE, Decisions, planes_of
from scalable.inference.forest.trees import Forest, Trees, arrays_of, check_labels, walk_nodes
from scalable.kernels.forest import row_top as top
from scalable.kernels.forest.category import MAX_TABULATED, OCTET
from scalable.kernels.forest.check import nodes_are_closed, program_is_closed, trees_are_closed
from scalable.kernels.forest.links import LINKS
from scalable.kernels.forest.rank import MAX_THRESHOLDS, RANK_CATEGORY, RANK_ZERO
from scalable.kernels.forest.tables import (
    COLUMN,
    GROUP,
    HEADER,
    INSTRUCTION,
    LINEAR_LEAF,
    PARTS,
    ROW_COLUMN,
    TERM,
)

DTYPES = {
    "trees": dict.fromkeys(("node_start", "leaf_start", "cat_start", "cat_stop"), "<i8")
    | dict.fromkeys(("feature", "left", "right", "depth"), "<i4")
    | dict.fromkeys(("threshold", "leaf_value", "node_cover", "leaf_cover", "gain"), "<f8")
    | {"rule": "|u1", "cat_words": "<u4"},
    "linear": {"start": "<i8", "feature": "<i4", "coef": "<f8", "constant": "<f8", "is_linear": "|b1"},
    "decisions": {"thresholds": "<f8", "to_class": "<u4", "signatures": "<u8", "masks": "|u1", "decision": "<i8"},
    "plan": {"starts": "<i8"},
}  # fmt: skip
TABLES = {"decisions.columns": COLUMN, "plan.groups": GROUP, "plan.instructions": INSTRUCTION}
_TWO_DIMENSIONS = ("leaf_value", "table")


def _must(condition: object, what: str) -> None:
    if not np.asarray(condition).all():
        raise ValueError(what)


def _within(values: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """Return whether values lie in [low, high)."""
    inside: np.ndarray = (values >= low) & (values < high)
    return inside


def _never_falls(values: np.ndarray) -> bool:
    """Return whether values are in order; a difference of two may be beyond 64 bits and look positive."""
    return bool((values[1:] >= values[:-1]).all())


def _kinds(prefix: str, item: object, **further: str) -> None:
    """Check the type and dimensions of every array."""
    for name, array in arrays_of(item).items():
        expected = TABLES.get(f"{prefix}.{name}", (DTYPES[prefix] | further).get(name))
        _must(expected is not None and array.dtype == expected, f"{name} is {array.dtype}")
        _must(array.ndim == (2 if name in _TWO_DIMENSIONS else 1), name)


def check_forest(forest: Forest) -> None:
    """Raise ValueError unless the trees are trees whose parts exist."""
    t = forest.trees
    _kinds("trees", t)
    for count in (t.n_features, t.n_outputs, t.per_iteration):
        _must(type(count) is int and count >= 1, "counts")  # kernels take no bool for one
    _must(t.n_features == len(forest.feature_names), "number of features")
    _must(len(t.node_start) >= 1 and t.n_trees % t.per_iteration == 0, "number of trees")
    _must(t.width in (1, t.n_outputs) and t.per_iteration * t.width % t.n_outputs == 0, "values of a leaf")
    _must(len(t.arithmetic.start) in (0, t.n_outputs), "start of the sums")
    _must((t.node_start[0] == 0) and _never_falls(t.node_start), "node_start")
    _must(np.array_equal(t.leaf_start, t.node_start + np.arange(t.n_trees + 1)), "leaf_start")
    per_node = [t.threshold, t.rule, t.left, t.right, t.depth, t.cat_start, t.cat_stop, t.feature]
    per_node += [extra for extra in (t.node_cover, t.gain) if extra is not None]
    _must({len(values) for values in per_node} == {int(t.node_start[-1])}, "lengths")
    per_leaf = [t.leaf_value, *([] if t.leaf_cover is None else [t.leaf_cover])]
    _must({len(values) for values in per_leaf} == {int(t.leaf_start[-1])}, "lengths")
    _must(trees_are_closed(t.node_start, walk_nodes(t), t.depth, t.n_features), "nodes")
    _must((t.cat_start >= 0) & (t.cat_start <= t.cat_stop) & (t.cat_stop <= len(t.cat_words)), "categories")
    _must(forest.link.kind in LINKS and isinstance(forest.link.scale, float), "link")
    _must(forest.objective is None or isinstance(forest.objective, str), "objective")
    levels = forest.categories
    _must(levels is None or (type(levels) is list and all(type(one) is list for one in levels)), "categories")
    columns = forest.category_columns
    if columns is not None:
        there = type(columns) is list and all(type(one) is int and 0 <= one < t.n_features for one in columns)
        _must(there and len(set(columns)) == len(columns) == len(levels or []), "columns of categories")
    if forest.labels is not None:
        check_labels(forest.labels, t.n_outputs)
    if t.linear is not None:
        a = t.linear
        _kinds("linear", a)
        _must(t.width == 1 and len(a.start) == len(t.leaf_value) + 1 and a.start[0] == 0, "linear leaves")
        _must(_never_falls(a.start) and a.start[-1] == len(a.feature) == len(a.coef), "linear leaves")
        _must(len(a.constant) == len(a.is_linear) == len(t.leaf_value), "linear leaves")
        _must(_within(a.feature, 0, t.n_features), "linear leaves")


def check_decisions(d: Decisions, trees: Trees) -> None:
    """Raise ValueError unless every column's parts exist."""
    _kinds("decisions", d)
    c, numeric = d.columns, d.columns["kind"] <= RANK_ZERO
    _must(_within(c["feature"], 0, trees.n_features) & _within(c["kind"], 0, RANK_CATEGORY + 1), "columns")
    for name in COLUMN.names or ():
        _must(_within(c[name], 0, 2**40), "columns")
    planes = planes_of(c)
    _must(d.n_planes == FIRST_PLANE + planes.sum() and d.n_planes < 2**32, "planes")
    _must((c["at"] >= FIRST_PLANE) & (c["at"] + planes <= d.n_planes), "planes")
    n_decisions = int(np.where(numeric, c["count"], c["sets"]).sum())
    _must(len(d.decision) == len(trees.feature) and _within(d.decision, 0, n_decisions).all(), "decisions")
    _must(c["decision"] <= n_decisions, "decisions")
    _must(((c["missing"] <= c["count"]) & (c["count"] <= MAX_THRESHOLDS))[numeric], "ranks")
    size = np.array([(1 << int(n).bit_length()) - 1 for n in c["count"][numeric]], np.int64)
    _must(c["first"][numeric] + size <= len(d.thresholds), "thresholds")
    for column in c[~numeric]:
        classes = d.to_class[column["first"] : column["first"] + column["count"]]
        _must(len(classes) == column["count"] and column["sets"] <= 64 * column["words"], "categories")
        most = max(int(classes.max(initial=0)), int(column["missing"]))
        _must(column["signature"] + (most + 1) * column["words"] <= len(d.signatures), "signatures")
        octets = int(column["octets"])
        _must(column["mask"] + octets * column["sets"] <= len(d.masks), "masks")
        _must((octets == 0 or most <= octets * OCTET) and octets * OCTET <= MAX_TABULATED, "masks")


def check_plan(p: Plan, trees: Trees) -> None:
    """Raise ValueError unless the block kernel's program stays within its memory."""
    kind = np.dtype(np.float32 if trees.arithmetic.float32_sum else np.float64).str
    _kinds("plan", p, table=kind, sum_start=kind)
    g, n_trees = p.groups, trees.n_trees
    _must(3 <= p.n_slots <= 2**16 and len(p.starts) == n_trees, "plan")
    _must(len(p.sum_start) == p.n_outputs and p.table.shape[1] == trees.width, "sums")
    _must((g["split"] >= 0) & (g["split"] <= g["mark"]) & (g["mark"] <= g["stop"]), "instructions")
    _must(g["stop"] <= len(p.instructions), "instructions")
    _must(_within(g["label_sets"], 0, TOGETHER + 1) & _within(g["trees"], 1, TOGETHER + 1), "groups")
    _must(_within(g["wide"], 0, 2) & ((g["trees"] == 1) | (g["wide"] == 0)), "wide groups")
    _must((g["tree"] >= 0) & (g["tree"] <= n_trees - g["trees"]), "groups")
    _must(_within(g["output"], 0, p.n_outputs - trees.width + 1), "groups")
    _must(program_is_closed(p.instructions, p.n_slots, 8 * TOGETHER, p.decisions.n_planes), "instructions")
    # A label is at most a byte, or two.
    reach, first, count = np.where(g["wide"] == 1, 2**16, 2**8), g["tree"], g["trees"]
    before = np.repeat(first - np.cumsum(count) + count, count)
    tree = before + np.arange(len(before))
    length = len(p.table)
    _must((p.starts >= 0).all() and (p.starts[tree] <= length - np.repeat(reach, count)).all(), "starts")
    _must(length >= TABLE_MARGIN or not n_trees, "table")


def check_frozen(memory: np.ndarray, t: Trees) -> None:
    """Raise ValueError unless the single-row kernel stays within `memory`."""
    _must(memory.dtype == np.uint8 and memory.ndim == 1 and len(memory) >= HEADER.itemsize, "size")
    header = memory[: HEADER.itemsize].view(HEADER)[0]
    _must(header["features"] == t.n_features and header["outputs"] == t.n_outputs, "features, outputs")
    _must(header["trees"] == t.n_trees and 0 <= header["groups"] <= top.MAX_GROUPS, "trees")
    _must(header["width"] == t.width, "values of a leaf")
    places = np.array([header[name] for name in PARTS])
    _must(_within(places, HEADER.itemsize, len(memory) + 1) & (places % 8 == 0), "places")
    # In order, so that no part that is written overlaps one that is read.
    _must(_never_falls(places), "order of the parts")
    ends = dict(zip(PARTS, [*places[1:].tolist(), len(memory)], strict=True))

    def part(name: str, dtype: Any) -> np.ndarray:
        data = memory[header[name] : ends[name]]
        size = np.dtype(dtype).itemsize
        return data[: len(data) // size * size].view(dtype)

    columns = part("columns_at", ROW_COLUMN)
    _must(0 <= header["columns"] <= len(columns), "columns")
    c = columns[: header["columns"]]
    numeric = c["kind"] != RANK_CATEGORY
    _must(_within(c["feature"], 0, t.n_features) & _within(c["byte"], 0, 256), "columns")
    for name in (ROW_COLUMN.names or ())[2:]:
        _must(_within(c[name], 0, 2**40), "columns")
    _must(
        (c["missing"] < np.where(numeric, 2**16, 2**31)) & (c["count"] <= np.where(numeric, 15, 2**31)),
        "columns",
    )
    n_slots = len(part("ranks_at", np.uint16))
    _must(c["slot"] + np.where(numeric, 1, 4 * c["words"]) <= n_slots, "rank slots")
    thresholds, classes = part("thresholds_at", np.float64), part("classes_at", np.uint32)
    signatures = part("signatures_at", np.uint64)
    steps = (1 << np.minimum(c["count"], 20)) - 1
    _must((c["first"] // 8 + steps <= len(thresholds))[numeric], "thresholds")
    for column in c[~numeric]:
        first = int(column["first"]) // 4
        mine = classes[first : first + int(column["count"])]
        _must(len(mine) == column["count"] and column["first"] % 4 == 0, "categories")
        most = max(int(mine.max(initial=0)), int(column["missing"]))
        _must(column["signature"] // 8 + (most + 1) * column["words"] <= len(signatures), "signatures")
    nodes, exits = part("nodes_at", np.uint64), part("exits_at", np.uint32)
    need, chunks = t.n_trees << top.DEPTH, -(-t.n_trees // top.LANES)
    _must(len(part("starts_at", np.float64)) >= t.n_outputs, "starts")
    _must(len(part("list_at", np.uint64)) > t.n_trees, "list")
    _must(len(part("state_at", np.uint32)) >= t.n_trees and len(exits) >= need, "exits")
    _must(len(part("top_at", np.uint8)) >= chunks * top.BYTES_PER_CHUNK, "top levels")
    _must(len(part("bytes_at", np.uint8)) >= 256, "rank bytes")
    _must(len(part("codes_at", np.uint8)) >= chunks * top.LANES, "exit codes")
    n_vectors = len(part("leaves_at", np.float64)) // t.width if t.width > 1 else 0
    _must(header["linear"] == (t.linear is not None), "linear leaves")
    if t.linear is not None:
        leaves, terms = part("leaves_at", LINEAR_LEAF), part("terms_at", TERM)
        n_vectors = len(leaves)
        few = _within(leaves["terms"], 0, len(terms) + 1) & _within(leaves["term"], 0, len(terms) + 1)
        _must(few & (leaves["term"] + leaves["terms"] <= len(terms)), "linear leaves")
        _must(_within(terms["feature"], 0, t.n_features), "linear leaves")
    _must(n_vectors or (t.width == 1 and t.linear is None), "leaves")
    closed = nodes_are_closed(nodes, exits[:need], n_slots, n_vectors, np.zeros(len(nodes), np.bool_))
    _must(closed, "nodes")
