"""Columns of a block as the kernel that counts them takes them: where values lie, and the bins of which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.values import dictionary_codes, place_of, placed, text_of_nulls
from scalable.kernels.encode import counting
from scalable.kernels.encode.columns import FLOAT64
from scalable.monitor.bins import ColumnBins, as_floats, levels_of, other_kind
from scalable.monitor.periods import Runs

_LIMITS = np.iinfo(np.int32)
_NO_ORDER = np.empty(0, np.int64)


class Counted(NamedTuple):
    """A column to be counted: its description for `count_columns`, and what keeps its memory."""

    described: tuple[int, ...]
    held: Any


def count_block(columns: Sequence[Counted], runs: Runs, counts: NDArray[np.int64]) -> None:
    """Count columns of a block.

    Parameters
    ----------
    columns : sequence of Counted
    runs : Runs
        Of the block.
    counts : int64 array (n_periods, size)
        Updated.
    """
    table = np.array([column.described for column in columns], np.int64).reshape(-1, counting.FIELDS)
    order = _NO_ORDER if runs.order is None else runs.order
    counting.count_columns(table, order, runs.begins, runs.places, counts)


def counted_codes(codes: NDArray[np.int32], bins: NDArray[np.uint32], n_bins: int, first: int) -> Counted:
    """Return a column of codes to be counted.

    Parameters
    ----------
    codes : int32 (n_rows,)
    bins : uint32 (n,)
        The bin of each; the last one's is also that of all beyond.
    n_bins : int
    first : int
        Where these begin in the counts of a period.
    """
    return Counted(_codes_at(codes.ctypes.data, 0, 0, bins, n_bins, first), (codes, bins))


def _codes_at(
    at: int, valid: int, bit: int, bins: NDArray[np.uint32], n_bins: int, first: int
) -> tuple[int, ...]:
    size = len(bins) - 1, n_bins
    return at, valid, bit, counting.CODES, first, *size, bins.ctypes.data, 0, 0


class Binner:
    """Finds the bins of the values of a column.

    Parameters
    ----------
    bins : ColumnBins
    """

    def __init__(self, bins: ColumnBins) -> None:
        self.bins = bins
        self._edges = np.array(bins.edges, np.float64)
        known = len(self._edges) and self._edges[0] >= _LIMITS.min  # else below it lies what no int32 is
        self._forms = (
            self._edges,
            _rounded_down(self._edges),
            _whole_below(self._edges) if known else None,
        )
        forms = (0 if form is None else form.ctypes.data for form in self._forms)
        self._described = (len(self._edges), 0, *forms)
        self._codes = {level: code for code, level in enumerate(bins.levels)}
        self._known: tuple[pa.Array, NDArray[np.uint32]] | None = (
            None  # a dictionary and the bins of its entries
        )

    def counted(self, array: pa.Array, first: int) -> Counted:
        """Return a column to be counted.

        Parameters
        ----------
        array : pyarrow.Array
        first : int
            Where its bins begin in the counts of a period.

        Raises
        ------
        DataError
            The column is text where the reference has numbers, or the other way round.
        """
        if self.bins.kind == "text":
            array = text_of_nulls(array)
        if pt.is_dictionary(array.type) != (self.bins.kind == "text"):
            raise other_kind(self.bins, array.type)
        if self.bins.kind == "text":
            codes, table = array.indices.cast(pa.int32()), self._table(array)
            at, valid, bit, _ = place_of(codes)
            return Counted(_codes_at(at, valid, bit, table, self.bins.size, first), (codes, table))
        values = placed(array)
        return Counted((*place_of(values), first, *self._described), (values, self))

    def counted_values(self, values: NDArray[np.float64], first: int) -> Counted:
        """Return numbers of one block to be counted, NaN where missing; see `counted`."""
        at = values.ctypes.data, 0, 0, FLOAT64
        return Counted((*at, first, *self._described), (values, self))

    def codes(self, array: pa.Array) -> NDArray[np.int64]:
        """Return the bin of each value of a column."""
        if self.bins.kind == "number":
            values = as_floats(array)
            places = np.searchsorted(self._edges, values, side="left")
            return np.where(np.isnan(values), self.bins.size - 1, places).astype(np.int64)
        array = text_of_nulls(array)
        return np.asarray(self._table(array).astype(np.int64)[dictionary_codes(array)])

    def _table(self, array: pa.DictionaryArray) -> NDArray[np.uint32]:
        """Return the bin of each entry of a column's dictionary, and behind the last one that of missing values."""
        known, levels = self._known, array.dictionary
        if known is not None and levels.equals(known[0]):  # row groups of a file mostly share one
            return known[1]
        others = len(self.bins.levels)
        table = np.array(
            [*(self._codes.get(level, others) for level in levels_of(array)), others + 1], np.uint32
        )
        self._known = levels, table
        return table


def _rounded_down(edges: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 that is not above each edge: above both lie the same values of float32."""
    with np.errstate(over="ignore"):
        near = edges.astype(np.float32)
    return np.where(near > edges, np.nextafter(near, np.float32(-np.inf)), near)


def _whole_below(edges: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the largest int32 that is not above each edge: above both lie the same values of int32."""
    return np.minimum(np.floor(edges), _LIMITS.max).astype(np.int32)
