"""What is read back from JSON: built only from values of the types that were declared, or called damaged."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")
_WIDEST = 2**63

# What Python raises over a document that is not of the shape it should have.
_SHAPELESS = (
    KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError, AssertionError,
)  # fmt: skip


@contextmanager
def understood(kind: type[Exception], place: Any, remedy: str) -> Iterator[None]:
    """Raise what goes wrong while a document is made sense of as an error of `kind`; errors of that kind pass."""
    try:
        yield
    except _SHAPELESS as error:
        if isinstance(error, kind):
            raise
        raise kind(f"{place}: damaged ({error!r}); {remedy}") from error


def typed(kind: type[T], document: Mapping[str, Any]) -> T:
    """Return a dataclass made of the values of a JSON object.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are numbers, truths, texts, None, lists or tuples of those, or anything.
    document : mapping
        Names of fields, and their values; fields with a default may be missing.

    Raises
    ------
    TypeError
        When a value is not of the type that its field declares, one is missing, or one is unknown.
    """
    hints = typing.get_type_hints(kind)
    known = {field.name for field in fields(typing.cast("Any", kind))}
    if not isinstance(document, Mapping) or not known.issuperset(document):
        raise TypeError(f"{kind.__name__} has other fields")
    return kind(**{name: _value(value, hints[name], name) for name, value in document.items()})


def _value(value: Any, hint: Any, name: str) -> Any:
    """Return a value of a declared type: integers serve as floats, lists as tuples."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or (value is None and type(None) in inner):
        return value
    if origin in (typing.Union, types.UnionType):
        for each in inner:
            try:
                return _value(value, each, name)
            except TypeError:
                continue
    elif origin in (tuple, list) and isinstance(value, list | tuple):
        return origin(_value(item, inner[0], name) for item in value)
    elif hint is float and type(value) in (int, float) and abs(value) < float("inf") or value != value:  # noqa: PLR0124
        return float(value)
    elif hint is int and type(value) is int and abs(value) < _WIDEST:
        return value
    elif (hint in (str, bool) and type(value) is hint) or (origin or hint) is dict and isinstance(value, dict):
        return value
    raise TypeError(f"{name} is {value!r:.60}, not {hint}")
