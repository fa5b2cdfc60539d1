"""LightGBM's text as a neutral forest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest.formats.lightgbm_numbers import all_numbers, numbers
from scalable.inference.forest.formats.lightgbm_text import TextModel, damaged, integer, parse_text
from scalable.inference.forest.links import Link
from scalable.inference.forest.trees import Arithmetic, Forest, Labels, LinearLeaves, Trees, depths
from scalable.kernels.forest.links import EXP, IDENTITY, LOG1P_EXP, SIGMOID, SIGNED_SQUARE, SOFTMAX
from scalable.kernels.forest.tables import CATEGORICAL, MISSING_IS_NAN

WHAT = "LightGBM model text"
# Objectives whose predictions LightGBM lets stop early: those that need an order, not a value.
_MAY_STOP = {"binary", "multiclass", "multiclassova", "lambdarank", "rank_xendcg"}
_PLAIN = {
    "regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom",
}  # fmt: skip
_FIXED = {
    "poisson": EXP, "gamma": EXP, "tweedie": EXP, "cross_entropy": SIGMOID, "cross_entropy_lambda": LOG1P_EXP,
    "multiclass": SOFTMAX,
}  # fmt: skip
# Names that files of other versions have, and names that LightGBM takes for one of its own; without options only.
_ALIASES = {
    **dict.fromkeys(
        ("regression_l2", "mean_squared_error", "mse", "l2", "l2_root", "root_mean_squared_error", "rmse"),
        "regression",
    ),
    **dict.fromkeys(("l1", "mae", "mean_absolute_error"), "regression_l1"),
    "mean_absolute_percentage_error": "mape",
    "xentropy": "cross_entropy",
    "xentlambda": "cross_entropy_lambda",
    **dict.fromkeys(("xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"), "rank_xendcg"),
    **dict.fromkeys(("none", "null", "na"), "custom"),
}
_RULE_BITS = 0x0F  # category, default left, missing type


def link_of(objective: str | None) -> Link:
    """Return the link of an objective as the text format writes it, e.g. ``"binary sigmoid:1"``.

    Raises
    ------
    ModelError
        The objective is unknown.
    """
    if objective is None:
        return Link("none")
    name, *options = _ALIASES.get(objective.strip(), objective).split()
    settings = dict(option.split(":", 1) for option in options if ":" in option)
    if name in ("binary", "multiclassova"):
        try:
            scale = float(settings.get("sigmoid", "1"))
        except ValueError:
            raise ModelError(f"objective {objective!r}: 'sigmoid' should be a number") from None
        if not 0.0 < scale < math.inf:
            raise ModelError(f"objective {objective!r}: 'sigmoid' should be greater than zero")
        return Link(name, SIGMOID, scale)
    if name in _FIXED:
        return Link(name, _FIXED[name])
    if name in _PLAIN:
        return Link(name, SIGNED_SQUARE if "sqrt" in options else IDENTITY)
    known = sorted(_PLAIN | set(_FIXED) | {"binary", "multiclassova"})
    raise ModelError(f"objective {name!r} is not one whose output transform is known ({', '.join(known)})")


def reads(model: Any) -> bool:
    """Return whether a fitted object is a Booster, or holds one."""
    return hasattr(model, "model_to_string") or hasattr(getattr(model, "booster_", None), "model_to_string")


def of_object(model: Any) -> Forest:
    """Return the forest of a Booster or of an estimator that holds one, with the estimator's classes."""
    booster = getattr(model, "booster_", model)
    forest = forest_of_text(booster.model_to_string(num_iteration=-1), max(0, booster.best_iteration))
    classes = getattr(model, "classes_", None)
    if classes is not None and hasattr(model, "predict_proba") and forest.link.name not in ("none", "custom"):
        forest.labels = Labels(
            tuple(np.asarray(classes).tolist()), "half" if len(classes) <= 2 else "largest"
        )
    return forest


