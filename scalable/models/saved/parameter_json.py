"""Parameters of any plain kind as JSON and back, without loss: types, key types and precision survive."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from scalable.errors import ModelError, UsageError
from scalable.storage.documents import SHAPELESS

_TAGS = ("$tuple", "$dict", "$set", "$path", "$number", "$array")


def to_json(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as what `json.dumps` takes; NaN and infinities stay numbers.

    Raises
    ------
    UsageError
        On a value that no text can hold, such as a function or the state of a random generator.
    """
    return {name: _plain(value, name) for name, value in params.items()}


def from_json(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `to_json` was given.

    Raises
    ------
    ModelError
        When the values are none that it writes.
    """
    try:
        return {name: _value(item) for name, item in params.items()}
    except SHAPELESS as error:
        raise ModelError(f"the model's parameters are damaged ({error!r}); train or copy it again") from error


def _plain(value: Any, name: str) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.str_):
        return str(value)
    if isinstance(value, np.bool_ | np.integer | np.floating) and value.dtype.itemsize <= 8:
        return {"$number": [value.dtype.str, value.item()]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufU" and value.dtype.itemsize != 16:
        return {"$array": [value.dtype.str, list(value.shape), value.ravel().tolist()]}
    if isinstance(value, list):
        return [_plain(item, name) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": [_plain(item, name) for item in value]}
    if isinstance(value, set | frozenset):
        return {"$set": [type(value).__name__, [_plain(item, name) for item in sorted(value, key=repr)]]}
    if isinstance(value, Mapping):
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: _plain(item, name) for key, item in value.items()}
        return {"$dict": [[_plain(key, name), _plain(item, name)] for key, item in value.items()]}
    if isinstance(value, PurePath):
        return {"$path": os.fspath(value)}
    remedy = "give None and pass it again after loading"
    if isinstance(value, np.random.RandomState | np.random.Generator):
        remedy = "give an integer seed"
    kind = "a function" if callable(value) else f"a {type(value).__name__}"
    raise UsageError(f"parameter {name} is {kind}, which a saved model cannot hold; {remedy}")


def _value(item: Any) -> Any:
    if isinstance(item, list):
        return [_value(each) for each in item]
    if not isinstance(item, dict):
        return item
    tag = next(iter(item), "")
    if len(item) != 1 or tag not in _TAGS:
        return {key: _value(each) for key, each in item.items()}
    content = item[tag]
    if tag == "$tuple":
        return tuple(_value(each) for each in content)
    if tag == "$dict":
        return {_value(key): _value(each) for key, each in content}
    if tag == "$set":
        return {"set": set, "frozenset": frozenset}[content[0]](_value(each) for each in content[1])
    if tag == "$path":
        return Path(content)
    if tag == "$number":
        return np.dtype(content[0]).type(content[1])
    dtype, shape, values = content
    return np.array(values, dtype).reshape(shape)
