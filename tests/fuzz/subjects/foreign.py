"""Models as XGBoost and CatBoost write them, by hand: their files are read without the libraries."""

import json
import struct

import numpy as np

from scalable.errors import ScalableError
from scalable.inference import compile_model
from tests.fuzz.mutations import changed_bytes, changed_json
from tests.fuzz.outcomes import ACCEPTED, REFUSED

N_FEATURES = 3


def xgboost_tree():
    """A tree of two splits, of which the second goes by categories."""
    return {
        "left_children": [1, 3, -1, -1, -1], "right_children": [2, 4, -1, -1, -1],
        "parents": [2**31 - 1, 0, 0, 1, 1], "split_indices": [0, 2, 0, 0, 0],
        "split_conditions": [0.5, 0.0, 0.25, -0.125, 0.75], "default_left": [1, 0, 0, 0, 0],
        "split_type": [0, 1, 0, 0, 0], "base_weights": [0.0, 0.5, 0.25, -0.125, 0.75],
        "loss_changes": [3.0, 1.0, 0.0, 0.0, 0.0], "sum_hessian": [9.0, 6.0, 3.0, 2.0, 4.0],
        "categories": [1, 3], "categories_nodes": [1], "categories_segments": [0], "categories_sizes": [2],
        "id": 0, "tree_param": {"num_nodes": "5", "num_feature": "3", "size_leaf_vector": "1"},
    }  # fmt: skip


def xgboost_model():
    trees = [xgboost_tree(), xgboost_tree()]
    model = {"gbtree_model_param": {"num_trees": "2", "num_parallel_tree": "1"}, "trees": trees,
             "tree_info": [0, 0], "iteration_indptr": [0, 1, 2]}  # fmt: skip
    learner = {
        "feature_names": ["a", "b", "c"], "feature_types": ["float", "float", "c"],
        "gradient_booster": {"name": "gbtree", "model": model},
        "learner_model_param": {"base_score": "5E-1", "num_class": "0", "num_feature": "3", "num_target": "1"},
        "objective": {"name": "binary:logistic"}, "attributes": {},
    }  # fmt: skip
    return {"learner": learner, "version": [3, 0, 0]}


def catboost_model(nested):
    def feature(k):
        return {"borders": [0.5], "feature_id": f"f{k}", "feature_index": k, "flat_feature_index": k,
                "has_nans": True, "nan_value_treatment": ("AsTrue", "AsIs", "AsFalse")[k]}  # fmt: skip

    def split(k):
        return {
            "border": 0.25 + 0.25 * k,
            "float_feature_index": k,
            "split_index": k,
            "split_type": "FloatFeature",
        }

    city = {
        "feature_id": "city",
        "feature_index": 0,
        "flat_feature_index": N_FEATURES - 1,
        "values": [-788814098],
    }
    one_hot = {"cat_feature_index": 0, "split_index": 2, "split_type": "OneHotFeature", "value": -788814098}
    document = {
        "features_info": {
            "float_features": [feature(k) for k in range(N_FEATURES - 1)],
            "categorical_features": [city],
        },
        "model_info": {
            "params": json.dumps({"loss_function": {"type": "Logloss"}}),
            "class_params": {"class_names": ["no", "yes"]},
        },
        "scale_and_bias": [1, [0.25]],
    }
    if nested:
        inner = {"split": split(1), "left": {"value": 1.0, "weight": 2}, "right": {"value": 0.5, "weight": 1}}
        document["trees"] = [{"split": split(0), "left": inner, "right": {"value": -1.0, "weight": 4}}] * 2
    else:
        leaves = {"leaf_values": [1.0, 2.0, -1.0, 0.5], "leaf_weights": [3, 4, 1, 2]}
        document["oblivious_trees"] = [{**leaves, "splits": [split(0), one_hot]}] * 2
    return document


def corpus(directory):
    """Write a file of each library and layout."""
    (directory / "xgboost.json").write_text(json.dumps(xgboost_model()))
    for nested in (False, True):
        (directory / f"catboost{nested:d}.json").write_text(json.dumps(catboost_model(nested)))


def ubjson(value):
    """A document in Universal Binary JSON; lists of numbers of one type with their type and count, as XGBoost does."""

    def length(n):
        return b"L" + struct.pack(">q", n)

    def text(word):
        return length(len(word.encode())) + word.encode()

    if isinstance(value, dict):
        return b"{" + b"".join(text(name) + ubjson(one) for name, one in value.items()) + b"}"
    if isinstance(value, list):
        for kind, letter, code in ((int, b"l", ">i"), (float, b"d", ">f")):
            if value and all(type(one) is kind and abs(one) < 2**31 for one in value):
                packed = b"".join(struct.pack(code, one) for one in value)
                return b"[$" + letter + b"#" + length(len(value)) + packed
        return b"[" + b"".join(map(ubjson, value)) + b"]"
    if value is None or isinstance(value, bool):
        return {None: b"Z", True: b"T", False: b"F"}[value]
    if isinstance(value, str):
        return b"S" + text(value)
    if isinstance(value, float):
        return b"D" + struct.pack(">d", value)
    return b"L" + struct.pack(">q", value) if abs(value) < 2**63 else b"H" + text(str(value))


class Foreign:
    """A file of another library: bytes of it, or other values in it."""

    suffix = ".json"
    names = ("xgboost.json",)
    binary = False

    def __init__(self, directory):
        self.documents = [json.loads((directory / name).read_text()) for name in self.names]
        self.X = np.random.default_rng(0).random((50, N_FEATURES)) * 4
        self.X[::7, 1] = np.nan

    def mutate(self, rng, path):
        document = self.documents[int(rng.integers(0, len(self.documents)))]
        forged = rng.random() < 0.7
        if forged:
            document = changed_json(rng, document)
        content = ubjson(document) if self.binary else json.dumps(document).encode()
        path.write_bytes(content if forged else changed_bytes(rng, content))

    def check(self, path, reached):
        try:
            found = compile_model(path)
            found.predict(self.X)
            found.predict_one(self.X[0])
        except ScalableError:
            return REFUSED
        return ACCEPTED


class XgboostBinary(Foreign):
    """The same in UBJSON."""

    suffix, binary = ".ubj", True


class Catboost(Foreign):
    """CatBoost's JSON, of symmetric and of other trees."""

    names = ("catboost0.json", "catboost1.json")
