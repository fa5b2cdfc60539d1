"""Forests in files of their own answer, score and are evaluated as saved models are."""

import json
import pickle

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest, RandomForestClassifier

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier
from scalable.cli import main
from scalable.errors import DataError, ModelError
from scalable.inference import compile_model, load_model
from scalable.linear import Ridge


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp("forms")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3))
    y = (X[:, 0] + 0.3 * rng.standard_normal(2000) > 0).astype(int)
    columns = {"c": X[:, 2], "y": y, "a": X[:, 0], "b": X[:, 1], "text": np.array(["p", "q"])[y]}
    pq.write_table(pa.table(columns), path / "d.parquet")
    params = {"objective": "binary", "verbose": -1, "num_threads": 1}
    booster = lgb.train(params, lgb.Dataset(X, y, feature_name=["a", "b", "c"]), 8)
    booster.save_model(path / "m.txt")
    compile_model(booster).save(path / "m.forest")
    LGBMClassifier(n_estimators=8, num_threads=1).fit(
        ParquetSource(path / "d.parquet", target="y", features=["a", "b", "c"])
    ).save(path / "m.model")
    return path, booster, X


@pytest.mark.parametrize("form", ["m.txt", "m.forest"])
def test_rows_are_found_by_name_whatever_holds_them(files, form):
    path, booster, X = files
    model, expected = load_model(path / form), booster.predict(X)
    table = pq.read_table(path / "d.parquet")
    for rows in (table, table.to_pandas(), ParquetSource(path / "d.parquet"), table.to_pylist()):
        np.testing.assert_array_equal(model.predict(rows), expected)
    one = {"b": X[0, 1], "c": X[0, 2], "a": X[0, 0], "more": "text"}
    assert model.predict_one(one) == expected[0]
    assert pickle.loads(pickle.dumps(model)).predict_one(one) == expected[0]
    assert (model.task, model.classes, model.n_outputs) == ("binary", (0, 1), 1)
    missing = booster.predict(np.array([[np.nan, X[0, 1], X[0, 2]]]))[0]
    assert model.predict_one(one | {"a": None}) == missing
    with pytest.raises(DataError, match="no rows"):
        model.predict(table[:0])


