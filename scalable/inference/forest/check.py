"""Check the parts of a compiled file against each other, so that kernels may run them without bounds checks.

The checksum finds damage; these checks find what nobody's compiler wrote, checksum in order or not. They prove that no
kernel reads or writes out of bounds or runs for ever, not that the numbers mean the same model.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from scalable.inference.forest.block_program import GROUP, TABLE_MARGIN, Plan
from scalable.inference.forest.decisions import Decisions
from scalable.inference.forest.trees import Trees
from scalable.kernels.forest import row
from scalable.kernels.forest import row_top as top
from scalable.kernels.forest.category import MAX_TABULATED, OCTET
from scalable.kernels.forest.check import nodes_are_closed, program_is_closed, trees_are_closed
from scalable.kernels.forest.rank import MAX_THRESHOLDS, RANK_CATEGORY, RANK_ZERO

DTYPES = {
    "trees": dict.fromkeys(("node_start", "leaf_start", "cat_start", "cat_stop", "linear_start"), "<i8")
    | dict.fromkeys(("feature", "left", "right", "level", "linear_feature"), "<i4")
    | dict.fromkeys(("threshold", "leaf_value", "linear_coeff", "leaf_const"), "<f8")
    | {"decision": "|u1", "cat_words": "<u4", "leaf_linear": "|b1"},
    "decisions": {"columns": "<i8", "thresholds": "<f8", "to_class": "<u4", "signatures": "<u8", "masks": "|u1",
                  "plane": "<i8"},
    "plan": {"groups": "<i8", "slots": "<u2", "plane_of": "<u4", "starts": "<i8", "table": "<f8"},
}  # fmt: skip
_WIDTHS = {"columns": 11, "groups": 8, "slots": 4}


def _must(condition: object, what: str) -> None:
    if not np.asarray(condition).all():
        raise ValueError(what)


def _within(values: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """Return whether values lie in [low, high)."""
    inside: np.ndarray = (values >= low) & (values < high)
    return inside


def _kinds(prefix: str, item: object) -> None:
    """Check the type and dimensions of every array."""
    for field in fields(item):  # type: ignore[arg-type]  # one of the dataclasses below
        value = getattr(item, field.name)
        if isinstance(value, np.ndarray):
            width = _WIDTHS.get(field.name)
            _must(value.dtype.str == DTYPES[prefix][field.name], f"{field.name} is {value.dtype}")
            _must(
                value.ndim == (1 if width is None else 2) and (width is None or value.shape[1] == width),
                field.name,
            )


def check_trees(t: Trees, n_names: int) -> None:
    """Raise ValueError unless the trees are trees whose parts exist."""
    _kinds("trees", t)
    n_nodes = np.diff(t.node_start)
    _must(t.n_features == n_names and t.per_iteration >= 1, "number of features or outputs")
    _must(len(t.node_start) >= 1 and t.n_trees % t.per_iteration == 0, "number of trees")
    _must((t.node_start[0] == 0) and (n_nodes >= 0).all(), "node_start")
    _must(np.array_equal(t.leaf_start, t.node_start + np.arange(t.n_trees + 1)), "leaf_start")
    per_node = (t.feature, t.threshold, t.decision, t.left, t.right, t.level, t.cat_start, t.cat_stop)
    lengths = {len(values) for values in per_node}
    _must(lengths == {int(t.node_start[-1])} and len(t.leaf_value) == t.leaf_start[-1], "lengths")
    nodes = (t.left, t.right, t.level, t.feature, t.n_features, t.decision)
    _must(trees_are_closed(t.node_start, *nodes), "nodes")
    _must((t.cat_start >= 0) & (t.cat_start <= t.cat_stop) & (t.cat_stop <= len(t.cat_words)), "categories")
    if t.linear_start is not None:
        assert t.linear_feature is not None
        assert t.linear_coeff is not None
        assert t.leaf_const is not None
        assert t.leaf_linear is not None
        _must(len(t.linear_start) == len(t.leaf_value) + 1 and t.linear_start[0] == 0, "linear_start")
        _must(np.diff(t.linear_start) >= 0, "linear_start")
        _must(t.linear_start[-1] == len(t.linear_feature) == len(t.linear_coeff), "linear leaves")
        _must(len(t.leaf_const) == len(t.leaf_linear) == len(t.leaf_value), "linear leaves")
        _must(_within(t.linear_feature, 0, t.n_features), "linear_feature")


def check_decisions(d: Decisions, n_features: int, n_nodes: int) -> None:
    """Raise ValueError unless every column's parts exist."""
    _kinds("decisions", d)
    feature, kind, special, first, count, plane, sets = d.columns.T[:7]
    _must(_within(feature, 0, n_features) & _within(kind, 0, RANK_CATEGORY + 1), "columns")
    _must((d.columns[:, 2:] >= 0) & (d.columns[:, 2:] < 2**40), "columns")
    numeric = kind <= RANK_ZERO
    planes = np.where(numeric, count, sets)
    _must(d.n_planes == planes.sum() and (plane + planes <= d.n_planes).all(), "planes")
    _must(len(d.plane) == n_nodes and _within(d.plane, 0, max(1, d.n_planes)).all(), "plane")
    _must((special <= count)[numeric] & (count <= MAX_THRESHOLDS)[numeric], "ranks")
    size = np.array([(1 << int(n).bit_length()) - 1 for n in count[numeric]], np.int64)
    _must(first[numeric] + size <= len(d.thresholds), "thresholds")
    for _, _, _, at, n, _, n_sets, n_words, sign, m, octet in d.columns[~numeric]:
        classes = d.to_class[at : at + n]
        _must(len(classes) == n and n_sets <= 64 * n_words, "categories")
        most = int(classes.max(initial=0))
        _must(sign + (most + 1) * n_words <= len(d.signatures), "signatures")
        _must(m + octet * n_sets <= len(d.masks) and (octet == 0 or most <= octet * OCTET), "masks")
        _must(octet * OCTET <= MAX_TABULATED, "masks")


