"""Frames, tables and arrays of every kind give LightGBM's own results; what cannot be read is named."""

import pickle
import time

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from scalable.errors import DataError, ModelError, UsageError
from scalable.inference import compile_model, load_compiled
from scalable.inference.forest import inputs


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((800, 4))
    X[rng.random((800, 4)) < 0.1] = np.nan
    X[:, 3] = rng.integers(0, 50, 800)
    y = np.nan_to_num(X[:, 0]) + 0.1 * X[:, 3]
    booster = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(X, y, feature_name=list("abcd")), 10)
    return booster, compile_model(booster), X


def test_arrow_polars_pandas_and_numpy_agree(trained):
    booster, compiled, X = trained
    expected = booster.predict(X)
    columns = dict(zip("abcd", X.T, strict=True))
    integers = columns | {"d": X[:, 3].astype(np.int64)}
    for table in (
        pa.table(columns), pa.table(integers), pa.RecordBatch.from_pydict({k: pa.array(v) for k, v in columns.items()}),
        pl.DataFrame(columns), pl.DataFrame(integers), pd.DataFrame(columns), pd.DataFrame(integers), X, X.tolist(),
        np.asfortranarray(X), X[:, ::-1][:, ::-1], X.astype(">f8"),
    ):  # fmt: skip
        np.testing.assert_array_equal(compiled.predict(table), expected)


def test_nulls_are_missing(trained):
    booster, compiled, X = trained
    columns = {
        name: pa.array(values, mask=np.isnan(values)) for name, values in zip("abcd", X.T, strict=True)
    }
    columns["d"] = pa.array([None, *X[1:, 3].astype(int).tolist()], pa.int64())
    with_missing = X.copy()
    with_missing[0, 3] = np.nan
    np.testing.assert_array_equal(compiled.predict(pa.table(columns)), booster.predict(with_missing))


def test_integer_arrays_are_read_as_lightgbm_reads_them(trained):
    booster, compiled, _ = trained
    X = np.random.default_rng(1).integers(-(2**40), 2**40, (300, 4))
    np.testing.assert_array_equal(compiled.predict(X), booster.predict(X))
    small = X.astype(np.int16)
    np.testing.assert_array_equal(compiled.predict(small), booster.predict(small))


def test_pandas_categories_follow_the_training_levels():
    rng = np.random.default_rng(0)
    levels = np.array(["red", "green", "blue", "grey"])
    frame = pd.DataFrame(
        {"x": rng.standard_normal(600), "colour": pd.Categorical(levels[rng.integers(0, 4, 600)])}
    )
    y = frame["x"] + (frame["colour"] == "red") * 3
    params = {"verbose": -1, "num_threads": 1, "min_data_per_group": 1, "cat_smooth": 1.0}
    booster = lgb.train(params, lgb.Dataset(frame, y), 12)
    other = frame.assign(colour=pd.Categorical(np.r_[["violet", None], frame["colour"].to_numpy()[2:]]))
    compiled = compile_model(booster)
    for rows in (frame, other):
        np.testing.assert_array_equal(compiled.predict(rows), booster.predict(rows))


def test_one_row_in_any_form(trained):
    booster, compiled, X = trained
    expected = booster.predict(X[:1])[0]
    frozen = X[0].copy()
    frozen.flags.writeable = False
    for x in (X[0], frozen, X[:1], X[0].tolist(), np.repeat(X[0], 2)[::2]):
        assert compiled.predict_one(x) == expected
    narrow = X[0].astype(np.float32)
    assert compiled.predict_one(narrow) == booster.predict(narrow.reshape(1, -1))[0]


