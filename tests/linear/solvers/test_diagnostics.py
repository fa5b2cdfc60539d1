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
