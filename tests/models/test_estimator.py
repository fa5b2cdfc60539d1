"""Intake, saving and clients: what every learner does alike."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from scalable import ParquetSource
from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.errors import DataError, ModelError, UsageError
from scalable.linear import LinearRegression, LogisticRegression, Ridge, SGDClassifier

LGB = {"n_estimators": 4, "num_threads": 1}
CLASSIFIERS = [LogisticRegression(), LGBMClassifier(**LGB)]
names = pytest.mark.parametrize("estimator", CLASSIFIERS, ids=lambda estimator: type(estimator).__name__)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"a": rng.normal(size=400), "b": rng.integers(0, 9, 400), "c": rng.random(400) < 0.5}
    )
    return frame, (frame["a"] + frame["c"] > rng.normal(size=400)).to_numpy()


@pytest.fixture(scope="module")
def source(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "a.parquet"
    pq.write_table(pa.Table.from_pandas(rows[0].assign(y=rows[1]), preserve_index=False), path)
    return ParquetSource(path, target="y")


@names
def test_fitted_on_parquet_frames_are_read_by_name_and_arrays_by_position(estimator, rows, source):
    frame, _ = rows
    model = clone(estimator).fit(source)
    expected = model.predict_proba(source)
    swapped = frame[["c", "a", "b"]].assign(more="text")
    for given in (
        frame,
        swapped,
        pl.from_pandas(swapped),
        pa.Table.from_pandas(swapped),
        frame[["b", "c", "a"]],
    ):
        np.testing.assert_allclose(model.predict_proba(given), expected, rtol=1e-12)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_allclose(model.predict_proba(frame.to_numpy(float)), expected, rtol=1e-12)
    with (
        pytest.warns(UserWarning, match="valid feature names"),
        pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3"),
    ):
        model.predict(frame.to_numpy(float)[:, :2])
    with pytest.raises(DataError, match="no feature column 'b'; did you mean 'bb'"):
        model.predict(frame.rename(columns={"b": "bb"}))


def test_frames_of_numbers_keep_their_names(rows, tmp_path):
    frame, y = rows
    model = LogisticRegression().fit(frame, y)
    assert model.model_.needed == ["a", "b", "c"]
    with pytest.raises(ValueError, match="same order"):  # as scikit-learn has it
        model.predict(frame[["b", "a", "c"]])
    model.save(tmp_path / "m")
    loaded = LogisticRegression.load(tmp_path / "m")
    assert loaded.feature_names_in_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))
    with pytest.warns(UserWarning, match="valid feature names"):
        np.testing.assert_array_equal(loaded.predict_proba(frame.to_numpy(float)), model.predict_proba(frame))


@names
def test_fitted_on_arrays_no_names_are_claimed(estimator, rows, tmp_path):
    X = rows[0].to_numpy(float)
    model = clone(estimator).fit(X, rows[1])
    assert not hasattr(model, "feature_names_in_")
    model.save(tmp_path / "m")
    loaded = type(estimator).load(tmp_path / "m")
    assert (loaded.n_features_in_, hasattr(loaded, "feature_names_in_")) == (3, False)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@names
def test_not_fitted_is_said(estimator, rows, tmp_path):
    broken = clone(estimator)
    with pytest.raises(ValueError, match="one class"):
        broken.fit(rows[0], np.zeros(400))
    for ask in (broken.predict, lambda X: broken.save(tmp_path / "m"), lambda X: broken.describe_columns()):
        with pytest.raises(NotFittedError, match="not fitted"):
            ask(rows[0])


def test_a_search_fits_and_a_loaded_model_fits_again(rows, tmp_path):
    frame, y = rows
    weights = {False: 1.0, True: 5.0}
    model = LogisticRegression(class_weight=weights, C=np.float32(0.5)).fit(frame, y)
    model.save(tmp_path / "m")
    loaded = LogisticRegression.load(tmp_path / "m")
    assert loaded.class_weight == weights
    np.testing.assert_array_equal(loaded.fit(frame, y).coef_, model.coef_)
    boosted = LGBMClassifier(n_estimators=np.int64(3), monotone_constraints=(1, 0, 0), num_threads=1).fit(
        frame, y
    )
    boosted.save(tmp_path / "b")
    again = LGBMClassifier.load(tmp_path / "b")
    assert again.get_params() == boosted.get_params()
    assert type(again.n_estimators) is np.int64
    assert again.best_iteration_ == 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few passes on purpose
def test_a_parameter_that_cannot_be_saved_is_named(rows, tmp_path):
    frame, y = rows
    model = SGDClassifier(random_state=np.random.RandomState(0), max_iter=2, tol=1.0).fit(frame, y)
    with pytest.raises(UsageError, match=r"random_state is a RandomState.*integer seed"):
        model.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()

    def squared(y_true, y_pred, weight):
        return y_pred - y_true, np.ones_like(y_true)

    custom = LGBMRegressor(objective=squared, **LGB).fit(frame, frame["a"])
    with pytest.raises(UsageError, match=r"objective is a function.*pass it again"):
        custom.save(tmp_path / "m")
    custom.set_params(objective=None).save(tmp_path / "m")


def test_the_wrong_class_names_the_right_one(rows, tmp_path):
    frame, _ = rows
    Ridge().fit(frame, frame["a"]).save(tmp_path / "m")
    with pytest.raises(ModelError, match=r"Ridge; load it with Ridge\.load"):
        LogisticRegression.load(tmp_path / "m")
    with pytest.raises(ModelError, match="holds a linear model, not a forest one"):
        LGBMClassifier.load(tmp_path / "m")


class Cluster:
    """The face of a client that is only kept, never used."""

    def __init__(self, address):
        self.scheduler = type("Scheduler", (), {"address": address})


@names
def test_clones_keep_the_client_and_pickles_its_address(estimator, rows, tmp_path):
    client = Cluster("tcp://10.0.0.5:8786")
    model = clone(estimator).set_params(client=client)
    assert model.get_params()["client"] is client
    assert clone(model).client is client
    assert clone(clone(estimator).set_params(client="tcp://a:1")).client == "tcp://a:1"
    assert pickle.loads(pickle.dumps(model)).client == copy.deepcopy(model).client == "tcp://10.0.0.5:8786"
    local = model.set_params(client=Cluster("inproc://1/2"))
    with pytest.warns(UserWarning, match="no address"):
        assert pickle.loads(pickle.dumps(local)).client is None
    fitted = model.set_params(client=None).fit(*rows).set_params(client=client)
    fitted.save(tmp_path / "m")
    assert type(estimator).load(tmp_path / "m").client == "tcp://10.0.0.5:8786"


@names
def test_a_search_runs_where_the_client_is(estimator, rows, monkeypatch):
    """Nothing answers at the client: a search that ran elsewhere would succeed."""
    monkeypatch.setattr("scalable.execution.executors.CONNECT_SECONDS", 0.5)
    search = GridSearchCV(
        clone(estimator).set_params(client="tcp://127.0.0.1:9"), {"n_workers": [1]}, cv=2, error_score="raise"
    )
    with pytest.raises(RuntimeError, match="no Dask scheduler answers"):
        search.fit(*rows)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(29), "X has 30 rows but sample_weight has 29"),
        (np.ones((30, 2)), r"sample_weight has shape \(30, 2\)"),
        (np.array(["1"] * 30), "sample_weight is string; weights are numbers"),
        ("w", "X has 30 rows but sample_weight has 1"),
        (np.ones(30) + 1j, "Complex data not supported: sample_weight"),
        (np.array([pd.Timestamp(0)] * 30), "sample_weight cannot be converted: "),
        (np.full(30, np.inf), "row 0: sample_weight is inf"),
    ],
)
@pytest.mark.parametrize("as_frame", [True, False])
def test_weights_that_cannot_be_are_refused_alike_for_arrays_and_frames(weight, message, as_frame):
    x = np.random.default_rng(0).normal(size=(30, 2))
    x = pd.DataFrame(x, columns=["a", "b"]) if as_frame else x
    with pytest.raises(DataError, match=message):
        LinearRegression().fit(x, np.arange(30.0), sample_weight=weight)


@pytest.mark.parametrize("as_frame", [True, False])
def test_one_weight_is_that_of_every_row(as_frame):
    x = np.random.default_rng(0).normal(size=(30, 2))
    x = pd.DataFrame(x, columns=["a", "b"]) if as_frame else x
    y = np.arange(30.0)
    expected = Ridge(alpha=3.0).fit(x, y, sample_weight=np.full(30, 2.0)).coef_
    np.testing.assert_array_equal(Ridge(alpha=3.0).fit(x, y, sample_weight=2).coef_, expected)


def test_columns_of_one_name_are_refused_in_one_line():
    frame = pd.DataFrame(np.zeros((4, 2)), columns=["a", "a"])
    with pytest.raises(DataError, match="several columns named 'a'"):
        LinearRegression().fit(frame, np.arange(4.0))
    model = LinearRegression().fit(frame.set_axis(["a", "b"], axis=1), np.arange(4.0))
    with pytest.raises(DataError, match="several columns named 'a'"):
        model.predict(frame)