def check_plan(p: Plan, n_trees: int) -> None:
    """Raise ValueError unless the block kernel's program stays within its memory."""
    _kinds("plan", p)
    _must(3 <= p.n_slots <= 2**16 and len(p.plane_of) == len(p.slots) and len(p.starts) == n_trees, "plan")
    split, mark, stop, sets, first, count, wide, output = p.groups.T
    _must((split >= 0) & (split <= mark) & (mark <= stop) & (stop <= len(p.slots)), "instructions")
    _must(_within(sets, 0, GROUP + 1) & _within(count, 1, GROUP + 1) & _within(wide, 0, 2), "groups")
    _must((count == 1) | (wide == 0), "wide groups")
    _must((first >= 0) & (first + count <= n_trees) & _within(output, 0, p.n_outputs), "groups")
    _must(program_is_closed(p.slots, p.plane_of, p.n_slots, 8 * GROUP, p.decisions.n_planes), "slots")
    # A label is at most a byte, or two.
    reach = np.where(wide == 1, 2**16, 2**8)
    before = np.repeat(first - np.cumsum(count) + count, count)
    tree = before + np.arange(len(before))
    _must((p.starts >= 0).all() and (p.starts[tree] + np.repeat(reach, count) <= len(p.table)), "starts")
    _must(len(p.table) >= TABLE_MARGIN or not n_trees, "table")


def check_frozen(memory: np.ndarray, t: Trees) -> None:
    """Raise ValueError unless the single-row kernel stays within `memory`."""
    _must(memory.dtype == np.uint8 and memory.ndim == 1 and len(memory) >= 8 * row.HEADER_WORDS, "size")
    header = memory[: 8 * row.HEADER_WORDS].view(np.int64)
    _must(
        header[row.H_FEATURES] == t.n_features and header[row.H_OUTPUTS] == t.per_iteration,
        "features, outputs",
    )
    _must(header[row.H_TREES] == t.n_trees and 0 <= header[row.H_GROUPS] <= top.MAX_GROUPS, "trees")
    places = header[list(row.PARTS)]
    _must(_within(places, 8 * row.HEADER_WORDS, len(memory) + 1) & (places % 8 == 0), "places")
    _must(
        np.diff(places) >= 0, "order of the parts"
    )  # so that no part that is written overlaps one that is read
    ends = dict(zip(row.PARTS, [*places[1:].tolist(), len(memory)], strict=True))

    def part(word: int, dtype: type) -> np.ndarray:
        data = memory[header[word] : ends[word]]
        return data[: len(data) // np.dtype(dtype).itemsize * np.dtype(dtype).itemsize].view(dtype)

    n_columns, chunks = int(header[row.H_COLUMNS]), -(-t.n_trees // top.LANES)
    columns = part(row.H_COLUMN_AT, np.int64)
    _must(0 <= n_columns <= len(columns) // row.COLUMN_WORDS, "columns")
    columns = columns[: n_columns * row.COLUMN_WORDS].reshape(n_columns, row.COLUMN_WORDS)
    feature, kind, special, first, count, slot, words, signature, byte = columns.T
    numeric = kind != RANK_CATEGORY
    _must(_within(feature, 0, t.n_features) & _within(byte, 0, 256), "columns")
    _must((columns[:, 2:] >= 0) & (columns[:, 2:] < 2**40), "columns")
    _must((special < 2**16) & (count <= np.where(numeric, 15, 2**31)), "columns")
    n_slots = len(part(row.H_RANK_AT, np.uint16))
    _must(slot + np.where(numeric, 1, 4 * words) <= n_slots, "rank slots")
    thresholds, classes = part(row.H_THRESHOLD_AT, np.float64), part(row.H_CLASS_AT, np.uint32)
    signatures = part(row.H_SIGNATURE_AT, np.uint64)
    _must((first // 8 + (1 << np.minimum(count, 20)) - 1 <= len(thresholds))[numeric], "thresholds")
    for at, n, n_words, sign in np.stack([first, count, words, signature], axis=1)[~numeric]:
        mine = classes[at // 4 : at // 4 + n]
        _must(len(mine) == n and at % 4 == 0, "categories")
        _must(sign // 8 + (int(mine.max(initial=0)) + 1) * n_words <= len(signatures), "signatures")
    nodes, exits = part(row.H_NODE_AT, np.uint64), part(row.H_EXIT_AT, np.uint32)
    need = t.n_trees << top.DEPTH
    _must(len(part(row.H_LIST_AT, np.uint64)) > t.n_trees, "list")
    _must(len(part(row.H_STATE_AT, np.uint32)) >= t.n_trees and len(exits) >= need, "exits")
    _must(len(part(row.H_TOP_AT, np.uint8)) >= chunks * top.BYTES_PER_CHUNK, "top levels")
    _must(len(part(row.H_BYTE_AT, np.uint8)) >= 256, "rank bytes")
    _must(len(part(row.H_CODE_AT, np.uint8)) >= chunks * top.LANES, "exit codes")
    _must(nodes_are_closed(nodes, exits[:need], n_slots, np.zeros(len(nodes), np.bool_)), "nodes")
