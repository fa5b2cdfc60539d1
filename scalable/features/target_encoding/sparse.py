"""Tables of cells on their way to another process: only the cells that are not like most.

Tables have up to 2**20 cells, so that categories seldom share one, and most are empty where rows are few: 59 MB a
worker for some hundred thousand rows, of which an eighth says something.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LOOKED_AT = 1024  # cells, to find what most are like
_LEAST_BYTES = 2**16


class SparseWhenPickled:
    """Base of dataclasses whose arrays have a first axis of cells; what is unpickled has the same bits."""

    def __reduce__(self) -> Any:
        values = [getattr(self, field.name) for field in fields(self)]  # type: ignore[arg-type]  # of a dataclass
        return _rebuilt, (type(self), [_sparse(value) for value in values])


def scattered(
    n_cells: int, usual: ArrayLike, places: NDArray[np.integer], others: NDArray[Any]
) -> NDArray[Any]:
    """Return an array of shape (n_cells, ...) that is `others`, of shape (n_other, ...), at `places`, else `usual`."""
    out = np.empty((n_cells, *others.shape[1:]), others.dtype)
    out[:] = usual
    out[places] = others
    return out


def _rebuilt(kind: Any, values: list[Any]) -> Any:
    return kind(*(scattered(*value) if isinstance(value, _Sparse) else value for value in values))


class _Sparse(NamedTuple):
    """What `scattered` makes an array of: cells that are not like most, and those that are."""

    n_cells: int
    usual: NDArray[Any]
    places: NDArray[np.int32]
    others: NDArray[Any]


def _sparse(value: Any) -> Any:
    """Return a large array of mostly equal cells as `_Sparse`, anything else as it is."""
    if not isinstance(value, np.ndarray) or value.ndim < 2 or value.nbytes < _LEAST_BYTES:
        return value
    # As integers NaN equals itself, and -0.0 is not 0.0.
    bits = np.ascontiguousarray(value).reshape(len(value), -1).view(np.uint32)
    step = -(-len(bits) // _LOOKED_AT)
    _, first, counts = np.unique(bits[::step], axis=0, return_index=True, return_counts=True)
    usual = step * int(first[counts.argmax()])
    differs = np.zeros(len(bits), bool)
    for word in bits.T:
        differs |= word != word[usual]
    places = np.flatnonzero(differs).astype(np.int32)
    if 2 * len(places) > len(value):
        return value
    return _Sparse(len(value), value[usual].copy(), places, value[places])
