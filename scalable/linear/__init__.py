"""Linear learners with scikit-learn's manners, on data of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalable.lazy import lazily

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

__getattr__, __dir__ = lazily(
    __name__,
    {
        "scalable.linear.elastic_net": ("ElasticNet", "ElasticNetCV", "Lasso"),
        "scalable.linear.least_squares": ("LinearRegression", "Ridge"),
        "scalable.linear.logistic": ("LogisticRegression",),
        "scalable.linear.sgd": ("SGDClassifier", "SGDRegressor"),
        "scalable.linear.svc": ("LinearSVC",),
    },
)
