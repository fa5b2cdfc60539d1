"""CatBoost's models of numbers and of categories that are compared one by one: fitted objects and JSON files.

Categories are whole numbers here: the library hashes texts, which a matrix has none of.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest.formats.catboost_categories import MOST, numbers_of
from scalable.inference.forest.formats.node_lists import (
    MOST_FEATURES,
    MOST_OUTPUTS,
    NodeList,
    counted,
    trees_of,
)
from scalable.inference.forest.links import Link
from scalable.inference.forest.trees import Arithmetic, Forest, Labels, check_labels
from scalable.kernels.forest.links import SIGMOID
from scalable.storage.documents import understood

WHAT = "CatBoost model"
_AGAIN = 'save the model again with save_model(FILE, format="json")'
_PLAIN = (
    "RMSE", "MAE", "Quantile", "MultiQuantile", "Expectile", "Lq", "Huber", "MAPE", "MultiRMSE", "LogCosh", "PairLogit",
    "PairLogitPairwise", "YetiRank", "YetiRankPairwise", "QueryRMSE", "QuerySoftMax", "QueryCrossEntropy",
)  # fmt: skip
_LINKS = {
    **dict.fromkeys(("Logloss", "CrossEntropy", "MultiClassOneVsAll"), Link("sigmoid", SIGMOID)),
    "MultiClass": Link("catboost softmax"),
    **dict.fromkeys(("Poisson", "Tweedie"), Link("catboost exp")),
    **dict.fromkeys(_PLAIN, Link("identity")),
}
_MAX_DEPTH = 16
_NONE: dict[int, np.ndarray] = {}


def reads(model: Any) -> bool:
    """Return whether a fitted object is CatBoost's own class."""
    kind = type(model)
    return kind.__module__ == "catboost.core" and hasattr(model, "save_model")


def of_object(model: Any) -> Forest:
    """Return the forest of a fitted model, by way of its JSON.

    Raises
    ------
    ModelError
        It is not fitted, or something in it is not supported (named).
    """
    if not model.is_fitted():
        raise ModelError(f"this {type(model).__name__} is not fitted yet; call fit first")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.json"
        model.save_model(str(path), format="json")
        forest = of_bytes(path.read_bytes())
    if forest.labels is not None and not hasattr(model, "predict_proba"):
        forest.labels, forest.link = None, Link("identity")  # the plain class gives raw scores
    return forest


def recognises(data: bytes) -> bool:
    """Return whether a file holds JSON of CatBoost."""
    head = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    return head[:1] == b"{" and b'"features_info"' in head[:200] and b"learner" not in head[:200]


def of_bytes(data: bytes) -> Forest:
    """Return the forest of a JSON model.

    Raises
    ------
    ModelError
        It is damaged, or something in it is not supported (named).
    """
    with understood(ModelError, WHAT, _AGAIN):
        return _forest(json.loads(data.decode("utf-8-sig")))


def _forest(document: dict[str, Any]) -> Forest:
    features, info = document["features_info"], document["model_info"]
    for kind in ("ctrs", "text_features", "embedding_features"):
        if features.get(kind):
            first = features[kind][0]
            name = (
                first.get("feature_id") or first.get("flat_feature_index", "")
                if isinstance(first, dict)
                else ""
            )
            raise ModelError(
                f"{WHAT}: has {kind.replace('_', ' ')} ({name}); only numbers and one-hot categories are read here"
            )
    parameters = info["params"]
    parameters = json.loads(parameters) if isinstance(parameters, str) else parameters
    loss = str(parameters["loss_function"]["type"])
    if loss not in _LINKS:
        raise ModelError(f"{WHAT}: loss {loss!r} is not one whose link is known ({', '.join(_LINKS)})")
    numbers, categories = features.get("float_features") or [], features.get("categorical_features") or []
    columns = [*numbers, *categories]
    last = max(int(one["flat_feature_index"]) for one in columns)
    n_features = counted(1 + last, MOST_FEATURES, "features", WHAT)
    names = [f"x{i}" for i in range(n_features)]
    for one in columns:
        names[int(one["flat_feature_index"])] = str(
            one["feature_id"] or names[int(one["flat_feature_index"])]
        )
    by_index = _Features(
        *({int(one["feature_index"]): one for one in part} for part in (numbers, categories))
    )
    scale, bias = document["scale_and_bias"]
    bias = np.ravel(np.asarray(bias, np.float64))
    if float(scale) != 1.0:
        raise ModelError(f"{WHAT}: its scale is {scale}; only models of scale 1 are read here")
    if "oblivious_trees" in document:
        lists = [_symmetric(tree, by_index) for tree in document["oblivious_trees"]]
    else:
        lists = [_nested(tree, by_index) for tree in document["trees"]]
    n_outputs = counted(len(bias), MOST_OUTPUTS, "outputs", WHAT)
    if any(one.value.shape[1] != n_outputs for one in lists):
        raise ValueError(f"leaves of other than {n_outputs} values")
    lists.append(_constant(bias))  # it is added last
    trees = trees_of(lists, n_features, n_outputs, 1, Arithmetic(float32_input=True), WHAT)
    return Forest(trees, _LINKS[loss], names, "catboost", loss, labels=_labels(info, n_outputs))


