"""XGBoost's models: Booster, scikit-learn's face, JSON and UBJSON files of version 1.6 and later."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest.formats import ubjson
from scalable.inference.forest.formats.node_lists import (
    MOST_FEATURES,
    MOST_OUTPUTS,
    NodeList,
    counted,
    trees_of,
)
from scalable.inference.forest.links import Link
from scalable.inference.forest.trees import Arithmetic, Forest, Labels
from scalable.kernels.forest.links import (
    EXP32,
    HINGE,
    IDENTITY,
    LOG32,
    LOGIT32,
    SIGMOID32,
    SOFTMAX32,
    link_rows,
)
from scalable.storage.documents import understood

WHAT = "XGBoost model"
_AGAIN = "save the model again with Booster.save_model"
# Objective -> link, and what turns the base score into a raw score.
_LINKS = {
    **dict.fromkeys(("reg:logistic", "binary:logistic"), (SIGMOID32, LOGIT32)),
    **dict.fromkeys(
        ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), (EXP32, LOG32)
    ),
    **dict.fromkeys(("multi:softprob", "multi:softmax"), (SOFTMAX32, IDENTITY)),
    "binary:hinge": (HINGE, IDENTITY),
    **dict.fromkeys(
        (
            "binary:logitraw", "reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror",
            "reg:quantileerror", "reg:expectileerror", "reg:linear", "rank:ndcg", "rank:map", "rank:pairwise",
        ),
        (IDENTITY, IDENTITY),
    ),
}  # fmt: skip


def reads(model: Any) -> bool:
    """Return whether a fitted object is a Booster of XGBoost or holds one."""
    return any(kind.__module__.split(".")[0] == "xgboost" for kind in type(model).__mro__) and hasattr(
        model, "get_booster" if hasattr(model, "get_booster") else "save_raw"
    )


def of_object(model: Any) -> Forest:
    """Return the forest of a Booster or of an estimator, with the estimator's classes and best iteration.

    Raises
    ------
    ModelError
        Something in it is not supported (named).
    """
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    forest = of_bytes(bytes(booster.save_raw("ubj")))
    if booster is model:
        return forest
    try:
        forest.best_iteration = int(model.best_iteration) + 1
    except AttributeError:  # without early stopping: all
        forest.best_iteration = 0
    n_classes = getattr(model, "n_classes_", None)
    if n_classes is not None and hasattr(model, "predict_proba"):
        if forest.trees.n_outputs > 1 and not forest.link.name.startswith("multi:"):
            raise ModelError(f"{WHAT}: classifiers of several labels a row are not read here")
        rule = "largest" if forest.trees.n_outputs > 1 else "half"
        forest.labels = Labels(tuple(range(max(2, int(n_classes)))), rule)
    return forest


def recognises(data: bytes) -> bool:
    """Return whether a file holds JSON or UBJSON of XGBoost."""
    head = data.removeprefix(b"\xef\xbb\xbf")[:200].lstrip()
    return head[:1] == b"{" and b"learner" in head


def of_bytes(data: bytes) -> Forest:
    """Return the forest of a JSON or UBJSON model.

    Raises
    ------
    ModelError
        It is damaged, or something in it is not supported (named).
    """
    with understood(ModelError, WHAT, _AGAIN):
        if data[:1] == b"{" and data[1:2] not in b' \r\n\t"':
            document = ubjson.parse(data)
        else:
            document = json.loads(data.decode("utf-8-sig"))
        return _forest(document["learner"])


def _forest(learner: dict[str, Any]) -> Forest:
    booster, parameters = learner["gradient_booster"], learner["learner_model_param"]
    weights = None
    if booster["name"] == "dart":
        weights, booster = booster["weight_drop"], booster["gbtree"]
    if booster["name"] != "gbtree":
        raise ModelError(f"{WHAT}: booster {booster['name']!r} has no trees; compile gbtree or dart models")
    objective = str(learner["objective"]["name"])
    if objective not in _LINKS:
        raise ModelError(
            f"{WHAT}: objective {objective!r} is not one whose link is known ({', '.join(_LINKS)})"
        )
    n_features = counted(parameters["num_feature"], MOST_FEATURES, "features", WHAT)
    outputs = max(1, int(parameters["num_class"]), int(parameters.get("num_target", "1")))
    n_outputs = counted(outputs, MOST_OUTPUTS, "outputs", WHAT)
    model = booster["model"]
    parallel = max(1, int(model["gbtree_model_param"].get("num_parallel_tree", "1")))
    lists = [_list_of(tree, n_features) for tree in model["trees"]]
    for i, one in enumerate(lists):
        if weights is not None:  # in float32, as the library multiplies
            one.value = (one.value.astype(np.float32) * np.float32(weights[i])).astype(np.float64)
    width = lists[0].value.shape[1] if lists else 1
    if width not in (1, n_outputs):
        raise ModelError(f"{WHAT}: leaves of {width} values for {n_outputs} outputs; {_AGAIN}")
    if width < n_outputs:
        lists = _by_output(lists, np.asarray(model["tree_info"], np.int64), n_outputs)
    kind, margin = _LINKS[objective]
    arithmetic = Arithmetic(
        strict=True, float32_input=True, float32_sum=True, start=_start(parameters["base_score"], margin, n_outputs)
    )  # fmt: skip
    trees = trees_of(lists, n_features, n_outputs, parallel * n_outputs // width, arithmetic, WHAT)
    names = [str(name) for name in learner.get("feature_names", [])] or [f"f{i}" for i in range(n_features)]
    if len(names) != n_features:
        raise ValueError(f"{len(names)} names of {n_features} features")
    labels = Labels(tuple(range(n_outputs)), "largest") if objective == "multi:softmax" else None
    levels = _levels(model.get("cats", {}).get("enc", []))
    return Forest(
        trees, Link(objective, kind), names, "xgboost", objective, labels=labels, categories=list(levels.values()),
        category_columns=list(levels),
    )  # fmt: skip


def _levels(told: list[dict[str, Any]]) -> dict[int, list[object]]:
    """Return the levels of the category columns of the frame a model was trained on; before 3.1, none are told."""
    found: dict[int, list[object]] = {}
    for feature, one in enumerate(told):
        values = np.asarray(one["values"])
        levels: list[object] = values.tolist()
        if "offsets" in one:  # texts, one after the other
            text, ends = bytes(value % 256 for value in values.tolist()), list(map(int, one["offsets"]))
            # 3.2 counts characters for bytes, so that nobody knows where a text of others ends.
            known = itertools.pairwise(ends) if text.isascii() else ()
            levels = [text[begin:end].decode() for begin, end in known]
        if levels:
            found[feature] = levels
    return found


def _start(text: Any, margin: int, n_outputs: int) -> tuple[float, ...]:
    """Return the raw score that each output's sum starts at, from the base score of the text."""
    found = json.loads(text) if isinstance(text, str) else text
    scores = (
        np.array(found if isinstance(found, list) else [found], np.float32).astype(np.float64).reshape(-1, 1)
    )
    if scores.size not in (1, n_outputs) or not np.isfinite(scores).all():
        raise ModelError(f"{WHAT}: base_score {str(text)[:40]!r} for {n_outputs} outputs; {_AGAIN}")
    link_rows(scores, margin, 1.0)
    return tuple(np.broadcast_to(scores[:, 0], n_outputs).tolist())


