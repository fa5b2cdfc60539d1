import numpy as np
import pytest
from sklearn.linear_model import LinearRegression as Reference

from scalable.linear import LinearRegression


@pytest.mark.parametrize("intercept", [True, False])
def test_diagnostics_are_the_textbook_formulas(intercept):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4)) * [1, 100, 0.01, 1] + [0, 5, 1, -2]
    X[:, 3] += X[:, 0]
    y = X @ [1.0, 0.02, 30.0, -1.0] + 7.0 * intercept + rng.normal(size=500)
    model = LinearRegression(fit_intercept=intercept).fit(X, y)
    found = model.diagnostics_
    design = np.column_stack([X, np.ones(500)]) if intercept else X
    residual = y - model.predict(X)
    variance = residual @ residual / (500 - design.shape[1])
    errors = np.sqrt(np.diag(variance * np.linalg.inv(design.T @ design)))[:4]
    assert found.residual_deviation == pytest.approx(np.sqrt(variance), rel=1e-8)
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-7)
    assert found.rank == design.shape[1]
    if intercept:
        assert found.r2 == pytest.approx(model.score(X, y), rel=1e-9)
        for j in range(4):
            others = np.delete(X, j, axis=1)
            r2 = Reference().fit(others, X[:, j]).score(others, X[:, j])
            assert found.inflation[j] == pytest.approx(1 / (1 - r2), rel=1e-7)


def test_a_column_that_others_determine_has_no_standard_error():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 2))
    model = LinearRegression().fit(np.column_stack([x, x.sum(axis=1)]), x[:, 0] + rng.normal(size=100))
    assert model.diagnostics_.rank == 3
    assert np.isinf(model.diagnostics_.inflation).all()
    assert np.isnan(model.diagnostics_.standard_errors).all()


def weighted_errors(design, y, weight):
    """Standard errors and deviation of weighted least squares over the rows of any weight (as statsmodels' WLS)."""
    design, y, weight = design[weight > 0], y[weight > 0], weight[weight > 0]
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
    residual = y - design @ (inverse @ (design.T @ (weight * y)))
    variance = weight @ residual**2 / (len(y) - design.shape[1])
    return np.sqrt(np.diag(inverse) * variance), np.sqrt(variance)


def test_rows_without_weight_are_no_observations():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 3))
    y, weight = X @ [1.0, 2.0, 3.0] + rng.normal(size=200), rng.random(200)
    weight[:150] = 0.0
    expected, deviation = weighted_errors(np.column_stack([X, np.ones(200)]), y, weight)
    for unit in (1.0, 1e4, 1e-5):
        found = LinearRegression().fit(X, y, sample_weight=weight * unit).diagnostics_
        np.testing.assert_allclose(found.standard_errors, expected[:3], rtol=1e-7)
        assert found.residual_deviation == pytest.approx(deviation * np.sqrt(unit), rel=1e-7)


def test_only_columns_that_are_not_determined_lack_standard_errors():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 3)) * [1.0, 1e3, 1e-3]
    y, weight = X @ [1.0, 2e-3, 3e3] + rng.normal(size=300), rng.random(300)
    twice = np.column_stack([X, X[:, 0], 2.0 * X[:, 0] - 1.0])
    found = LinearRegression().fit(twice, y, sample_weight=weight).diagnostics_
    expected, _ = weighted_errors(np.column_stack([X, np.ones(300)]), y, weight)
    np.testing.assert_allclose(found.standard_errors[1:3], expected[1:3], rtol=1e-6)
    assert np.isnan(found.standard_errors[[0, 3, 4]]).all()
    np.testing.assert_array_equal(np.isinf(found.inflation), [True, False, False, True, True])
