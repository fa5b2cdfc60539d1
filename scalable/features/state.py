"""Encoders as they are saved: a JSON document, and arrays that it refers to by name.

What a document says of columns is proven when it is read: code that encodes takes it for granted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.columns import KINDS, column_kind
from scalable.data.types.logical import type_named

FORMAT = 2  # of a state's document; 1, which had none of its own, is read by `scalable.features.older`
_PREFIX = "encoder."


@dataclass(frozen=True)
class State:
    """An encoder as it is saved.

    Attributes
    ----------
    document : dict
        JSON-able.
    arrays : dict of str to array
        Tables that the document refers to by name.
    """

    document: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, NDArray[Any]]:
        """The arrays under names of their own beside those of a model."""
        return {_PREFIX + name: array for name, array in self.arrays.items()}

    @classmethod
    def of(cls, document: Mapping[str, Any], parts: Mapping[str, NDArray[Any]]) -> State:
        """Return what was saved as `document` and, among others, `parts`."""
        mine = {k.removeprefix(_PREFIX): array for k, array in parts.items() if k.startswith(_PREFIX)}
        return cls(dict(document), mine)

    @property
    def digest(self) -> str:
        """A hash of all that is in it."""
        found = hashlib.sha256(json.dumps(self.document, sort_keys=True, default=repr).encode())
        for name, array in sorted(self.arrays.items()):
            found.update(f"{name} {array.dtype.str} {array.shape}".encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


def check_columns(columns: Sequence[tuple[str, str, str]]) -> None:
    """Prove name, Arrow type and kind of each column that is read.

    Raises
    ------
    TypeError, ValueError
        When one is no text, a name stands twice, a type is unknown, or a kind is not its type's.
    """
    if any(type(part) is not str for column in columns for part in column):
        raise TypeError("a column is no name, type and kind")
    if len({name for name, _, _ in columns}) < len(columns):
        raise ValueError("two columns have one name")
    for name, arrow_type, kind in columns:
        found = column_kind(type_named(arrow_type)) or "float"
        if kind not in KINDS or any((found == one) != (kind == one) for one in ("text", "temporal")):
            raise ValueError(f"column {name!r} of type {arrow_type!r} and kind {kind!r}")


def check_categories(kind: str, categories: Sequence[Any]) -> None:
    """Prove the known categories of a column: distinct, of text or of numbers; those of integers ascend.

    Raises
    ------
    TypeError, ValueError
        When they are not.
    """
    known = (int,) if kind == "integer" else (str, int, float, bool)
    if kind not in ("text", "integer") or any(type(one) not in known for one in categories):
        raise TypeError(f"categories of a column of kind {kind!r}: {categories!r:.60}")
    ascend = kind == "text" or (len(categories) > 0 and all(a < b for a, b in pairwise(categories)))
    if not ascend or len(set(categories)) < len(categories) or any(one != one for one in categories):  # noqa: PLR0124
        raise ValueError(f"categories are doubled or in another order: {categories!r:.60}")
