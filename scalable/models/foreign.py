"""Linear estimators of other libraries that can be compiled: a list of classes, each held to the estimator by a test.

A class that looks alike can mean something else (a log link, one versus rest, a margin), so nothing is guessed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from scalable.errors import ModelError, UsageError


def compile_foreign(model: Any) -> Any:
    """Return the compiled predictor of an estimator of another library.

    Raises
    ------
    UsageError
        When its class is not among those that are known.
    ModelError
        When it is known, but this one's predictions are not what a compiled one would compute.
    """
    for package, compilers in FOREIGN.items():
        module = sys.modules.get(package)  # without it, no object is of its classes
        for name, compiler in compilers.items():
            if module is not None and type(model) is getattr(module, name, None):
                return compiler(model)
    known = [name for compilers in FOREIGN.values() for name in compilers]
    kind = type(model)
    inner = {
        "best_estimator_": "its best_estimator_",
        "steps": "its last step, for rows as that one gets them",
    }
    held = [f"compile {words}, or give " for name, words in inner.items() if hasattr(model, name)]
    raise UsageError(
        f"cannot compile a {kind.__name__} (of {kind.__module__}): {held[0] if held else 'expected '}a model of this "
        f"package, a forest of LightGBM, XGBoost, CatBoost or scikit-learn, or scikit-learn's {', '.join(known)}"
    )


def _regression(model: Any) -> Any:
    from scalable.inference.linear_row import CompiledLinear

    coef = np.atleast_2d(np.asarray(model.coef_, np.float64))
    intercept = np.broadcast_to(np.asarray(model.intercept_, np.float64), (len(coef),))
    return CompiledLinear(coef, intercept, "identity")


def _classification(model: Any) -> Any:
    from scalable.inference.linear_row import CompiledLinear

    coef = np.atleast_2d(np.asarray(model.coef_, np.float64))
    link = "logistic" if len(coef) == 1 else "softmax"
    return with_labels(CompiledLinear(coef, np.atleast_1d(model.intercept_), link), model.classes_)


def with_labels(scores: Any, classes: Any) -> Any:
    """Return a compiled model of probabilities with the face of a classifier of these classes."""
    from scalable.inference.classifier import CompiledClassifier
    from scalable.inference.forest.trees import Labels

    rule = "largest score" if scores.n_outputs > 1 else "above zero"
    return CompiledClassifier(scores, Labels(tuple(np.asarray(classes).tolist()), rule))


def _sgd(model: Any) -> Any:
    if model.loss != "log_loss" or len(model.coef_) > 1:
        what = f"loss={model.loss!r}" if model.loss != "log_loss" else "several classes, one versus rest"
        raise ModelError(f"cannot compile an SGDClassifier of {what}: only log_loss of two classes")
    return _classification(model)


FOREIGN: dict[str, dict[str, Callable[[Any], Any]]] = {
    "sklearn.linear_model": {
        **dict.fromkeys(
            ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "HuberRegressor",
             "QuantileRegressor", "SGDRegressor", "BayesianRidge"),
            _regression,
        ),
        **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV"), _classification),
        "SGDClassifier": _sgd,
    },
    "sklearn.svm": {"LinearSVR": _regression},
    "sklearn.discriminant_analysis": {"LinearDiscriminantAnalysis": _classification},
}  # fmt: skip
