"""In pipelines, searches and cross-validation, and on a cluster: the learner is the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from scalable import ParquetSource
from scalable.execution.threads import Threads
from scalable.linear import ElasticNet, LinearSVC, LogisticRegression
from scalable.models.predictors import load_model
from scalable.scoring.evaluate import evaluate_model


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(600, 3))
    return X, (X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=600) > 0).astype(int)


def test_at_the_end_of_a_pipeline(rows):
    X, y = rows
    model = make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression()).fit(X, y)
    assert model.score(X, y) > 0.8
    assert cross_val_score(model, X, y, cv=3).mean() > 0.8


def test_a_search_finds_the_strength_of_a_penalty(rows):
    X, y = rows
    target = X[:, 0] + 0.1 * y
    search = GridSearchCV(ElasticNet(), {"alpha": [10.0, 1e-3], "l1_ratio": [0.1, 0.9]}, cv=3).fit(X, target)
    assert search.best_params_["alpha"] == 1e-3
    assert search.predict(X).shape == (600,)


def test_support_vectors_are_ranked_by_their_decision_values(rows, tmp_path):
    X, y = rows
    pq.write_table(
        pa.table({"a": X[:, 0], "b": X[:, 1], "ab": X[:, 0] * X[:, 1], "y": y}), tmp_path / "a.parquet"
    )
    source = ParquetSource(tmp_path / "a.parquet", target="y")
    model = LinearSVC().fit(source)
    model.save(tmp_path / "model")
    report = evaluate_model(load_model(tmp_path / "model"), source, Threads(1))
    assert report.auc == pytest.approx(roc_auc_score(y, model.decision_function(source)), abs=1e-3)
    assert report.auc > roc_auc_score(y, model.predict(source)) + 0.01


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few passes on purpose
def test_threads_and_dask_workers_learn_the_same_bits(tmp_path, monkeypatch, dask_client):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    rng = np.random.default_rng(3)
    X = rng.normal(size=(3, 30_000)).astype(np.float32)
    table = pa.table(
        {"a": X[0], "b": X[1], "c": X[2], "store_id": rng.integers(0, 500, 30_000), "y": X[0] > X[1]}
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2_000)
    source = ParquetSource(tmp_path / "a.parquet", target="y")
    for options in ({"solver": "sgd", "n_replicas": 3, "max_iter": 2}, {"solver": "newton", "n_bins": 16}):
        here = LogisticRegression(**options, n_workers=1).fit(source).model_.coef
        there = LogisticRegression(**options, client=dask_client).fit(source).model_.coef
        np.testing.assert_array_equal(here, there)
