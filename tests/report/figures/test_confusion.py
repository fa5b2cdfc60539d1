"""The confusion figure."""

from __future__ import annotations

import re

import numpy as np
import pytest

from scalable.report.figures.confusion import MOST, confusion


def test_shares_are_of_the_true_class():
    picture = confusion({"model": "m", "confusion": [[3.0, 1.0], [0.0, 0.0]]}, ["a", "b"])
    assert re.findall(r"<text[^>]*>([^<]+%)</text>", picture.svg) == ["75%", "25%"]
    assert "class a: 75.0% recognised; class b: 0.0% recognised" in picture.svg


def test_class_names_are_not_mathematics():
    picture = confusion({"model": "m", "confusion": [[1, 0], [0, 1]]}, ["$a$", "<b>"])
    assert "$a$</text>" in picture.svg
    assert "&lt;b&gt;</text>" in picture.svg


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (MOST + 1, MOST + 1)])
def test_too_few_too_many_or_uneven_classes_are_not_drawn(shape):
    assert confusion({"model": "m", "confusion": np.ones(shape).tolist()}, ["x"] * shape[0]) is None
