"""Where things stand in LightGBM's binary dataset file, read from a small one that LightGBM wrote.

The file is what ``Dataset.save_binary`` writes (LightGBM 4): a token; a header with the features' places in groups;
labels and weights; and per group the definition of its bins, then the bins of all rows. Everything but the last is
copied as it is, so little of the format needs to be known; and what is known is put to the test before it is used
(`scalable.boosting.dataset.own_bins`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_INT, _LONG, _DOUBLE = struct.Struct("<i"), struct.Struct("<Q"), struct.Struct("<d")
_MAPPER = 72  # bytes of a mapper before its bounds
SPARSE_FROM = 0.7  # LightGBM's kSparseThreshold
MISSING_NAN = 2


class LayoutError(ValueError):
    """The file is not laid out as known here."""


def aligned(size: int) -> int:
    """Return a size with LightGBM's padding."""
    return -(-size // 8) * 8


@dataclass(frozen=True, slots=True)
class Mapper:
    """Bins of one feature.

    Attributes
    ----------
    n_bins, usual : int
        How many, and which is the most frequent: it is stored as 0 or not at all.
    missing_nan : bool
        Whether NaN has the last bin for itself.
    sparse_rate : float
        Share of the most frequent bin in the sample.
    bounds : float64 array (n_bins,) or None
        Upper bounds of a numeric feature.
    categories : int32 array (n_bins,) or None
        Category of each bin.
    size : int
        Bytes in the file.
    """

    n_bins: int
    usual: int
    missing_nan: bool
    sparse_rate: float
    bounds: NDArray[np.float64] | None
    categories: NDArray[np.int32] | None
    size: int

    @classmethod
    def read(cls, data: bytes, at: int) -> Mapper:
        """Read the mapper at an offset."""
        n_bins, missing = _INT.unpack_from(data, at)[0], _INT.unpack_from(data, at + 8)[0]
        rate, categorical = _DOUBLE.unpack_from(data, at + 24)[0], _INT.unpack_from(data, at + 32)[0]
        usual = _INT.unpack_from(data, at + 64)[0]
        if not (
            0 < n_bins < 2**20 and 0 <= usual < n_bins and categorical in (0, 1) and missing in (0, 1, 2)
        ):
            raise LayoutError("a bin mapper is not where it was expected")
        bounds = categories = None
        if categorical:
            categories = np.frombuffer(data, "<i4", n_bins, at + _MAPPER)
        else:
            bounds = np.frombuffer(data, "<f8", n_bins, at + _MAPPER)
        size = _MAPPER + n_bins * (4 if categorical else 8)
        return cls(n_bins, usual, missing == MISSING_NAN, rate, bounds, categories, size)

    def codes(self, offset: int) -> NDArray[np.uint32]:
        """Return what is stored for each bin, with the feature's first code in the group; 0 for the usual bin."""
        bins = np.arange(self.n_bins, dtype=np.uint32)
        stored = bins + offset - (1 if self.usual == 0 else 0)
        stored[self.usual] = 0
        return stored.astype(np.uint32)


@dataclass(slots=True)
class Store:
    """One array of bins: of a group, or of one feature of a group that stores them apart.

    Attributes
    ----------
    features : list of (column, Mapper, first code)
        What is written into it, in this order.
    n_codes : int
        Codes it holds, which decides its width.
    sparse : bool
        Whether zeros are left out of the file.
    """

    features: list[tuple[int, Mapper, int]] = field(default_factory=list)
    n_codes: int = 0
    sparse: bool = False

    @property
    def packed(self) -> bool:
        """Whether two rows share a byte in the file."""
        return not self.sparse and self.n_codes <= 16

    @property
    def dtype(self) -> type[np.unsignedinteger]:
        """Type of a code."""
        return np.uint8 if self.n_codes <= 2**8 else np.uint16 if self.n_codes <= 2**16 else np.uint32


@dataclass(frozen=True, slots=True)
class Group:
    """One feature group: its definition as bytes, and its stores."""

    definition: bytes
    stores: tuple[Store, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A dataset file without its rows.

    Attributes
    ----------
    token, header : bytes
        Copied; the header begins with the number of rows.
    groups : tuple of Group
        In file order.
    """

    token: bytes
    header: bytes
    groups: tuple[Group, ...]

    @classmethod
    def read(cls, data: bytes, n_rows: int, n_columns: int) -> Layout:
        """Take apart a file of `n_rows` rows.

        Raises
        ------
        LayoutError, struct.error
            When something is not where it should be.
        """
        start = aligned(data.index(b"\n") + 1)
        size = _LONG.unpack_from(data, start)[0]
        header = data[start + 8 : start + 8 + size]
        if _INT.unpack_from(header)[0] != n_rows or _INT.unpack_from(header, 16)[0] != n_columns:
            raise LayoutError("the header does not begin with rows and columns")
        columns = _columns_of_groups(header, n_columns)
        at = start + 8 + size
        at += 8 + _LONG.unpack_from(data, at)[0]
        groups: list[Group] = []
        while at < len(data):
            length = _LONG.unpack_from(data, at)[0]
            groups.append(_group(data, at + 8, columns[len(groups)]))
            at += 8 + length
        if at != len(data) or len(groups) != len(columns):
            raise LayoutError("groups do not fill the file")
        return cls(data[:start], header, tuple(groups))


def _columns_of_groups(header: bytes, n_columns: int) -> list[list[int]]:
    """Return the matrix columns of each group, by place in the group."""
    n_used = _INT.unpack_from(header, 8)[0]
    if n_used == 0:  # every feature has one value
        return []
    at = 80 + aligned(4 * n_columns)  # after ten numbers and the map of used features
    n_groups = _INT.unpack_from(header, at)[0]
    at += 8
    tables = []
    for _ in range(3):
        tables.append(np.frombuffer(header, "<i4", n_used, at))
        at += aligned(4 * n_used)
    columns, group, place = tables
    if not 0 < n_groups <= n_used or group.max() >= n_groups or columns.max() >= n_columns or place.min() < 0:
        raise LayoutError("the header's tables of features are not where they were expected")
    found: list[dict[int, int]] = [{} for _ in range(n_groups)]
    for column, g, k in zip(columns.tolist(), group.tolist(), place.tolist(), strict=True):
        found[g][k] = column
    if any(sorted(places) != list(range(len(places))) for places in found):
        raise LayoutError("the header's tables of features do not fit together")
    return [[places[k] for k in range(len(places))] for places in found]


def _group(data: bytes, at: int, columns: Sequence[int]) -> Group:
    apart, dense, sparse = data[at], data[at + 8], data[at + 16]
    if _INT.unpack_from(data, at + 24)[0] != len(columns):
        raise LayoutError("a group has another number of features than the header says")
    begin, at = at, at + 32
    mappers = []
    for _ in columns:
        mappers.append(Mapper.read(data, at))
        at += mappers[-1].size
    if apart:
        stores = [
            Store([(column, m, 1)], m.n_bins + (m.usual != 0), m.sparse_rate >= SPARSE_FROM)
            for column, m in zip(columns, mappers, strict=True)
        ]
    else:
        if dense:
            raise LayoutError("a dense group of several values")
        store, offset = Store(sparse=bool(sparse)), 1
        for column, m in zip(columns, mappers, strict=True):
            store.features.append((column, m, offset))
            offset += m.n_bins - (m.usual == 0)
        store.features.sort(
            key=lambda feature: feature[0]
        )  # rows are pushed in column order; the last one stays
        store.n_codes = offset
        stores = [store]
    return Group(data[begin:at], tuple(stores))