def _labels(info: dict[str, Any], n_outputs: int) -> Labels | None:
    if "class_params" not in info:
        return None
    names = tuple(info["class_params"]["class_names"])
    labels = Labels(names, "above zero" if n_outputs == 1 else "largest score")
    check_labels(labels, n_outputs)
    return labels


def _constant(value: np.ndarray) -> NodeList:
    none, nothing = np.full(1, -1), np.zeros(1)
    return NodeList(none, none, none, nothing, none < 0, value.reshape(1, -1), nothing, nothing, _NONE)


@dataclass(frozen=True, slots=True)
class _Features:
    """What the file says of each feature of a sort, by the number that splits call it."""

    numbers: dict[int, Any]
    categories: dict[int, Any]


@dataclass(frozen=True, slots=True)
class _Split:
    """A split; the `members` of a category are those for which it is true, of which a tree of ours goes left."""

    feature: int
    threshold: float = 0.0
    missing_left: bool = False
    members: np.ndarray | None = None


def _split(split: dict[str, Any], by_index: _Features) -> _Split:
    kind = split["split_type"]
    if kind == "OneHotFeature":
        feature, members = (
            by_index.categories[int(split["cat_feature_index"])],
            numbers_of(int(split["value"])),
        )
        if not len(members):
            name = feature.get("feature_id") or feature["flat_feature_index"]
            raise ModelError(f"{WHAT}: a category of {name!r} is no whole number from 0 to {MOST - 1:,}; give its "
                             "categories such numbers before training")  # fmt: skip
        return _Split(int(feature["flat_feature_index"]), members=members)
    if kind != "FloatFeature":
        raise ModelError(f"{WHAT}: splits by {kind}; only numbers and one-hot categories are read here")
    feature = by_index.numbers[int(split["float_feature_index"])]
    to_left = feature["nan_value_treatment"] != "AsTrue"
    return _Split(int(feature["flat_feature_index"]), float(np.float32(split["border"])), to_left)


def _symmetric(tree: dict[str, Any], by_index: _Features) -> NodeList:
    """Return a tree whose nodes of one depth share a split; bit ``i`` of a leaf's number is split ``i``."""
    splits = [_split(one, by_index) for one in reversed(tree.get("splits") or [])]
    depth = len(splits)
    if depth > _MAX_DEPTH:
        raise ValueError(f"a tree of depth {depth}")
    n_inner, leaves = (1 << depth) - 1, 1 << depth
    place = np.arange(n_inner + leaves)
    inner = place < n_inner
    level = np.minimum(np.floor(np.log2(place + 1)).astype(np.int64), max(0, depth - 1))
    each = splits or [_Split(0)]
    feature, threshold, to_left = (
        np.array([getattr(one, name) for one in each])[level]
        for name in ("feature", "threshold", "missing_left")
    )
    sets = {
        at: one.members
        for k, one in enumerate(each)
        if one.members is not None
        for at in range((1 << k) - 1, (2 << k) - 1)
    }
    swapped = np.isin(place, list(sets))
    value = np.asarray(tree["leaf_values"], np.float64).reshape(leaves, -1)
    weight = np.asarray(tree.get("leaf_weights", np.zeros(leaves)), np.float64)
    if len(weight) != leaves:
        raise ValueError(f"{len(weight)} weights of {leaves} leaves")
    cover = np.r_[np.zeros(n_inner), weight]
    for at in range(n_inner - 1, -1, -1):
        cover[at] = cover[2 * at + 1] + cover[2 * at + 2]
    return NodeList(
        np.where(inner, 2 * place + 1 + swapped, -1), np.where(inner, 2 * place + 2 - swapped, -1), feature, threshold,
        to_left, np.concatenate([np.zeros((n_inner, value.shape[1])), value]), cover, np.zeros(len(place)), sets,
    )  # fmt: skip


def _nested(tree: dict[str, Any], by_index: _Features) -> NodeList:
    """Return a tree whose nodes hold their children."""
    rows: list[list[Any]] = []
    values: list[np.ndarray] = []
    sets: dict[int, np.ndarray] = {}

    def add(node: dict[str, Any], depth: int) -> int:
        if depth > 8 * _MAX_DEPTH:
            raise ValueError("a tree nested too deeply")
        at = len(rows)
        rows.append([-1, -1, 0, 0.0, True, float(node.get("weight", 0.0))])
        values.append(np.zeros(0))
        if "split" not in node:
            values[at] = np.ravel(np.asarray(node["value"], np.float64))
            return at
        split = _split(node["split"], by_index)
        rows[at][2:5] = split.feature, split.threshold, split.missing_left
        below = add(node["left"], depth + 1), add(node["right"], depth + 1)
        rows[at][:2] = below
        if split.members is not None:
            sets[at], rows[at][:2] = split.members, below[::-1]
        rows[at][5] = rows[rows[at][0]][5] + rows[rows[at][1]][5]
        return at

    add(tree, 0)
    width = max(map(len, values))
    value = np.stack([one if len(one) else np.zeros(width) for one in values])
    left, right, feature, threshold, to_left, cover = (np.array(part) for part in zip(*rows, strict=True))
    return NodeList(left, right, feature, threshold, to_left, value, cover, np.zeros(len(left)), sets)
