"""Frames, tables and arrays of every kind give LightGBM's own results; what cannot be read is named."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from scalable.errors import DataError, UsageError
from scalable.inference import compile_model


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
    with pytest.raises(UsageError, match="n_threads"):
        compiled.predict(X, n_threads=0)
    with pytest.raises(UsageError, match="cannot compile"):
        compile_model(object())
