"""What is read back from JSON: built only from values of the types that were declared, or called damaged."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scalable.errors import ScalableError

T = TypeVar("T")
_WIDEST, _LARGEST = 2**63, 1e308  # of integers and floats

# What Python raises over a document that is not of the shape it should have: to be caught where one is read.
SHAPELESS = (
    KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, RecursionError, AssertionError,
)  # fmt: skip


@contextmanager
def understood(kind: type[Exception], place: Any, remedy: str) -> Iterator[None]:
    """Raise what goes wrong while a document is made sense of as an error of `kind`; errors of that kind pass."""
    try:
        yield
    except SHAPELESS as error:
        if isinstance(error, (kind, ScalableError)):
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
    return kind(**typed_fields(kind, document))


def typed_fields(kind: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return values for some fields of a dataclass, of the types that they declare; raises as `typed`."""
    hints = _hints_of(kind)
    if not isinstance(document, Mapping) or not hints.keys() >= document.keys():
        raise TypeError(f"{kind.__name__} has other fields")
    return {name: _value(value, hints[name], name) for name, value in document.items()}


@functools.cache
def _hints_of(kind: Any) -> dict[str, Any]:
    known, hints = {field.name for field in fields(kind)}, typing.get_type_hints(kind)
    return {name: hint for name, hint in hints.items() if name in known}


@functools.cache
def _taken_apart(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


def _value(value: Any, hint: Any, name: str) -> Any:
    """Return a value of a declared type: integers serve as floats, lists as tuples."""
    origin, inner = _taken_apart(hint)
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
    elif (
        hint is float and type(value) in (int, float) and not abs(value) > _LARGEST
    ):  # NaN is none, and stays
        return float(value)
    elif (
        (hint is int and type(value) is int and abs(value) < _WIDEST)
        or (hint in (str, bool) and type(value) is hint)
        or ((origin or hint) is dict and isinstance(value, dict))
    ):
        return value
    raise TypeError(f"{name} is {value!r:.60}, not {hint}")


def like(expected: NDArray[Any], found: Any) -> NDArray[Any]:
    """Return an array that was read back, which must be of the shape and type of another.

    Raises
    ------
    TypeError
        When it is not.
    """
    if not isinstance(found, np.ndarray) or (found.shape, found.dtype) != (expected.shape, expected.dtype):
        raise TypeError(f"an array is not {expected.dtype} of shape {expected.shape}")
    return found
