"""pandas' and Arrow's categories of numbers are categories; missing is missing in every type."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import r2_score

from scalable import ParquetSource
from scalable.boosting import LGBMRegressor
from scalable.data.table import TableSource, as_source
from scalable.features.hashing import buckets_of
from scalable.linear import LinearRegression, LogisticRegression

N = 4000


def frame():
    rng = np.random.default_rng(3)
    code = rng.integers(0, 60, N)
    y = rng.normal(size=60)[code] + 0.05 * rng.normal(size=N)
    return pd.DataFrame({"c": pd.Categorical(code), "x": rng.normal(size=N)}), y


def test_integer_categories_are_what_lightgbm_makes_of_them():
    X, y = frame()
    reference = lgb.LGBMRegressor(n_estimators=60, verbose=-1).fit(X, y)
    model = LGBMRegressor(n_estimators=60).fit(X, y)
    assert r2_score(y, model.predict(X)) > r2_score(y, reference.predict(X)) - 0.005
    assert "60 categories" in model.describe_columns()[0]
    plain = X.assign(c=X["c"].astype(int))
    np.testing.assert_array_equal(model.predict(plain), model.predict(X))
    one_hot = LinearRegression().fit(X, y)
    assert r2_score(y, one_hot.predict(X)) > 0.99


def test_a_categorical_target_keeps_its_labels():
    X, _ = frame()
    labels = pd.Series(pd.Categorical(np.where(X["x"] > 0, 7, 3)))
    model = LogisticRegression().fit(X[["x"]], labels)
    assert model.classes_.tolist() == [3, 7]
    numbers = LGBMRegressor(n_estimators=2).fit(X[["x"]], pd.Series(pd.Categorical([1, 2] * (N // 2))))
    assert np.isfinite(numbers.predict(X[["x"]])).all()


@pytest.mark.parametrize("values", [[3, 1, None], [2.5, None, 1.0], [True, None, False]])
def test_dictionaries_of_numbers_stay_categories(values):
    source = TableSource(pa.table({"c": pa.array(values).dictionary_encode()}))
    array = next(source.raw_blocks(source.shards[0])).arrays["c"]
    assert pa.types.is_dictionary(array.type)
    assert array.to_pylist() == values
    hidden = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array([1.0, float("nan"), None]))
    source = TableSource(pa.table({"c": hidden}))
    assert next(source.raw_blocks(source.shards[0])).arrays["c"].to_pylist() == [1.0, None, None]


def test_ids_with_nulls_in_one_frame_and_nan_in_another():
    rng = np.random.default_rng(0)
    ids = rng.integers(2**40, 2**40 + 300, N)
    missing = rng.random(N) < 0.2
    y = np.where(missing, 3.0, rng.normal(size=300)[ids - 2**40])
    trained = pa.table({"user_id": pa.array(ids, mask=missing), "y": y})
    model = LinearRegression(n_bins=2**9).fit(TableSource(trained, target="y"))
    assert "hashed" in model.describe_columns()[0]
    with_nulls = model.predict(TableSource(trained.select(["user_id"])))
    with_nan = model.predict(pd.DataFrame({"user_id": np.where(missing, np.nan, ids)}))
    np.testing.assert_array_equal(with_nan, with_nulls)
    np.testing.assert_allclose(with_nulls[missing], 3.0, atol=0.2)


def test_missing_has_its_own_bucket_whatever_the_type():
    for array in (
        pa.array([5, None]),
        pa.array([5.0, float("nan")]),
        pa.array([5.0, None]),
        pa.array([5, None], pa.int32()),
    ):
        assert buckets_of(array, 64, salt=9, base=3, missing=1).tolist()[1] == 1
        assert buckets_of(array, 64, salt=9, base=3)[0] == buckets_of(pa.array([5]), 64, salt=9, base=3)[0]


@pytest.mark.parametrize("kind", ["UInt64", "Int16", "boolean", "Float32"])
def test_nullable_pandas_columns(kind):
    X = pd.DataFrame({"x": pd.array([1, None, 0, 1], dtype=kind)})
    source = as_source(X)
    assert next(source.raw_blocks(source.shards[0])).arrays["x"].null_count == 1


def test_files_of_categories_are_read_by_value(tmp_path):
    pq.write_table(
        pa.table({"c": pa.array([5, 6, 5]).dictionary_encode(), "y": [1.0, 2.0, 3.0]}), tmp_path / "a.parquet"
    )
    source = ParquetSource(tmp_path / "a.parquet", target="y")
    assert next(source.raw_blocks(source.shards[0])).arrays["c"].to_pylist() == [5, 6, 5]


@pytest.mark.parametrize("learner", [LinearRegression, LGBMRegressor])
def test_categories_of_times_are_times_wherever_they_come_from(learner, tmp_path):
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 50, N), unit="D")
    frames = [pd.DataFrame({"c": pd.Categorical(days)}), pd.DataFrame({"c": days})]
    frames[0].assign(y=0).to_parquet(tmp_path / "a.parquet")
    model = learner().fit(frames[0], rng.normal(size=N))
    first, *others = (model.predict(rows) for rows in (*frames, ParquetSource(tmp_path / "a.parquet")))
    for other in others:
        np.testing.assert_array_equal(other, first)
