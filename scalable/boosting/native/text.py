"""Trees in LightGBM's model text: plain LightGBM loads it, predicts with the same numbers and continues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from scalable.boosting.dataset.binary_layout import Mapper
from scalable.boosting.native.bins import Bins
from scalable.boosting.native.growth.tree import Tree

CATEGORICAL, DEFAULT_LEFT, MISSING_NAN = 1, 2, 8  # bits of LightGBM's decision_type
LARGEST = 1e300  # LightGBM writes infinity so


def model_text(bins: Bins, trees: Sequence[Tree]) -> str:
    """Return the text of a model.

    Parameters
    ----------
    bins : Bins
        Of the features.
    trees : sequence of Tree
        In order: all scores of an iteration, then the next.
    """
    header, _, notes = bins.empty_text.partition("\nend of trees")
    lines = [line for line in header.rstrip("\n").split("\n") if not line.startswith("tree_sizes=")]
    blocks = [f"Tree={k}\n{tree_text(bins, tree)}\n\n" for k, tree in enumerate(trees)]
    sizes = " ".join(str(len(block)) for block in blocks)
    return "\n".join([*lines, f"tree_sizes={sizes}", "", "".join(blocks) + "end of trees"]) + notes


def tree_text(bins: Bins, tree: Tree) -> str:
    """Return the lines of one tree."""
    categories: list[np.ndarray] = []
    thresholds, decisions = [], []
    for node, (feature, threshold) in enumerate(
        zip(tree.features.tolist(), tree.splits["threshold"].tolist(), strict=True)
    ):
        mapper = bins.mappers[feature]
        if mapper.bounds is None:
            thresholds.append(float(len(categories)))
            categories.append(_bitset(mapper, tree.goes_left[node]))
            decisions.append(CATEGORICAL | MISSING_NAN * mapper.missing_nan)
        else:
            thresholds.append(min(float(mapper.bounds[threshold]), LARGEST))
            left = DEFAULT_LEFT if not mapper.missing_nan or tree.splits["missing_left"][node] else 0
            decisions.append(left | MISSING_NAN * mapper.missing_nan)
    pairs: list[tuple[str, Any]] = [("num_leaves", tree.n_leaves), ("num_cat", len(categories))]
    if len(tree.features):
        pairs += [
            ("split_feature", _words(bins.columns[feature] for feature in tree.features.tolist())),
            ("split_gain", _words(f"{gain:.6g}" for gain in tree.splits["gain"].tolist())),
            ("threshold", _words(map(repr, thresholds))),
            ("decision_type", _words(decisions)),
            ("left_child", _words(tree.children[:, 0].tolist())),
            ("right_child", _words(tree.children[:, 1].tolist())),
            ("leaf_value", _words(map(repr, tree.leaf_value.tolist()))),
            ("leaf_weight", _words(map(repr, tree.leaf_weight.tolist()))),
            ("leaf_count", _words(tree.leaf_count.tolist())),
            ("internal_value", _words(f"{value:.6g}" for value in tree.node_value.tolist())),
            ("internal_weight", _words(f"{value:.6g}" for value in tree.node_weight.tolist())),
            ("internal_count", _words(tree.node_count.tolist())),
        ]
    else:
        pairs.append(("leaf_value", repr(float(tree.leaf_value[0]))))
    if categories:
        edges = np.cumsum([0, *(len(words) for words in categories)])
        pairs.append(("cat_boundaries", _words(edges.tolist())))
        pairs.append(("cat_threshold", _words(np.concatenate(categories).tolist())))
    pairs += [("is_linear", 0), ("shrinkage", f"{tree.shrinkage:.6g}")]
    return "\n".join(f"{name}={value}" for name, value in pairs) + "\n"


def _words(values: Iterable[Any]) -> str:
    return " ".join(map(str, values))


def _bitset(mapper: Mapper, goes_left: np.ndarray) -> np.ndarray:
    """Return the categories that go left as bits of 32-bit words."""
    assert mapper.categories is not None
    chosen = mapper.categories[np.flatnonzero(goes_left[: mapper.n_bins])]
    words = np.zeros(int(chosen.max()) // 32 + 1, np.uint32)
    np.bitwise_or.at(words, chosen // 32, np.uint32(1) << (chosen % 32).astype(np.uint32))
    return words
