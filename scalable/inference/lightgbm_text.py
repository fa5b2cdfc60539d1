"""Read LightGBM's text model format into plain Python and NumPy values, refusing what is damaged.

The format is a header of ``key=value`` lines, one block per tree, ``end of trees``, then notes that prediction
does not need, except ``pandas_categorical``. Nothing is evaluated and no size in the text is trusted.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

import numpy as np

from scalable.errors import ModelError

MAX_LEAVES = 131_072  # LightGBM's own limit on num_leaves


_LIMITS: dict[type, tuple[int, int]] = {
    kind: (int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    for kind in (np.uint8, np.int32, np.uint32, np.int64)
}


@dataclass(slots=True)
class TextTree:
    """One tree exactly as the text has it; node arrays have ``num_leaves - 1`` entries.

    Attributes
    ----------
    left, right : int32 arrays
        Child of each node: an internal node when >= 0, else the leaf ``~child``.
    decision : uint8 array
        Bit 0 categorical, bit 1 default left, bits 2-3 missing type (0 none, 1 zero, 2 NaN).
    cat_boundaries, cat_threshold : int64 / uint32 arrays
        Bitset ``i`` (named by the threshold of a categorical node) is ``cat_threshold[b[i]:b[i + 1]]``.
    leaf_const, leaf_features, leaf_coeff
        The linear models of a linear tree's leaves; None for ordinary trees.
    """

    num_leaves: int
    feature: np.ndarray
    threshold: np.ndarray
    decision: np.ndarray
    left: np.ndarray
    right: np.ndarray
    leaf_value: np.ndarray
    cat_boundaries: np.ndarray
    cat_threshold: np.ndarray
    leaf_const: np.ndarray | None = None
    leaf_features: list[np.ndarray] | None = None
    leaf_coeff: list[np.ndarray] | None = None


@dataclass(slots=True)
class TextModel:
    """A parsed model: `objective` is None for custom objectives, whose scores pass unchanged."""

    num_class: int
    trees_per_iteration: int
    n_features: int
    feature_names: list[str]
    objective: str | None
    average_output: bool
    trees: list[TextTree]
    pandas_categorical: list[list[object]] = field(default_factory=list)


def _fail(where: str, what: str) -> ModelError:
    return ModelError(f"LightGBM model text, {where}: {what}; save the model again with Booster.save_model")


def _tree_starts(text: str, end: int) -> list[int]:
    """Return where the lines "Tree=..." begin."""
    starts = []
    at = text.find("\nTree=", 0, end)
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\nTree=", at + 1, end)
    return starts


def _pairs(block: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for line in block.split("\n"):
        key, _, value = line.partition("=")
        if key:
            pairs[key] = value
    return pairs


def _integer(pairs: dict[str, str], key: str, where: str, low: int, high: int) -> int:
    text = pairs.get(key)
    if text is None:
        raise _fail(where, f"'{key}' is missing")
    try:
        value = int(text)
    except ValueError:
        raise _fail(where, f"'{key}' should be an integer, found {text[:40]!r}") from None
    if not low <= value <= high:
        raise _fail(where, f"'{key}' should lie in [{low}, {high}], found {value}")
    return value


def _numbers(pairs: dict[str, str], key: str, where: str, count: int, dtype: type) -> np.ndarray:
    """Return the `count` numbers of one line; integers must fit `dtype`, doubles must not be NaN."""
    text = pairs.get(key)
    if text is None:
        raise _fail(where, f"'{key}' is missing")
    wide = np.float64 if dtype is np.float64 else np.int64
    try:
        values = np.fromstring(text, wide, sep=" ") if text.strip() else np.empty(0, wide)
    except (ValueError, DeprecationWarning):  # NumPy stops at what is no number, with an error or a warning
        raise _fail(where, f"'{key}' has an entry that is not a valid {np.dtype(dtype).name}") from None
    if len(values) != count:
        raise _fail(
            where, f"'{key}' should have {count} numbers, found {len(values)} valid {np.dtype(dtype).name}"
        )
    if dtype is not np.float64:
        low, high = _LIMITS[dtype]
        if count and not (low <= values.min() and values.max() <= high):
            raise _fail(where, f"'{key}' has an entry that is not a valid {np.dtype(dtype).name}")
        values = values.astype(dtype)
    elif count and np.isnan(values.min()):
        raise _fail(where, f"'{key}' has a NaN")
    return values


def _linear(pairs: dict[str, str], where: str, leaves: int, n_features: int, tree: TextTree) -> None:
    """Fill in the linear models of the leaves."""
    tree.leaf_const = _numbers(pairs, "leaf_const", where, leaves, np.float64)
    counts = _numbers(pairs, "num_features", where, leaves, np.int64)
    if (counts < 0).any():
        raise _fail(where, "'num_features' has a negative count")
    total = int(counts.sum())
    if total > len(pairs.get("leaf_features", "")):
        raise _fail(where, f"'leaf_features' should have {total} numbers")
    features = _numbers(pairs, "leaf_features", where, total, np.int32)
    if total and not (features.min() >= 0 and features.max() < n_features):
        raise _fail(where, f"'leaf_features' names a feature outside [0, {n_features})")
    coefficients = _numbers(pairs, "leaf_coeff", where, total, np.float64)
    cuts = np.cumsum(counts)[:-1]
    tree.leaf_features = np.split(features, cuts)
    tree.leaf_coeff = np.split(coefficients, cuts)


def _tree(block: str, where: str, n_features: int) -> TextTree:
    pairs = _pairs(block)
    leaves = _integer(pairs, "num_leaves", where, 1, MAX_LEAVES)
    nodes = leaves - 1
    empty = np.empty(0, np.int32)
    leaf_value = _numbers(pairs, "leaf_value", where, leaves, np.float64)
    n_cat = _integer(pairs, "num_cat", where, 0, nodes) if "num_cat" in pairs else 0
    tree = TextTree(
        leaves, empty, np.empty(0), np.empty(0, np.uint8), empty, empty, leaf_value,
        np.zeros(1, np.int64), np.empty(0, np.uint32),
    )  # fmt: skip
    if nodes:
        tree.feature = _numbers(pairs, "split_feature", where, nodes, np.int32)
        tree.threshold = _numbers(pairs, "threshold", where, nodes, np.float64)
        tree.decision = _numbers(pairs, "decision_type", where, nodes, np.uint8)
        tree.left = _numbers(pairs, "left_child", where, nodes, np.int32)
        tree.right = _numbers(pairs, "right_child", where, nodes, np.int32)
        if not (tree.feature.min() >= 0 and tree.feature.max() < n_features):
            raise _fail(where, f"'split_feature' names a feature outside [0, {n_features})")
        if (tree.decision >> 2).max() > 2:
            raise _fail(where, "'decision_type' has an unknown missing type")
        _categories(pairs, where, n_cat, tree)
    if pairs.get("is_linear", "0").strip() == "1":
        _linear(pairs, where, leaves, n_features, tree)
    return tree


def _categories(pairs: dict[str, str], where: str, n_cat: int, tree: TextTree) -> None:
    categorical = (tree.decision & 1).astype(bool)
    if n_cat:
        bounds = _numbers(pairs, "cat_boundaries", where, n_cat + 1, np.int64)
        if bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] > len(pairs.get("cat_threshold", "")):
            raise _fail(where, "'cat_boundaries' does not ascend from 0 within 'cat_threshold'")
        tree.cat_boundaries = bounds
        tree.cat_threshold = _numbers(pairs, "cat_threshold", where, int(bounds[-1]), np.uint32)
    which = tree.threshold[categorical]
    if ((which < 0) | (which >= n_cat) | (which != np.floor(which))).any():
        raise _fail(where, "a categorical split names a category set that the tree does not have")


def _pandas_categorical(tail: str) -> list[list[object]]:
    match = re.search(r"^pandas_categorical:(.*)$", tail, re.M)
    if match is None:
        return []
    try:
        levels = json.loads(match.group(1))
    except ValueError:
        raise _fail("last line", "'pandas_categorical' is not valid JSON") from None
    if levels is None:
        return []
    if not isinstance(levels, list) or not all(isinstance(level, list) for level in levels):
        raise _fail("last line", "'pandas_categorical' should be a list of lists")
    return levels


def parse_text(text: str) -> TextModel:
    """Parse a model as written by ``Booster.model_to_string`` or ``save_model``.

    Parameters
    ----------
    text : str
        The whole file.

    Returns
    -------
    TextModel

    Raises
    ------
    ModelError
        The text is not a LightGBM model, is truncated, or contradicts itself.
    """
    if not text.startswith("tree\n"):
        raise _fail("line 1", f"should be 'tree', found {text[:40].splitlines()[:1]}")
    end = text.find("\nend of trees")
    if end < 0:
        raise _fail("end", "'end of trees' is missing, the file is truncated")
    starts = _tree_starts(text, end)
    before = text[: starts[0]] if starts else text[:end]
    header = _pairs(before)
    where = "header"
    num_class = _integer(header, "num_class", where, 1, 1_000_000)
    per_iteration = _integer(header, "num_tree_per_iteration", where, 1, 1_000_000)
    if per_iteration != num_class:
        raise _fail(where, f"{per_iteration} trees per iteration for {num_class} classes or outputs")
    n_features = _integer(header, "max_feature_idx", where, 0, 2**31 - 2) + 1
    names = header.get("feature_names", "").split(" ")
    if len(names) != n_features:
        raise _fail(where, f"'feature_names' should have {n_features} names, found {len(names)}")
    if len(starts) % per_iteration:
        raise _fail(where, f"{len(starts)} trees do not divide into iterations of {per_iteration}")
    sizes = header.get("tree_sizes", "").split()
    if "tree_sizes" in header and len(sizes) != len(starts):
        raise _fail("header", f"'tree_sizes' announces {len(sizes)} trees, found {len(starts)}")
    trees = []
    for i, start in enumerate(starts):
        stop = starts[i + 1] if i + 1 < len(starts) else end + 1
        first = text.find("\n", start)
        if text[start:first] != f"Tree={i}" or (sizes and sizes[i] != str(stop - start)):
            raise _fail(f"tree {i}", "its length differs from 'tree_sizes': the file was truncated or edited")
        trees.append(_tree(text[first + 1 : stop], f"tree {i}", n_features))
    return TextModel(
        num_class,
        per_iteration,
        n_features,
        names,
        header["objective"].strip() if header.get("objective") else None,
        "average_output" in before.split("\n"),
        trees,
        _pandas_categorical(text[end:]),
    )
