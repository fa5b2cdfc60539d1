"""The tables that forest kernels read: every column has a name, here and nowhere else."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


def _integers(*names: str) -> list[tuple[str, type]]:
    return [(name, np.int64) for name in names]


PLACE = np.dtype(_integers("address", "stride", "is_float32"))
"""Where a feature's values lie: address of the first, bytes from one row to the next, whether float32 or float64."""

COLUMN = np.dtype(
    _integers(
        "feature",
        "kind",  # of ``kernels.forest.rank``
        "missing",  # rank of a missing value; class of one in a column of categories
        "first",  # threshold, or category in `to_class`
        "count",  # of thresholds, or of categories
        "decision",  # the first one
        "at",  # first plane of the scratch that they are made of
        "sets",  # distinct category sets
        "words",  # of 64 bits in a signature
        "signature",  # first word of class 0
        "mask",  # the first one
        "octets",  # of classes; 0 for numbers and for columns of too many categories
    )
)
"""The decisions on one feature that treat missing values alike: each threshold and each category set is one."""

GROUP = np.dtype(_integers("split", "mark", "stop", "label_sets", "tree", "trees", "wide", "output"))
"""Trees whose leaves are added together: first split and mark instruction, their end; sets of 8 label bits; first tree
and how many; whether labels have 16 bits; the (first) output they add to."""

INSTRUCTION = np.dtype(
    [
        ("here", np.uint16),
        ("left", np.uint16),
        ("right", np.uint16),
        ("label", np.uint16),
        ("above", np.uint32),
        ("low", np.uint32),
    ]
)
"""Planes of: the rows at hand, their left part, their right part, the label bit to flip; the decision, see `split`."""

NODE = np.dtype(
    [
        ("bound", np.float64),
        ("feature", np.int32),
        ("left", np.int32),
        ("right", np.int32),
        ("rule", np.uint32),
    ]
)
"""A node that is walked: rows with ``x <= bound`` go left; children as in ``Trees``; `rule` as below."""

CATEGORICAL, DEFAULT_LEFT = 1, 2  # bits of a rule; bits 2 and 3 hold one of the following
MISSING_IS_ZERO, MISSING_OR_ZERO, MISSING_IS_NAN = (
    0,
    1,
    2,
)  # NaN counts as 0; NaN and 0 go the default way; NaN does

ROW_COLUMN = np.dtype(
    _integers(
        "feature", "kind", "missing",
        "first",  # byte offset of the thresholds or of the category classes
        "count",  # search steps, or categories
        "slot",  # first rank slot
        "words", "signature",  # byte offset
        "byte",  # rank byte, `NO_BYTE` without
    )
)  # fmt: skip
"""`COLUMN` as the kernel of single rows reads it."""

LINEAR_LEAF = np.dtype(
    [("otherwise", np.float64), ("constant", np.float64), ("term", np.int64), ("terms", np.int64)]
)
"""A leaf as the kernel of single rows reads it where some hold linear models: what it gives when a feature is missing,
what its sum starts at, its first term and how many. One without a model has no terms and starts at what it gives."""

TERM = np.dtype([("feature", np.int64), ("coef", np.float64)])

PARTS = (
    "columns_at", "thresholds_at", "classes_at", "signatures_at", "nodes_at", "starts_at", "leaves_at", "terms_at",
    "ranks_at", "list_at", "state_at", "top_at", "exits_at", "bytes_at", "codes_at",
)  # in the order in which they lie in memory  # fmt: skip
HEADER = np.dtype(
    [
        *_integers(
            "features",
            "outputs",
            "trees",
            "columns",
            "link",
            "categories",
            "groups",
            "width",
            "narrow",
            "linear",
        ),
        ("scale", np.float64),
        ("divisor", np.float64),
        *_integers(*PARTS),
    ]
)
"""What a frozen forest's memory begins with; parts are byte offsets. `width` is the values of a leaf, `narrow` whether
sums are float32, `linear` whether leaves are of `LINEAR_LEAF`."""


class Program(NamedTuple):
    """What the block kernel executes.

    Attributes
    ----------
    columns : COLUMN (n_columns,)
    rungs : int64 (n_columns,)
        Where the thresholds of a column of numbers begin in `ladders`, see `scalable.kernels.forest.rank.ladder_of`.
    ladders : float64
    narrow : float32
        The same, rounded down.
    to_class : uint32
        Category -> class, 0 for those in no set, which go right.
    signatures : uint64
        Per class, bit ``d`` says that it goes right at the column's set ``d``.
    masks : uint8
        Per octet of classes and set, bit ``b`` says that the set holds the octet's class ``b``; class 1 comes first.
    groups : GROUP (n_groups,)
    instructions : INSTRUCTION (n_instructions,)
    starts : int64 (n_trees,)
        Where a tree's leaves begin in `table`; trees are ordered by output, then iteration.
    table : float64 or float32 (n_labels, width)
        Leaf values by label. Sums have its type.
    sum_start : like table (n_outputs,)
    """

    columns: Any
    rungs: Any
    ladders: Any
    narrow: Any
    to_class: Any
    signatures: Any
    masks: Any
    groups: Any
    instructions: Any
    starts: Any
    table: Any
    sum_start: Any


class Scratch(NamedTuple):
    """Working memory of one thread of the block kernel; planes lie on cache lines."""

    x: Any
    ranks: Any
    matrix: Any
    work: Any
    planes: Any
    reach: Any
    labels: Any
    codes: Any
    total: Any


class WalkTrees(NamedTuple):
    """What the walking kernel follows: see ``scalable.inference.forest.trees.Trees``."""

    node_start: Any
    leaf_start: Any
    nodes: Any
    cat_start: Any
    cat_stop: Any
    cat_words: Any


class WalkLeaves(NamedTuple):
    """The leaves it ends at: `value` (n_leaves, width), the linear models, where sums start, whether in float32."""

    value: Any
    is_linear: Any
    linear_start: Any
    linear_feature: Any
    linear_coef: Any
    linear_constant: Any
    sum_start: Any
    narrow: Any