def test_a_saved_model_answers_with_probabilities_or_means(files, tmp_path):
    path, _, X = files
    table = pq.read_table(path / "d.parquet")
    rows = table.to_pandas()
    model, estimator = load_model(path / "m.model"), LGBMClassifier.load(path / "m.model")
    expected = estimator.predict_proba(rows)[:, 1]
    np.testing.assert_array_equal(model.predict(rows), expected)
    assert model.predict_one(rows.iloc[0].to_dict()) == expected[0]
    three = LGBMClassifier(n_estimators=3, num_threads=1).fit(
        rows[["a", "b"]], np.array(["x", "y", "z"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    )
    three.save(tmp_path / "three")
    several = load_model(tmp_path / "three")
    np.testing.assert_array_equal(several.predict(rows), three.predict_proba(rows[["a", "b"]]))
    assert several.predict_one(rows.iloc[0].to_dict()).shape == (3,)
    ridge = Ridge().fit(rows[["a", "b"]], X[:, 0])
    ridge.save(tmp_path / "ridge")
    np.testing.assert_allclose(load_model(tmp_path / "ridge").predict(rows), ridge.predict(rows[["a", "b"]]))


def test_what_does_not_fit_is_named(files, tmp_path):
    path, _, _ = files
    model = load_model(path / "m.txt")
    table = pq.read_table(path / "d.parquet")
    with pytest.raises(DataError, match="no feature column 'b'"):
        model.predict(table.drop_columns(["b"]))
    with pytest.raises(DataError, match="the row has no 'b'"):
        model.predict_one({"a": 1.0, "c": 2.0})
    with pytest.raises(DataError, match="one row, found 2"):
        model.predict_one(table[:2])
    with pytest.raises(DataError, match="column 'b' is text"):
        model.predict(pd.DataFrame({"a": [1.0], "b": ["x"], "c": [1.0]}))
    (tmp_path / "odd").write_bytes(b"PK")
    with pytest.raises(ModelError, match="odd: not a model that can be read here"):
        load_model(tmp_path / "odd")
    X = np.random.default_rng(0).standard_normal((50, 2))
    compile_model(IsolationForest(n_estimators=3).fit(X)).save(tmp_path / "outliers")
    with pytest.raises(ModelError, match="outliers"):
        load_model(tmp_path / "outliers")
    compile_model(RandomForestClassifier(3).fit(X, X[:, 0] > 0)).save(tmp_path / "rf")
    assert load_model(tmp_path / "rf").classes == (False, True)
    assert load_model(tmp_path / "rf").predict_one({"x0": 5.0, "x1": 0.0}) > 0.5


def run(*words):
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    assert left.value.code == 0


@pytest.mark.parametrize("form", ["m.txt", "m.forest", "m.model"])
def test_every_command_takes_every_form(files, tmp_path, form):
    path = files[0]
    data = str(path / "d.parquet")
    run("predict", path / form, data, "--out", tmp_path / "out", "--quiet")
    found = pq.read_table(tmp_path / "out")["prediction"].to_numpy()
    np.testing.assert_array_equal(found, load_model(path / form).predict(pq.read_table(data)))
    report = tmp_path / "quality.json"
    run("evaluate", path / form, data, "--target", "y", "--quiet", "--json", report)
    assert json.loads(report.read_text())["sections"]["quality"][0]["auc"] > 0.9


LEVELS = {
    "numbers": [60, 20, 30, 50, 10],
    "fractions": [0.5, 1.5, -2.5, 3.5, 4.5],
    "truths": [True, False],
    "texts": ["ab", "c", "dé", "", "0"],
}


def category_frame(levels, n=800):
    rng = np.random.default_rng(3)
    raw = np.array(levels)[rng.integers(0, len(levels), n)]
    frame = pd.DataFrame({"a": rng.standard_normal(n), "c": raw, "b": rng.standard_normal(n)})
    return frame, np.unique(raw, return_inverse=True)[1] % 3 + frame["a"]


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
def test_categories_of_a_frame_are_found_by_their_values(tmp_path, levels):
    raw, y = category_frame(levels)
    frame = raw.astype({"c": "category"})
    booster = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(frame, y), 10)
    booster.save_model(tmp_path / "m.txt")
    compile_model(booster).save(tmp_path / "m.forest")
    raw.to_parquet(tmp_path / "raw.parquet")
    frame.to_parquet(tmp_path / "frame.parquet")
    expected = booster.predict(frame)
    turned = frame.assign(c=frame["c"].cat.set_categories(frame["c"].cat.categories[::-1]))
    sources = [ParquetSource(tmp_path / f"{name}.parquet") for name in ("raw", "frame")]
    for form in ("m.txt", "m.forest"):
        model = load_model(tmp_path / form)
        for rows in (raw, frame, turned, raw.to_dict("records"), *sources):
            np.testing.assert_array_equal(model.predict(rows), expected)
        unseen = model.predict_one({"a": 0.5, "b": 0.5, "c": None})
        assert unseen == booster.predict(np.array([[0.5, np.nan, 0.5]]))[0]
        assert model.predict_one({"a": 0.5, "b": 0.5, "c": "no" if levels[0] == "ab" else 77}) == unseen
        assert model.explain(raw).scores[:, 0] == pytest.approx(expected)


def test_codes_serve_where_the_levels_are_texts_and_other_types_are_refused(tmp_path):
    raw, y = category_frame(LEVELS["texts"])
    frame = raw.astype({"c": "category"})
    booster = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(frame, y), 10)
    booster.save_model(tmp_path / "m.txt")
    model, coded = load_model(tmp_path / "m.txt"), frame.assign(c=frame["c"].cat.codes)
    np.testing.assert_array_equal(model.predict(coded), booster.predict(frame))
    assert model.predict_one(coded.iloc[0].to_dict()) == booster.predict(frame[:1])[0]
    with pytest.raises(DataError, match="'c' is int64, but the forest was trained on categories such as ''"):
        model.predict(frame.assign(c=pd.Categorical(np.arange(len(frame)) % 5)))
    with pytest.raises(DataError, match="'a' is text, but the forest splits numbers"):
        model.predict(frame.assign(a="x"))
    model = load_model(tmp_path / "m.txt")
    raw, y = category_frame(LEVELS["numbers"])
    frame = raw.assign(c=pd.Categorical(raw["c"], ordered=True))  # its codes are numbers to LightGBM
    booster = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(frame, y), 10)
    booster.save_model(tmp_path / "ordered.txt")
    with pytest.raises(ModelError, match=r"ordered.txt: was trained on .* \(one of \[10, 20, 30"):
        load_model(tmp_path / "ordered.txt")
    np.testing.assert_array_equal(
        compile_model(tmp_path / "ordered.txt").predict(frame), booster.predict(frame)
    )


def test_categories_that_are_split_by_value_need_no_levels(tmp_path):
    raw, y = category_frame(LEVELS["numbers"])
    frame = raw.astype({"c": "category"})
    frame.loc[::7, "c"] = np.nan
    fitted = HistGradientBoostingRegressor(max_iter=5, categorical_features="from_dtype").fit(frame, y)
    compiled, expected = compile_model(fitted), fitted.predict(frame)
    compiled.save(tmp_path / "m.forest")
    for rows in (frame, raw.assign(c=frame["c"].astype(float))):
        np.testing.assert_array_equal(compiled.predict(rows), expected)
        np.testing.assert_array_equal(load_model(tmp_path / "m.forest").predict(rows), expected)
    with pytest.raises(DataError, match="'c' should be numeric, found categories of"):
        compiled.predict(frame.assign(c=pd.Categorical(["x"] * len(frame))))


NOT_READ = {
    b"\x80\x04\x95": "a pickle",
    b"\x1f\x8b\x08\0": "joblib",
    b"CBM1\xc0/": 'format="json"',
    b"binf\0\0\0?": "XGBoost's old binary",
    b"\x08\x0a\x12\x08skl2onnx": "ONNX",
    b'{"name": "tree", "tree_info": []}': "dump_model",
    b"booster[0]:\n0:[a<0.5] yes=1": "dump_model",
    "tree\nversion=v4".encode("utf-16"): "UTF-16",
    b"PAR1\x15\0": "give the model first",
    b"": "empty",
    b"#include <string>": "it begins with b'#include",
}


@pytest.mark.parametrize(("content", "what"), NOT_READ.items(), ids=range(len(NOT_READ)))
def test_a_file_of_another_sort_is_told_for_what_it_is(tmp_path, content, what):
    (tmp_path / "odd").write_bytes(content)
    for read in (load_model, compile_model):
        with pytest.raises(ModelError, match="odd: not a model that can be read here") as refused:
            read(tmp_path / "odd")
        assert what in str(refused.value)
