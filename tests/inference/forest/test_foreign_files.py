"""Files of XGBoost and CatBoost, written by hand: the values they mean, and what they may not say."""

import json
import math

import numpy as np
import pytest

from scalable.errors import ModelError
from scalable.inference import compile_model, load_model
from tests.fuzz.subjects.foreign import catboost_model, ubjson, xgboost_model


def written(path, document):
    path.write_bytes(ubjson(document) if path.suffix == ".ubj" else json.dumps(document).encode())
    return path


def sigmoid(score):
    return 1 / (1 + math.exp(-score))


@pytest.mark.parametrize("name", ["m.json", "m.ubj"])
def test_a_forest_of_xgboost_means_what_its_trees_say(tmp_path, name):
    model = compile_model(written(tmp_path / name, xgboost_model()))
    X = np.array([[0.25, 0, 1], [0.25, 0, 2], [0.75, 0, 1], [np.nan, 0, 3]])
    leaves = np.array([0.75, -0.125, 0.25, 0.75])  # left below .5 or missing; categories 1 and 3 go right
    assert model.predict(X) == pytest.approx([sigmoid(2 * leaf) for leaf in leaves], rel=1e-6)


TEXTS = {"offsets": [0, 1, 3, 3, 4], "values": [*b"rgbx"]}  # "r", "gb", "", "x"


@pytest.mark.parametrize(
    ("told", "rows"), [(TEXTS, ["gb", "", "r"]), ({"type": 15, "values": [70, 5, 0, -9]}, [5, 0, 70])]
)
def test_levels_of_a_frame_that_xgboost_was_trained_on_are_looked_up(tmp_path, told, rows):
    document, none = xgboost_model(), {"offsets": [], "values": []}
    document["learner"]["gradient_booster"]["model"]["cats"] = {"enc": [none, none, told]}
    path = written(tmp_path / "m.json", document)
    expected = compile_model(path).predict(np.array([[0.25, 0, 1], [0.25, 0, 2], [0.25, 0, 0]]))
    assert expected[0] != expected[1] == expected[2]
    names = compile_model(path).feature_names
    found = load_model(path).predict([dict(zip(names, (0.25, 0.0, raw), strict=True)) for raw in rows])
    np.testing.assert_array_equal(found, expected)
    document["learner"]["gradient_booster"]["model"]["cats"]["enc"][2] = {"offsets": [0, 1], "values": [-61]}
    assert not compile_model(
        written(path, document)
    ).forest.categories  # half a letter: lengths are not of bytes


@pytest.mark.parametrize("nested", [False, True])
def test_a_forest_of_catboost_means_what_its_trees_say(tmp_path, nested):
    model = compile_model(written(tmp_path / "m.json", catboost_model(nested)))
    X = np.array(
        [[0.0, 0, 0], [1.0, 0, 0], [0.0, 1, 4500], [1.0, 1, 4500]]
    )  # the hash in the file is that of 4500
    leaves = [1.0, -1.0, 0.5, -1.0] if nested else [1.0, 2.0, -1.0, 0.5]
    assert model.predict(X, raw_score=True) == pytest.approx([2 * leaf + 0.25 for leaf in leaves])


def test_constants_that_take_no_byte_are_not_counted_out(tmp_path):
    bomb = b"{L\0\0\0\0\0\0\0\x07learner[$Z#l\0\1\0\0]"
    (tmp_path / "m.ubj").write_bytes(bomb.ljust(2**17, b"N"))
    with pytest.raises(ModelError, match="65536 values"):
        compile_model(tmp_path / "m.ubj")


def test_a_forest_without_trees_gives_its_base(tmp_path):
    document = xgboost_model()
    document["learner"]["gradient_booster"]["model"] |= {"trees": [], "tree_info": []}
    document["learner"]["learner_model_param"]["base_score"] = "2.5E-1"
    model = compile_model(written(tmp_path / "m.json", document))
    assert model.predict(np.zeros((2, 3))) == pytest.approx([0.25, 0.25])
    assert model.predict_one(np.zeros(3)) == pytest.approx(0.25)


@pytest.mark.parametrize(("name", "value"), [("num_feature", 2**31 - 1), ("num_class", 2**31 - 1)])
def test_counts_that_a_file_only_claims_cost_no_memory(tmp_path, name, value):
    document = xgboost_model()
    document["learner"]["learner_model_param"][name] = str(value)
    with pytest.raises(ModelError, match=r"2,147,483,647 (features|outputs); 1 to"):
        compile_model(written(tmp_path / "m.json", document))
    document = catboost_model(True)
    document["features_info"]["float_features"][1]["flat_feature_index"] = 2**31 - 2
    with pytest.raises(ModelError, match="2,147,483,647 features; 1 to"):
        compile_model(written(tmp_path / "m.json", document))


def test_names_of_another_number_of_features_are_refused(tmp_path):
    document = xgboost_model()
    document["learner"]["feature_names"] = ["a", "b"]
    with pytest.raises(ModelError, match="2 names of 3 features"):
        compile_model(written(tmp_path / "m.json", document))
