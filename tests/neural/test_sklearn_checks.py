"""The perceptrons keep scikit-learn's manners."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable.neural import MLPClassifier, MLPRegressor

SHORT = {"hidden_layer_sizes": (16,), "max_iter": 30, "learning_rate_init": 0.04}
REASONS = {
    "check_sample_weight_equivalence_on_dense_data": "a weight of two is one longer step, not two steps",
}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        MLPClassifier(**SHORT),
        MLPRegressor(**SHORT),
        MLPRegressor(**SHORT, pieces=4),
        MLPClassifier(**SHORT, frequencies=3),
    ],
    expected_failed_checks=lambda _: REASONS,
)
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)
