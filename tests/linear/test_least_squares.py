import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model

from scalable import ParquetSource
from scalable.errors import DataError, ModelError, UsageError
from scalable.linear import LinearRegression, Ridge, SGDRegressor, least_squares


def conditioned(condition: float, rows: int = 2000, columns: int = 15) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    left = np.linalg.qr(rng.normal(size=(rows, columns)))[0] * np.geomspace(1, 1 / condition, columns)
    X = left @ np.linalg.qr(rng.normal(size=(columns, columns)))[0]
    X = X / X.std(axis=0) + rng.normal(size=columns)
    return X, X @ rng.normal(size=columns) + 0.1 * rng.normal(size=rows)


@pytest.mark.parametrize("condition", [10.0, 1e4, 1e6])
def test_ordinary_least_squares_agrees_at_any_sane_condition(condition):
    X, y = conditioned(condition)
    ours, theirs = LinearRegression().fit(X, y), linear_model.LinearRegression(tol=1e-12).fit(X, y)
    error = np.linalg.norm(ours.coef_ - theirs.coef_) / np.linalg.norm(theirs.coef_)
    assert error < 1e-6
    assert ours.n_iter_ == (2 if condition > 1e4 else 1)
    assert 0.3 < ours.condition_number_ / condition < 3.0


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 1000.0])
def test_ridge_agrees_with_scikit_learn(intercept, weighted, alpha):
    X, y = conditioned(30.0)
    X = X * np.geomspace(1e-3, 1e3, X.shape[1]) + 5.0
    w = np.random.default_rng(0).random(len(y)) * 4 if weighted else None
    ours = Ridge(alpha, fit_intercept=intercept).fit(X, y, w)
    theirs = linear_model.Ridge(alpha, fit_intercept=intercept, solver="svd").fit(X, y, w)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-9 * np.abs(theirs.coef_).max())
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-6)


@pytest.mark.shared_data
def test_california_housing_from_parquet(shared_data, tmp_path):
    path = shared_data / "california_housing.parquet"
    frame = pd.read_parquet(path)
    target = frame.pop("medianHouseValue")
    theirs = linear_model.LinearRegression().fit(frame, target)
    source = ParquetSource(path, target="medianHouseValue")
    ours = LinearRegression().fit(source)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9)
    ours.save(tmp_path / "m")
    again = LinearRegression.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(source), ours.predict(source))
    with pytest.raises(ModelError, match="LinearRegression"):
        Ridge.load(tmp_path / "m")


def test_duplicate_and_constant_columns_have_the_least_norm_solution():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    X = np.column_stack([x, x[:, 0], np.full(200, 3.0)])
    y = x @ [2.0, -1.0] + 4.0
    model = LinearRegression().fit(X, y)
    np.testing.assert_allclose(model.coef_, [1.0, -1.0, 1.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-9)


def test_workers_do_not_change_a_bit(monkeypatch):
    monkeypatch.setattr("scalable.linear.prepare.HELD_BYTES", 0)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50_000, 5))
    y = X @ np.arange(5.0) + rng.normal(size=50_000)
    models = [Ridge(n_workers=n).fit(X, y) for n in (1, 2, 4)]
    for other in models[1:]:
        np.testing.assert_array_equal(models[0].coef_, other.coef_)


def test_bad_input_is_named():
    X, y = conditioned(10.0, rows=50)
    with pytest.raises(DataError, match="terms are too many"):
        Ridge(n_bins=2**14).fit(pd.DataFrame({"a": [f"v{i}" for i in range(100)]}), np.arange(100.0))
    with pytest.raises(UsageError, match="alpha"):
        Ridge(-1.0).fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        Ridge().fit(X, np.where(np.arange(50) == 3, np.nan, y))


def test_too_many_terms_have_a_remedy_that_applies(monkeypatch):
    monkeypatch.setattr(least_squares, "MAX_TERMS", 50)
    X = np.random.default_rng(0).normal(size=(3000, 60))
    with pytest.raises(DataError) as caught:
        LinearRegression().fit(X, X[:, 0])
    assert str(caught.value).endswith("(at most 50): use SGDRegressor, which has no such limit")
    assert SGDRegressor().fit(X, X[:, 0]).score(X, X[:, 0]) > 0.99
    frame = pd.DataFrame({"a": [f"v{i % 60}" for i in range(3000)]})
    with pytest.raises(
        DataError, match=r"lower one_hot \(62 of them are of categories\), or use SGDRegressor"
    ):
        LinearRegression().fit(frame, X[:, 0])