def _by_output(lists: list[NodeList], output: np.ndarray, n_outputs: int) -> list[NodeList]:
    """Return trees in turns of one an output, each output's in their order."""
    counts = np.bincount(output, minlength=n_outputs)
    if len(output) != len(lists) or len(counts) != n_outputs or counts.min() != counts.max():
        raise ModelError(f"{WHAT}: outputs have different numbers of trees; {_AGAIN}")
    by_output = np.argsort(output, kind="stable").reshape(n_outputs, -1)
    return [lists[i] for i in by_output.T.ravel()]


def _list_of(tree: dict[str, Any], n_features: int) -> NodeList:
    left, right = (np.array(tree[f"{side}_children"], np.int64) for side in ("left", "right"))
    n = len(left)
    threshold = np.array(tree["split_conditions"], np.float32).astype(np.float64)
    default = np.array(tree["default_left"], np.int64) != 0
    feature = np.array(tree["split_indices"], np.int64)
    weights, gain = (np.array(tree[name], np.float64) for name in ("base_weights", "loss_changes"))
    cover = np.array(tree["sum_hessian"], np.float64)
    width = max(1, int(tree["tree_param"].get("size_leaf_vector", "1") or 1))
    value = threshold.reshape(-1, 1) if width == 1 else _vectors(tree, weights, left, width)
    if not all(len(part) == n for part in (right, threshold, default, feature, gain, cover, value)):
        raise ValueError("arrays of different lengths")
    inner = left >= 0
    if (~np.isfinite(threshold[inner]) & (threshold[inner] != math.inf)).any():
        raise ValueError("a threshold is not a number")
    sets = _sets(tree, n)
    for at in sets:  # the set goes right: turn the node about
        left[at], right[at], default[at] = right[at], left[at], not default[at]
    del n_features
    return _reachable(NodeList(left, right, feature, threshold, default, value, cover, gain, sets))