def test_sparse_lazy_and_streamed_rows(trained, monkeypatch):
    booster, compiled, X = trained
    X = np.where(np.isnan(X) | (X < 0.3), 0.0, X)
    expected = booster.predict(X)
    monkeypatch.setattr(inputs, "SPARSE_VALUES", 1000)  # in several parts
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.coo_array):
        np.testing.assert_array_equal(compiled.predict(kind(X)), expected)
        np.testing.assert_array_equal(
            compiled.predict(kind(X), raw_score=True), booster.predict(X, raw_score=True)
        )
        assert compiled.predict(kind(X[:0])).shape == (0,)
    assert compiled.predict_one(scipy.sparse.csr_matrix(X[:1])) == expected[0]
    table = pa.table(dict(zip("abcd", X.T, strict=True)))
    np.testing.assert_array_equal(compiled.predict(pl.DataFrame(table).lazy()), expected)
    np.testing.assert_array_equal(compiled.predict(table.to_reader()), expected)
    np.testing.assert_array_equal(compiled.predict(X.astype(object)), booster.predict(X.astype(object)))


def test_names_may_stand_twice(trained):
    booster, compiled, X = trained
    frame = pd.DataFrame(X, columns=["a", "a", "b", "b"])
    np.testing.assert_array_equal(compiled.predict(frame), booster.predict(frame))


def test_frames_of_other_categories_are_refused(trained):
    _, compiled, X = trained
    frame = pd.DataFrame(X, columns=list("abcd"))
    with pytest.raises(DataError, match="with 0 categorical columns, the frame has 1: d"):
        compiled.predict(frame.assign(d=pd.Categorical(["x"] * len(X))))
    levels = pd.Categorical(np.array(["x", "y"])[(X[:, 3] > 25).astype(int)])
    booster = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(frame.assign(d=levels), X[:, 3]), 3)
    with pytest.raises(DataError, match="with 1 categorical columns, the frame has 0; give"):
        compile_model(booster).predict(frame)


def test_forests_without_trees_and_ranges_past_the_end(trained):
    _, _, X = trained
    for params in ({"objective": "binary"}, {"objective": "multiclass", "num_class": 3}, {}):
        params = params | {"verbose": -1, "num_threads": 1}
        booster = lgb.Booster(params, lgb.Dataset(X, (X[:, 3] > 25).astype(int)))
        compiled = compile_model(booster)
        np.testing.assert_array_equal(compiled.predict(X), booster.predict(X))
        np.testing.assert_array_equal(compiled.predict(X, pred_leaf=True), booster.predict(X, pred_leaf=True))
        np.testing.assert_array_equal(compiled.predict_one(X[0]), booster.predict(X[:1])[0])
        for _ in range(4):
            booster.update()
        compiled = compile_model(booster)
        for start, count in ((4, None), (9, None), (9, 2), (-3, 2), (2, 0), (3, -5)):
            given = {"start_iteration": start, "num_iteration": count}
            np.testing.assert_array_equal(compiled.predict(X, **given), booster.predict(X, **given))


@pytest.mark.parametrize(
    "name",
    ["l2", "mean_squared_error", "mse", "rmse", "l2_root", "regression_l2", "l1", "mae", "mean_absolute_error",
     "mean_absolute_percentage_error", "xentropy", "xentlambda", "xendcg", "xe_ndcg", "xe_ndcg_mart", "none", "null",
     "na", "custom", "binary sigmoid:2", "regression sqrt", ""],
)  # fmt: skip
def test_objective_names_of_other_versions(trained, name):
    booster, _, X = trained
    old = booster.model_to_string().replace("objective=regression\n", f"objective={name}\n" if name else "")
    assert name == "" or f"objective={name}\n" in old
    expected = lgb.Booster(model_str=old).predict(X)
    np.testing.assert_array_equal(compile_model(old).predict(X), expected)
    np.testing.assert_array_equal(compile_model("\ufeff" + old).predict(X), expected)


@pytest.mark.parametrize(
    "name", ["binary sigmoid:0", "binary sigmoid:-1", "binary sigmoid:x", "gibberish", "l2 sqrt"]
)
def test_objectives_that_lightgbm_refuses(trained, name):
    with pytest.raises(ModelError, match="objective"):
        compile_model(trained[0].model_to_string().replace("objective=regression\n", f"objective={name}\n"))


