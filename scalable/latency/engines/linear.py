"""Linear models over plain numbers: ours, and scikit-learn's as the baseline."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.latency.engines.base import Engine, LinearFacts


class _Ours:
    def __init__(self, model: LinearFacts, n_threads: int) -> None:
        from scalable.inference.linear_row import CompiledLinear

        self._model = CompiledLinear(model.coef, model.intercept, model.link)
        self.predict_one, self.n_threads = self._model.predict_one, n_threads

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self._model.predict(X)


class _ScikitLearn:
    def __init__(self, model: LinearFacts, n_threads: int) -> None:
        from sklearn.linear_model import LinearRegression, LogisticRegression

        self.n_threads = n_threads  # the product is BLAS's, which has threads of its own
        self.estimator: Any = LinearRegression() if model.link == "identity" else LogisticRegression()
        self.estimator.coef_, self.estimator.intercept_ = model.coef, model.intercept
        self.estimator.n_features_in_ = model.coef.shape[1]
        self.estimator.classes_ = np.arange(max(2, len(model.coef)))
        self._classifies, self._one = model.link != "identity", len(model.coef) == 1

    def predict(self, X: np.ndarray) -> np.ndarray:
        if not self._classifies:
            return np.asarray(self.estimator.predict(X)).reshape(len(X), -1)[:, 0]
        probabilities = self.estimator.predict_proba(X)
        return np.asarray(probabilities[:, 1] if self._one else probabilities)

    def predict_one(self, x: np.ndarray) -> Any:
        return self.predict(x.reshape(1, -1))[0]


def build(model: LinearFacts, n_threads: int) -> Engine:
    """Freeze the coefficients."""
    return _Ours(model, n_threads)


def build_scikit_learn(model: LinearFacts, n_threads: int) -> Engine:
    """Put the coefficients into scikit-learn's estimator."""
    return _ScikitLearn(model, n_threads)
