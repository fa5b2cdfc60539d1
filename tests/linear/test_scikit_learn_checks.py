"""scikit-learn's own checks; every exception carries its reason."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable import linear

DESCENT = "rows are visited in an order: a weight of two is one long step, not two steps"
SCALE = "penalties apply per standard deviation, and that is of the rows, not of their weights"

QUICK = [linear.LogisticRegression(), linear.Ridge()]
THOROUGH = [
    linear.LogisticRegression(solver="sgd"),
    linear.LinearSVC(),
    linear.SGDClassifier(),
    linear.SGDRegressor(),
    linear.LinearRegression(),
    linear.Lasso(),
    linear.ElasticNet(),
    linear.ElasticNetCV(n_alphas=10, cv=3),
]


def expected_failures(estimator: Any) -> dict[str, str]:
    reasons = {}
    name = "check_sample_weight_equivalence_on_dense_data"
    if getattr(estimator, "standardize", False):
        reasons[name] = SCALE
    if getattr(estimator, "solver", None) == "sgd":
        reasons[name] = DESCENT
    if isinstance(estimator, linear.ElasticNetCV):
        reasons[name] = "repeated rows fall into other folds than one weighted row"
    return reasons


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(QUICK, expected_failed_checks=expected_failures)
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(THOROUGH, expected_failed_checks=expected_failures)
def test_manners_of_all(estimator, check):
    check(estimator)
