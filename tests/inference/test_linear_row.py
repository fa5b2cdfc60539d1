"""Compiled linear models against scikit-learn and plain NumPy."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from scalable.errors import DataError
from scalable.inference import compile_model
from scalable.inference.linear_row import CompiledLinear


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 7))
    return X, X @ rng.standard_normal(7) + rng.standard_normal(400)


def test_regression_equals_scikit_learn(data):
    X, y = data
    model = LinearRegression().fit(X, y)
    compiled = compile_model(model)
    np.testing.assert_allclose(compiled.predict(X), model.predict(X), rtol=1e-12)
    np.testing.assert_allclose([compiled.predict_one(x) for x in X], model.predict(X), rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_equals_scikit_learn(data, classes):
    X, y = data
    model = LogisticRegression().fit(X, np.digitize(y, np.quantile(y, np.arange(1, classes) / classes)))
    compiled = compile_model(model)
    np.testing.assert_array_equal(compiled.predict(X), model.predict(X))
    np.testing.assert_array_equal([compiled.predict_one(x) for x in X], model.predict(X))
    np.testing.assert_allclose(compiled.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    np.testing.assert_allclose(compiled.predict(X, raw_score=True), model.decision_function(X), rtol=1e-10)


def test_one_row_of_any_kind_is_converted(data):
    X, _ = data
    compiled = CompiledLinear(np.arange(7.0), 0.5, "identity")
    expected = 0.5 + np.arange(7) @ X[0]
    frozen = X[0].copy()
    frozen.flags.writeable = False
    for x in (X[0], frozen, list(X[0]), np.repeat(X[0], 2)[::2], X[:1]):
        assert compiled.predict_one(x) == pytest.approx(expected, rel=1e-14)
    assert compiled.predict_one(X[0].astype(np.float32)) == pytest.approx(expected, rel=1e-5)


def test_wrong_width_is_refused():
    compiled = CompiledLinear(np.arange(7.0), 0.5, "identity")
    with pytest.raises(DataError, match="7 features"):
        compiled.predict_one(np.zeros(6))
    with pytest.raises(DataError, match="7 features"):
        compiled.predict(np.zeros((3, 8)))
