"""Linear learners with scikit-learn's manners, on data of any size."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalable.linear.elastic_net import ElasticNet, ElasticNetCV, Lasso
    from scalable.linear.least_squares import LinearRegression, Ridge
    from scalable.linear.logistic import LogisticRegression
    from scalable.linear.sgd import SGDClassifier, SGDRegressor
    from scalable.linear.svc import LinearSVC

__all__ = [
    "ElasticNet",
    "ElasticNetCV",
    "Lasso",
    "LinearRegression",
    "LinearSVC",
    "LogisticRegression",
    "Ridge",
    "SGDClassifier",
    "SGDRegressor",
]

_LAZY = {
    "ElasticNet": "scalable.linear.elastic_net",
    "ElasticNetCV": "scalable.linear.elastic_net",
    "Lasso": "scalable.linear.elastic_net",
    "LinearRegression": "scalable.linear.least_squares",
    "LinearSVC": "scalable.linear.svc",
    "LogisticRegression": "scalable.linear.logistic",
    "Ridge": "scalable.linear.least_squares",
    "SGDClassifier": "scalable.linear.sgd",
    "SGDRegressor": "scalable.linear.sgd",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use: a worker needs no scikit-learn, which takes a second."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not yet."""
    return sorted(__all__)