def test_cross_validation_s_boosters_are_compiled_one_by_one(trained):
    X = trained[2]
    data = lgb.Dataset(X, X[:, 3], params={"verbose": -1})
    found = lgb.cv(
        {"verbose": -1, "num_threads": 1}, data, 2, nfold=2, return_cvbooster=True, stratified=False
    )
    with pytest.raises(UsageError, match="a Booster for each fold"):
        compile_model(found["cvbooster"])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_compiled_classifier_has_its_model_s_face(trained, tmp_path, n_classes):
    X = trained[2]
    names = np.array(["no", "yes", "maybe"])
    y = names[np.digitize(X[:, 3], [25] if n_classes == 2 else [15, 35])]
    model = lgb.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1).fit(X, y)
    compiled = compile_model(model)
    compiled.save(tmp_path / "m")
    for one in (compiled, load_compiled(tmp_path / "m"), pickle.loads(pickle.dumps(compiled))):
        np.testing.assert_array_equal(one.predict(X), model.predict(X))
        np.testing.assert_array_equal(one.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(one.predict(X, raw_score=True), model.predict(X, raw_score=True))
        np.testing.assert_array_equal(one.predict(X, pred_leaf=True), model.predict(X, pred_leaf=True))
        assert one.predict_one(X[0]) == model.predict(X[:1])[0]
        np.testing.assert_array_equal(one.predict_proba_one(X[0]), model.predict_proba(X[:1])[0])
        assert one.classes_.tolist() == model.classes_.tolist()
    probability = compile_model(model.booster_)
    np.testing.assert_array_equal(probability.predict(X), model.booster_.predict(X))


def test_no_rows(trained):
    _, compiled, _ = trained
    assert compiled.predict(np.empty((0, 4))).shape == (0,)


def test_refusals_name_the_column_and_the_remedy(trained):
    _, compiled, X = trained
    with pytest.raises(DataError, match="4 features per row, found shape"):
        compiled.predict(X[:, :3])
    with pytest.raises(DataError, match="4 features per row, found shape"):
        compiled.predict_one(X[0, :3])
    with pytest.raises(DataError, match="dtype"):
        compiled.predict(np.array([["a", "b", "c", "d"]]))
    with pytest.raises(DataError, match="'b'"):
        compiled.predict(pa.table({"a": [1.0], "b": ["text"], "c": [1.0], "d": [1.0]}))
    with pytest.raises(DataError, match="'b'"):
        compiled.predict(pd.DataFrame({"a": [1.0], "b": ["text"], "c": [1.0], "d": [1.0]}))
    with pytest.raises(DataError, match="rows and columns of numbers"):
        compiled.predict([[1.0, 2.0], [1.0]])
    with pytest.raises(DataError, match="one row, found 2"):
        compiled.predict_one(X[:2])
    with pytest.raises(UsageError, match="n_threads"):
        compiled.predict(X, n_threads=0)
    with pytest.raises(UsageError, match="cannot compile"):
        compile_model(object())


def test_rows_of_another_type_do_not_pass_through_an_error_each_time(trained):
    compiled, X = trained[1], trained[2][:2].astype(np.float32).astype(np.float64)
    expected = compiled.predict(X)
    frozen = X[0].copy()
    frozen.flags.writeable = False
    forms = [frozen, X[0].astype(np.float32), np.asfortranarray(X)[0], X[0].tolist(), X[0]]
    compiled.predict_one(forms[0])  # from here on, rows are looked at first
    for _ in range(2):
        assert [compiled.predict_one(x) for x in forms] == [expected[0]] * 5
        for wrong in (X[0, :-1], X[0, :-1].astype(np.float32), X):
            with pytest.raises(DataError):
                compiled.predict_one(wrong)
    start = time.thread_time()
    for _ in range(300):
        compiled.predict_one(forms[0])
    usual = time.thread_time() - start
    start = time.thread_time()
    for _ in range(30):
        with pytest.raises(DataError):
            compiled.predict_one(X[0, :-1])
    assert usual / 300 < (time.thread_time() - start) / 30
