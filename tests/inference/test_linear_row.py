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


@pytest.mark.parametrize("n", [1, 7, 8, 9, 40])
@pytest.mark.parametrize(("outputs", "link"), [(1, "identity"), (1, "logistic"), (3, "softmax")])
def test_a_row_has_the_same_bits_alone_and_in_any_batch(n, outputs, link):
    rng = np.random.default_rng(n)
    coef, X = rng.normal(size=(outputs, n)), rng.normal(size=(100, n))
    if link != "softmax":
        X[3, 0], X[4, -1], X[5, 0] = np.nan, np.inf, -np.inf
    compiled = CompiledLinear(coef, rng.normal(size=outputs), link)
    expected = (X @ coef.T + compiled.intercept).reshape(-1, outputs).squeeze(1 if outputs == 1 else ())
    np.testing.assert_allclose(compiled.predict(X, True), expected, rtol=1e-12, atol=1e-12)
    for raw in (False, True):
        whole = compiled.predict(X, raw)
        np.testing.assert_array_equal([compiled.predict_one(x, raw) for x in X], whole)
        order = rng.permutation(100)
        np.testing.assert_array_equal(compiled.predict(X[order], raw, n_threads=2), whole[order])
        np.testing.assert_array_equal(compiled.predict(np.asfortranarray(X[50:]), raw), whole[50:])


def test_wrong_width_is_refused():
    compiled = CompiledLinear(np.arange(7.0), 0.5, "identity")
    with pytest.raises(DataError, match="7 features"):
        compiled.predict_one(np.zeros(6))
    with pytest.raises(DataError, match="7 features"):
        compiled.predict(np.zeros((3, 8)))
