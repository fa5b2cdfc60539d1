"""Fitted forests of scikit-learn: trees, random forests, gradient boosting of both kinds, isolation forests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scalable.errors import ModelError
from scalable.inference.forest.formats.node_lists import NodeList, trees_of
from scalable.inference.forest.links import Link
from scalable.inference.forest.trees import Arithmetic, Forest, Labels
from scalable.kernels.forest.links import SIGMOID

WHAT = "scikit-learn forest"
_NONE: dict[int, np.ndarray] = {}


def reads(model: Any) -> bool:
    """Return whether a fitted object is one of the classes read here; a class that was derived from one is not."""
    return _reader(model) is not None


def of_object(model: Any) -> Forest:
    """Return the forest of a fitted estimator.

    Raises
    ------
    ModelError
        It is not fitted, or has something that is not supported (named).
    """
    read = _reader(model)
    assert read is not None
    if not hasattr(model, "n_features_in_"):
        raise ModelError(f"this {type(model).__name__} is not fitted yet; call fit first")
    return read(model)


def recognises(data: bytes) -> bool:
    """Return False: scikit-learn's files are pickles, which are not read here."""
    del data
    return False


def of_bytes(data: bytes) -> Forest:
    """Raise ModelError; see `recognises`."""
    raise ModelError(f"{WHAT}: give the fitted object, not a file of {len(data)} bytes")


def _reader(model: Any) -> Callable[[Any], Forest] | None:
    kind = type(model)
    home = kind.__module__.split(".")
    return _READERS.get(kind.__name__) if home[0] == "sklearn" and home[1] in ("ensemble", "tree") else None


def _list_of(tree: Any, value: np.ndarray, features: np.ndarray | None = None) -> NodeList:
    """Return one of scikit-learn's ``Tree`` with the values of its leaves."""
    split = np.asarray(tree.feature, np.int64)
    if features is not None:
        split = np.where(split >= 0, features[np.maximum(split, 0)], split)
    left, right = tree.children_left, tree.children_right
    inner, weight, impurity = left >= 0, tree.weighted_n_node_samples, tree.impurity
    gain = weight * impurity
    gain = np.where(inner, gain - gain[left] - gain[right], 0.0)
    to_left = np.asarray(tree.missing_go_to_left, np.bool_)
    return NodeList(left, right, split, tree.threshold, to_left, value, weight, gain, _NONE)


def _names(model: Any) -> list[str]:
    given = getattr(model, "feature_names_in_", None)
    return [f"x{i}" for i in range(model.n_features_in_)] if given is None else [str(name) for name in given]


def _forest(
    model: Any, lists: Sequence[NodeList], link: Link, arithmetic: Arithmetic, *, n_outputs: int = 1,
    per_iteration: int = 1, **further: Any,
) -> Forest:  # fmt: skip
    trees = trees_of(lists, model.n_features_in_, n_outputs, per_iteration, arithmetic, WHAT)
    return Forest(trees, link, _names(model), "scikit-learn", type(model).__name__, **further)


_TREE = Arithmetic(float32_input=True)


def _bagged(model: Any) -> Forest:
    """Read forests whose trees' values are averaged: classes' shares, or means."""
    classifies = hasattr(model, "classes_")
    if classifies and model.n_outputs_ > 1:
        raise ModelError(f"this {type(model).__name__} predicts {model.n_outputs_} targets; fit one for each")
    trees = [one.tree_ for one in getattr(model, "estimators_", [model])]
    width = int(np.max(model.n_classes_)) if classifies else model.n_outputs_
    lists = [_list_of(tree, tree.value.reshape(len(tree.value), width)) for tree in trees]
    labels = Labels(tuple(model.classes_.tolist()), "largest") if classifies else None
    return _forest(
        model,
        lists,
        Link("mean"),
        _TREE,
        n_outputs=width,
        average=hasattr(model, "estimators_"),
        labels=labels,
    )


def _binary_or_more(model: Any, n_outputs: int, rule: str, scale: float = 1.0) -> tuple[Link, Labels]:
    classes = tuple(model.classes_.tolist())
    if n_outputs == 1:
        return Link("sigmoid", SIGMOID, scale), Labels(classes, rule)
    return Link("numpy softmax"), Labels(classes, "largest score")


def _gradient_boosting(model: Any) -> Forest:
    """Read gradient boosting; sums start at what its initial estimator says, which must be a constant."""
    init = model.init_
    if not (isinstance(init, str) or type(init).__name__ in ("DummyClassifier", "DummyRegressor")):
        raise ModelError(
            f"this {type(model).__name__} starts from a {type(init).__name__}, whose predictions depend on the row"
        )
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))[0]
    n_outputs = len(start)
    lists = [
        _list_of(one.tree_, model.learning_rate * one.tree_.value[:, :, 0])
        for one in model.estimators_.ravel()
    ]
    link, labels = Link("identity"), None
    if hasattr(model, "classes_"):
        scale = 2.0 if model.loss == "exponential" else 1.0
        link, labels = _binary_or_more(model, n_outputs, "from zero", scale)
    arithmetic = Arithmetic(float32_input=True, start=tuple(map(float, start)))
    return _forest(
        model, lists, link, arithmetic, n_outputs=n_outputs, per_iteration=n_outputs, labels=labels
    )


