"""Encoders as they are saved: a JSON document, and arrays that it refers to by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
