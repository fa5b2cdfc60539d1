"""Tables of cells on their way to another process: only the cells that are not like most.

Tables have up to 2**20 cells, so that categories seldom share one, and most are empty where rows are few: 59 MB a
worker for some hundred thousand rows, of which an eighth says something.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LOOKED_AT = 1024  # cells, to find what most are like
_LEAST_BYTES = 2**16


class SparseWhenPickled:
    """Base of dataclasses whose arrays have a first axis of cells; what is unpickled has the same bits."""

    def __reduce__(self) -> Any:
        values = [getattr(self, field.name) for field in fields(self)]  # type: ignore[arg-type]  # of a dataclass
        return _rebuilt, (type(self), [_sparse(value) for value in values])


def _rebuilt(kind: Any, values: list[Any]) -> Any:
    return kind(*(value.whole() if isinstance(value, _Sparse) else value for value in values))


@dataclass(frozen=True, slots=True)
class _Sparse:
    """An array of shape (n_cells, ...) by the cells that are not like most.

    Attributes
    ----------
    n_cells : int
        Cells.
    usual : array of shape (...)
        Most cells.
    places : int32 array of shape (n_other,)
        The other cells.
    others : array of shape (n_other, ...)
        What they hold.
    """

    n_cells: int
    usual: NDArray[Any]
    places: NDArray[np.int32]
    others: NDArray[Any]

    def whole(self) -> NDArray[Any]:
        out = np.empty((self.n_cells, *self.usual.shape), self.usual.dtype)
        out[:] = self.usual
        out[self.places] = self.others
        return out


def _sparse(value: Any) -> Any:
    """Return a large array of mostly equal cells as `_Sparse`, anything else as it is."""
    if not isinstance(value, np.ndarray) or value.ndim < 2 or value.nbytes < _LEAST_BYTES:
        return value
    bits = (
        np.ascontiguousarray(value).reshape(len(value), -1).view(np.uint32)
    )  # NaN equals itself, -0.0 is not 0.0
    some = bits[:: -(-len(bits) // _LOOKED_AT)]
    kinds, counts = np.unique(some, axis=0, return_counts=True)
    differs = bits[:, 0] != kinds[counts.argmax(), 0]
    for word in range(1, bits.shape[1]):
        differs |= bits[:, word] != kinds[counts.argmax(), word]
    places = np.flatnonzero(differs).astype(np.int32)
    if 2 * len(places) > len(value):
        return value
    usual = value[int(np.flatnonzero(~differs)[0])].copy()
    return _Sparse(len(value), usual, places, value[places])
