"""Documents are built from values of the declared types, or refused."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from scalable.errors import ModelError, UsageError
from scalable.storage.documents import like, typed, understood


@dataclass
class Thing:
    name: str
    count: int = 0
    rate: float = 1.0
    on: bool = False
    parts: tuple[float, ...] = ()
    unit: float | None = None
    more: dict[str, Any] | None = None
    any: Any = None


def test_values_of_the_declared_types_are_taken():
    found = typed(
        Thing, {"name": "a", "rate": 3, "parts": [1, 2.5], "unit": None, "more": {"x": 1}, "any": [1]}
    )
    assert found == Thing("a", 0, 3.0, False, (1.0, 2.5), None, {"x": 1}, [1])
    assert type(found.rate) is float
    assert np.isnan(typed(Thing, {"name": "a", "rate": float("nan")}).rate)


@pytest.mark.parametrize(
    "document",
    [
        {}, [], None, {"name": 1}, {"name": "a", "count": True}, {"name": "a", "count": 1.5},
        {"name": "a", "count": 2**63}, {"name": "a", "rate": "1"}, {"name": "a", "rate": 10**400},
        {"name": "a", "rate": float("inf")},
        {"name": "a", "on": 1}, {"name": "a", "parts": 3}, {"name": "a", "parts": ["x"]}, {"name": "a", "unit": {}},
        {"name": "a", "more": []}, {"name": "a", "other": 1},
    ],
)  # fmt: skip
def test_others_are_refused(document):
    with pytest.raises(TypeError):
        typed(Thing, document)


def test_what_goes_wrong_is_told_with_its_place():
    message = r"a\.json: damaged \(KeyError\('x'\)\); copy it again"
    with pytest.raises(ModelError, match=message), understood(ModelError, "a.json", "copy it again"):
        raise KeyError("x")
    for error in (ModelError("as it is"), UsageError("as it is")):  # ours say already what is wrong
        with (
            pytest.raises(type(error), match=r"^as it is$"),
            understood(ModelError, "a.json", "copy it again"),
        ):
            raise error


def test_arrays_must_be_like_those_expected():
    assert like(np.zeros(3), np.ones(3)).sum() == 3
    for other in (np.ones(2), np.ones(3, np.float32), [1.0, 1.0, 1.0], None):
        with pytest.raises(TypeError):
            like(np.zeros(3), other)
