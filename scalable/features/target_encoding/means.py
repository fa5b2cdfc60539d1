"""Columns of many levels as mean target and share of rows: target encoding.

A level's mean target, shrunk towards the overall mean, is the encoding of Micci-Barreca, "A preprocessing scheme for
high-cardinality categorical attributes" (2001). Levels share slots by a hash, so that tables do not grow with the
levels. Prediction uses the means of all rows, kept here; training those of the other folds
(`scalable.features.target_encoding.cross_fitted`).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.features.hashing import slots_of
from scalable.kernels.encode import target_means as kernels

MAX_MEANS = 8  # classes beyond this get shares only


@dataclass(frozen=True)
class Rates:
    """Mean targets and shares per slot, as prediction uses them.

    Attributes
    ----------
    table : float32 array of shape (n_slots + 1, n_means + 1)
        Shrunk mean of the target (regression, binary) or of each class indicator, then the fraction of the training
        rows in the slot; the last row is that of missing values, NaN. float64 in older models.
    prior : tuple of float, of length n_means
        Overall means, given to slots without rows.
    strength : tuple of float, of length n_means
        Rows at which a level's own mean counts as much as the overall one.
    crc : bool
        Whether texts are hashed by CRC-32, as in older models.
    """

    table: NDArray[np.float32] | NDArray[np.float64]
    prior: tuple[float, ...]
    strength: tuple[float, ...] = ()
    crc: bool = False

    @property
    def n_slots(self) -> int:
        """Slots of values that are not missing."""
        return len(self.table) - 1

    @property
    def width(self) -> int:
        """Matrix columns: the means and the share."""
        return int(self.table.shape[1])

    @property
    def suffixes(self) -> list[str]:
        """Names of the matrix columns, to be joined to the column's own."""
        n = self.width - 1
        return [*(["mean"] if n == 1 else [f"mean{k}" for k in range(n)]), "share"]

    def slots(self, array: pa.Array) -> NDArray[np.int32]:
        """Return the row of `table` of each value."""
        return slots_of(array, self.n_slots, crc=self.crc)

    def encode(self, array: pa.Array) -> list[NDArray[Any]]:
        """Return one array of shape (n_rows,) per matrix column; NaN for null."""
        return self.take(self.slots(array))

    def take(self, slots: NDArray[np.int32]) -> list[NDArray[Any]]:
        """Return one array of shape (n_rows,) per matrix column for rows of `table`."""
        out = np.empty((self.width, len(slots)), self.table.dtype)
        kernels.take_rates(slots, self.table, out)
        return list(out)

    def describe(self) -> str:
        """Return what was done, in a few words."""
        used = int((self.table[:-1, -1] > 0).sum())
        believed = "".join(f", half believed at {rows:,.0f} rows" for rows in self.strength[:1])
        return f"mean target{believed} and share of rows per level ({used:,} slots used), out of fold in training"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able form: little-endian bytes, compressed, in base64."""
        return {
            "prior": list(self.prior),
            "strength": list(self.strength),
            "hash": "crc32" if self.crc else "mix",
            "dtype": self.table.dtype.newbyteorder("<").str,
            "slots": self.n_slots,
            "table": _pack(self.table[:-1]),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rates:
        """Rebuild from `to_json`, or from what older models hold."""
        prior = tuple(float(value) for value in data["prior"])
        n_means = len(prior)
        if "table" not in data:
            parts = [zlib.decompress(base64.b64decode(data[name])) for name in ("means", "shares")]
            table = np.frombuffer(b"".join(parts), "<f8").reshape(n_means + 1, -1).T
            return cls(with_missing(table), prior, crc=True)
        flat = _unpack(data["table"], data["dtype"]).reshape(n_means + 1, int(data["slots"]))
        strength = tuple(float(value) for value in data["strength"])
        return cls(with_missing(flat.T), prior, strength, data["hash"] == "crc32")


def with_missing(table: NDArray[Any]) -> NDArray[Any]:
    """Return a table of shape (n_slots, width) with a row of NaN after its last, C-contiguous."""
    out = np.full((len(table) + 1, table.shape[1]), np.nan, table.dtype)
    out[:-1] = table
    return out


def _pack(table: NDArray[Any]) -> str:
    """Compress column by column, the highest bytes of all values first: they are alike."""
    values = np.ascontiguousarray(table.T).astype(table.dtype.newbyteorder("<"))
    planes = values.reshape(-1).view(np.uint8).reshape(-1, values.itemsize).T
    return base64.b64encode(zlib.compress(np.ascontiguousarray(planes).tobytes(), 6)).decode()


def _unpack(text: str, dtype: str) -> NDArray[Any]:
    """Return what `_pack` was given, column after column."""
    kind = np.dtype(dtype)
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(kind.itemsize, -1)
    return np.ascontiguousarray(planes.T).view(kind).reshape(-1).astype(kind.newbyteorder("="))