def _histogram_boosting(model: Any) -> Forest:
    n_outputs = model.n_trees_per_iteration_
    categories = _categories(model)
    lists = [_histogram_list(one, categories) for row in model._predictors for one in row]
    loss = type(model._loss.link).__name__
    link, labels = Link("numpy exp" if loss == "LogLink" else "identity"), None
    if hasattr(model, "classes_"):
        link, labels = _binary_or_more(model, n_outputs, "above zero")
    start = tuple(map(float, np.ravel(model._baseline_prediction)))
    return _forest(
        model,
        lists,
        link,
        Arithmetic(start=start),
        n_outputs=n_outputs,
        per_iteration=n_outputs,
        labels=labels,
    )


class _Categories:
    """Where the features of a model's trees are among its columns, and what categories its codes stand for."""

    def __init__(self, column: np.ndarray, raw: dict[int, np.ndarray], known: dict[int, np.ndarray]) -> None:
        self.column, self.raw, self.known = column, raw, known

    def of(self, feature: int, codes: np.ndarray) -> np.ndarray:
        """Return the raw categories of codes."""
        found: np.ndarray = self.raw[feature][codes]
        return found


def _categories(model: Any) -> _Categories:
    """Return a model's categories; they must be whole numbers from 0 on.

    Its preprocessor puts categorical columns first and replaces each category by its place among the sorted ones.
    """
    n = model.n_features_in_
    if model.is_categorical_ is None or model._preprocessor is None:
        return _Categories(np.arange(n), {}, {})
    is_categorical = np.asarray(model.is_categorical_)
    encoder = model._preprocessor.named_transformers_["encoder"]
    bitsets, index = model._bin_mapper.make_known_categories_bitsets()
    raw, known = {}, {}
    for feature, levels in enumerate(encoder.categories_):
        try:
            numbers = np.asarray(levels, np.float64)
        except ValueError:
            numbers = np.array([-1.0])
        numbers = numbers[~np.isnan(numbers)]
        if (numbers < 0).any() or (numbers != np.floor(numbers)).any() or numbers.max(initial=0) > 2**20:
            raise ModelError(
                f"column {feature} of this {type(model).__name__} has categories other than whole numbers from 0 on; "
                "encode them so before fitting"
            )
        raw[feature] = numbers.astype(np.int64)
        codes = _members(bitsets[index[feature]])
        known[feature] = raw[feature][codes[codes < len(numbers)]]
    column = np.r_[np.flatnonzero(is_categorical), np.flatnonzero(~is_categorical)]
    return _Categories(column, raw, known)


def _members(words: np.ndarray) -> np.ndarray:
    """Return which bits of a bitset are set."""
    return np.flatnonzero(np.unpackbits(np.asarray(words, "<u4").view(np.uint8), bitorder="little"))


def _histogram_list(predictor: Any, categories: _Categories) -> NodeList:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    to_left = nodes["missing_go_to_left"].astype(bool)
    sets = {}
    for at in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf).tolist():
        place = int(nodes["feature_idx"][at])
        codes = _members(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][at]])
        members = categories.of(place, codes[codes < len(categories.raw[place])])
        if to_left[at]:  # with the unknown: turned about, so that the known ones that go right are the set
            members = np.setdiff1d(categories.known[place], members)
            left[at], right[at], to_left[at] = right[at], left[at], False
        sets[at] = members
    feature = categories.column[np.where(leaf, 0, nodes["feature_idx"])]
    value, count = nodes["value"].reshape(-1, 1), nodes["count"].astype(np.float64)
    return NodeList(left, right, feature, nodes["num_threshold"], to_left, value, count, nodes["gain"], sets)


def _isolation(model: Any) -> Forest:
    """Read an isolation forest: path lengths add up, and their mean becomes the score."""
    from sklearn.ensemble._iforest import _average_path_length

    lists = []
    for i, (one, features) in enumerate(zip(model.estimators_, model.estimators_features_, strict=True)):
        length = model._decision_path_lengths[i] + model._average_path_length_per_tree[i] - 1.0
        lists.append(_list_of(one.tree_, np.asarray(length, np.float64).reshape(-1, 1), np.asarray(features)))
    scale = float(len(lists) * _average_path_length([model._max_samples])[0])
    labels = Labels((-1, 1), "threshold", float(model.offset_))
    return _forest(model, lists, Link("isolation", scale=scale), _TREE, labels=labels)


_READERS: dict[str, Callable[[Any], Forest]] = {
    **dict.fromkeys(
        (
            "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor",
            "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor",
        ),
        _bagged,
    ),
    **dict.fromkeys(("GradientBoostingClassifier", "GradientBoostingRegressor"), _gradient_boosting),
    **dict.fromkeys(
        ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"), _histogram_boosting
    ),
    "IsolationForest": _isolation,
}  # fmt: skip