def recognises(data: bytes) -> bool:
    """Return whether a file holds LightGBM's text."""
    return data.removeprefix(b"\xef\xbb\xbf").startswith((b"tree\n", b"tree\r"))


def of_bytes(data: bytes) -> Forest:
    """Return the forest of LightGBM's text."""
    try:
        return forest_of_text(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise damaged("text", "not UTF-8") from None


def forest_of_text(text: str, best_iteration: int = 0) -> Forest:
    """Read a model that ``Booster.model_to_string`` or ``save_model`` wrote.

    Raises
    ------
    ModelError
        It is damaged, or its objective is not known.
    """
    model = parse_text(text)
    link = link_of(model.objective)
    return Forest(
        flatten(model), link, model.feature_names, "lightgbm", model.objective, model.average_output,
        best_iteration, model.pandas_categorical, link.name in _MAY_STOP, category_columns=model.category_columns,
    )  # fmt: skip


def flatten(model: TextModel) -> Trees:
    """Read, check and concatenate the trees of a model.

    Raises
    ------
    ModelError
        A number is damaged, or the children do not form trees.
    """
    texts = model.trees
    nodes = [leaves - 1 for leaves in model.leaves]
    node_start, leaf_start = np.cumsum([0, *nodes]), np.cumsum([0, *model.leaves])

    def all_nodes(key: str, dtype: Any) -> np.ndarray:
        return all_numbers(texts, key, nodes, dtype)

    leaf_value = all_numbers(texts, "leaf_value", model.leaves, np.float64)
    feature, threshold = all_nodes("split_feature", np.int32), all_nodes("threshold", np.float64)
    rule = all_nodes("decision_type", np.uint8)
    left, right = all_nodes("left_child", np.int32), all_nodes("right_child", np.int32)
    if np.isnan(threshold).any():  # leaves may be NaN: degenerate forests of LightGBM's are
        raise damaged(_tree_of(np.isnan(threshold), node_start), "'threshold' has a NaN")
    outside = (feature < 0) | (feature >= model.n_features)
    if outside.any():
        tree = _tree_of(outside, node_start)
        raise damaged(tree, f"'split_feature' names a feature outside [0, {model.n_features})")
    unknown = rule >> 2 > MISSING_IS_NAN
    if unknown.any():
        raise damaged(_tree_of(unknown, node_start), "'decision_type' has an unknown missing type")
    cat_start, cat_stop = np.zeros(len(left), np.int64), np.zeros(len(left), np.int64)
    words = _categories(texts, node_start, threshold, rule, cat_start, cat_stop)
    # A set sends what it does not hold right, whatever the text says of missing values.
    rule = np.where(rule & CATEGORICAL, CATEGORICAL, rule & _RULE_BITS).astype(np.uint8)
    flat = Trees(
        model.n_features, model.trees_per_iteration, node_start, leaf_start, feature, threshold, rule, left, right,
        depths(node_start, leaf_start, left, right, WHAT), cat_start, cat_stop, words, leaf_value.reshape(-1, 1),
        *_covers(texts, nodes), per_iteration=model.trees_per_iteration, arithmetic=Arithmetic(tiny_is_zero=True),
    )  # fmt: skip
    linear = [tree.get("is_linear", "0").strip() == "1" for tree in texts]
    if any(linear):
        flat.linear = _linear(model, linear, flat)
    return flat


def _covers(texts: list[dict[str, str]], nodes: list[int]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return how many rows came to each node and leaf; None where texts (of old versions) do not say."""
    leaves = [n + (n > 0) for n in nodes]  # a tree that is one leaf counts none
    if any(
        n and not {"internal_count", "leaf_count"} <= tree.keys()
        for tree, n in zip(texts, nodes, strict=True)
    ):
        return None, None
    of_leaves = all_numbers(texts, "leaf_count", leaves, np.int64)
    alone = np.cumsum([0, *leaves])[:-1][np.array(nodes, np.int64) == 0]
    of_nodes = all_numbers(texts, "internal_count", nodes, np.int64)
    return of_nodes.astype(np.float64), np.insert(of_leaves, alone, 0).astype(np.float64)


def _tree_of(nodes: np.ndarray, node_start: np.ndarray) -> str:
    """Return the name of the tree of the first marked node."""
    return f"tree {int(np.searchsorted(node_start, np.argmax(nodes), 'right')) - 1}"


def _categories(
    texts: list[dict[str, str]], node_start: np.ndarray, threshold: np.ndarray, rule: np.ndarray,
    cat_start: np.ndarray, cat_stop: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Fill in the range of each categorical node's bitset; return the words of all bitsets."""
    words: list[np.ndarray] = []
    word0 = 0
    categorical = (rule & CATEGORICAL) > 0
    sets = [tree.get("num_cat", "0") != "0" for tree in texts]
    owners = np.searchsorted(node_start, np.flatnonzero(categorical), "right") - 1
    for i in np.union1d(np.flatnonzero(sets), owners):
        tree, where = texts[i], f"tree {i}"
        here = slice(node_start[i], node_start[i + 1])
        n_cat = integer(tree, "num_cat", where, 0, int(node_start[i + 1] - node_start[i])) if sets[i] else 0
        bounds = (
            numbers(tree, "cat_boundaries", where, n_cat + 1, np.int64) if n_cat else np.zeros(1, np.int64)
        )
        limit = len(tree.get("cat_threshold", ""))
        if bounds[0] != 0 or (bounds[1:] < bounds[:-1]).any() or bounds[-1] > limit:
            raise damaged(where, "'cat_boundaries' does not ascend from 0 within 'cat_threshold'")
        nodes = np.flatnonzero(categorical[here])
        which = threshold[here][nodes]
        if ((which < 0) | (which >= n_cat) | (which != np.floor(which))).any():
            raise damaged(where, "a categorical split names a category set that the tree does not have")
        if n_cat:
            words.append(numbers(tree, "cat_threshold", where, int(bounds[-1]), np.uint32))
            cat_start[here][nodes] = word0 + bounds[which.astype(np.int64)]
            cat_stop[here][nodes] = word0 + bounds[which.astype(np.int64) + 1]
            word0 += int(bounds[-1])
    return np.concatenate([np.empty(0, np.uint32), *words])


def _linear(model: TextModel, linear: list[bool], flat: Trees) -> LinearLeaves:
    """Return the linear models of the leaves; leaves of ordinary trees get none."""
    counts = [np.empty(0, np.int64)]
    features, coefficients, constants = [np.empty(0, np.int32)], [np.empty(0)], []
    for i, (tree, leaves) in enumerate(zip(model.trees, model.leaves, strict=True)):
        if not linear[i]:
            counts.append(np.zeros(leaves, np.int64))
            constants.append(flat.leaf_value[flat.leaf_start[i] : flat.leaf_start[i + 1], 0])
            continue
        where = f"tree {i}"
        constants.append(numbers(tree, "leaf_const", where, leaves, np.float64))
        counts.append(numbers(tree, "num_features", where, leaves, np.int64))
        total = sum(counts[-1].tolist())  # of any size: the counts are the text's
        if (counts[-1] < 0).any() or total > len(tree.get("leaf_features", "")):
            raise damaged(
                where, f"'num_features' has counts below 0, or of {total} 'leaf_features' that are not there"
            )
        features.append(numbers(tree, "leaf_features", where, total, np.int32))
        if total and not (features[-1].min() >= 0 and features[-1].max() < model.n_features):
            raise damaged(where, f"'leaf_features' names a feature outside [0, {model.n_features})")
        coefficients.append(numbers(tree, "leaf_coeff", where, total, np.float64))
    return LinearLeaves(
        np.concatenate([[0], np.cumsum(np.concatenate(counts))]), np.concatenate(features),
        np.concatenate(coefficients), np.concatenate(constants), np.repeat(np.array(linear), model.leaves),
    )  # fmt: skip
