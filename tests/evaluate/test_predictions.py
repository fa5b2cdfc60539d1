"""The door to all metrics of arrays in memory."""

from __future__ import annotations

import doctest

import pytest

from scalable.errors import UsageError
from scalable.evaluate import evaluate_predictions, predictions


def test_unknown_kind_names_the_known_ones():
    with pytest.raises(UsageError, match=r"'ranking'.*binary, multiclass or regression"):
        evaluate_predictions([0, 1], [0.1, 0.2], kind="ranking")


def test_examples_of_the_docstring_are_true():
    assert doctest.testmod(predictions).failed == 0
