"""The door to all metrics of arrays in memory."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from scalable.errors import UsageError
from scalable.evaluate import evaluate_predictions, predictions


def test_unknown_kind_names_the_known_ones():
    with pytest.raises(UsageError, match=r"'ranking'.*binary, multiclass or regression"):
        evaluate_predictions([0, 1], [0.1, 0.2], kind="ranking")


def test_examples_of_the_docstring_are_true():
    assert doctest.testmod(predictions).failed == 0


@pytest.mark.parametrize("unit", [1e300, 1e-300])
def test_rankings_do_not_depend_on_the_unit_of_weights(unit):
    rng = np.random.default_rng(0)
    y, p, w = rng.integers(0, 2, 300), rng.random(300), rng.random(300)
    with np.errstate(all="ignore"):  # of standard errors, for which a weight is a number of rows
        found = evaluate_predictions(y, p, w * unit)
    expected = evaluate_predictions(y, p, w)
    for name in ("auc", "average_precision", "ks", "log_loss"):
        assert found[name] == pytest.approx(expected[name], rel=1e-9)