def _vectors(tree: dict[str, Any], weights: np.ndarray, left: np.ndarray, width: int) -> np.ndarray:
    """Return the leaves' vectors, at the leaves' places."""
    if "leaf_weights" in tree:  # leaves only, in order; right children hold their places
        leaves = np.array(tree["leaf_weights"], np.float32).astype(np.float64).reshape(-1, width)
        value = np.zeros((len(left), width))
        places = np.array(tree["right_children"], np.int64)[left < 0]
        value[left < 0] = leaves[places if (places >= 0).all() and len(places) else np.arange(len(leaves))]
        return value
    return weights.astype(np.float32).astype(np.float64).reshape(len(left), width)


def _sets(tree: dict[str, Any], n: int) -> dict[int, np.ndarray]:
    """Return the categories of each node that splits by them."""
    members = np.array(tree.get("categories", []), np.int64)
    nodes, begins, sizes = (
        np.array(tree.get(f"categories_{part}", []), np.int64) for part in ("nodes", "segments", "sizes")
    )
    found = {}
    for node, begin, size in zip(nodes.tolist(), begins.tolist(), sizes.tolist(), strict=True):
        inside = members[begin : begin + size]
        if not 0 <= node < n or len(inside) != size or (inside < 0).any() or (inside >= 2**24).any():
            raise ValueError("categories that do not exist")
        found[node] = inside
    return found


def _reachable(one: NodeList) -> NodeList:
    """Return a tree without the places of nodes that were pruned."""
    seen = np.zeros(len(one.left), bool)
    frontier = np.zeros(1, np.int64)
    while frontier.size:
        if seen[frontier].any():
            raise ValueError("a node has two parents")
        seen[frontier] = True
        inner = frontier[one.left[frontier] >= 0]
        frontier = np.concatenate([one.left[inner], one.right[inner]])
        if (frontier < 0).any() or (frontier >= len(seen)).any() or len(np.unique(frontier)) != len(frontier):
            raise ValueError("a child does not exist, or has two parents")
    if seen.all():
        return one
    place = np.cumsum(seen) - 1
    left, right = (
        np.where(side >= 0, place[np.maximum(side, 0)], -1)[seen] for side in (one.left, one.right)
    )
    return NodeList(
        left, right, one.feature[seen], one.threshold[seen], one.default_left[seen], one.value[seen],
        one.cover[seen], one.gain[seen], {int(place[at]): members for at, members in one.sets.items() if seen[at]},
    )  # fmt: skip
