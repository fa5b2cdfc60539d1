"""scikit-learn's own checks of the boosted trees; every exception carries its reason."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable.boosting import LGBMClassifier, LGBMRegressor

SMALL = {"n_estimators": 5, "num_leaves": 7, "min_child_samples": 1, "n_workers": 1}
ROWS = "leaves count rows, and bins are quantiles of rows"
REASONS = {
    "check_do_not_raise_errors_in_init_or_set_params": "LightGBM's parameters go through **; an unknown one is refused",
    "check_sample_weight_equivalence_on_dense_data": ROWS,
    "check_sample_weight_equivalence_on_sparse_data": ROWS,
    "check_classifiers_regression_target": "refused in other words: a quantity, not a class",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [LGBMClassifier(**SMALL), LGBMRegressor(**SMALL)], expected_failed_checks=lambda _: REASONS
)
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)
