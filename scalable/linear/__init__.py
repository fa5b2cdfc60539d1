"""Linear learners with scikit-learn's manners, on data of any size."""

from __future__ import annotations

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
