"""Bins of a reference's columns: its own quantiles for numbers, its own categories for text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.columns import column_kind
from scalable.data.source import Source
from scalable.data.types.logical import convert, type_named
from scalable.data.values import buffers_of, dictionary_codes, numbers, read_only, text_of_nulls
from scalable.errors import DataError
from scalable.execution.executors import Executor
from scalable.execution.sampling import spread_shards
from scalable.features.row_sample import sampled_blocks
from scalable.kernels.encode.counting import SIDES, count_codes, count_numbers
from scalable.kernels.parquet.missing import fill_missing
from scalable.monitor.periods import Runs

QUANTILES = 20
LEVELS = 255  # categories that have a bin of their own
SAMPLE = 2**17  # rows from which bins are learned
_WHOLE = 2**24  # up to which float32 holds all whole numbers
_LIMITS = np.iinfo(np.int32)
HUGE = 1e150  # values beyond are squared in units of their own
DRAWN = 2**15  # of their numbers, for quantiles that are off by a quarter of a per cent (counts are exact)


@dataclass(frozen=True, slots=True)
class ColumnBins:
    """The bins of one column; the last one is of missing values.

    Attributes
    ----------
    name : str
    kind : str
        ``number`` (booleans and times too) or ``text``.
    edges : tuple of float
        Of numbers: a value's bin is the number of edges below it. The first bin lies below what the sample of the
        reference held, the last but one above.
    points : tuple of float
        A value for each bin of numbers: the mean of the sample's values there.
    levels : tuple of str
        Categories of text, most frequent first; after their bins comes that of all others.
    complete : bool
        Whether `levels` are all that the sample held: then others are new.
    scale : float
        Standard deviation in the sample, 1 where it is none.
    """

    name: str
    kind: str
    edges: tuple[float, ...] = ()
    points: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    complete: bool = True
    scale: float = 1.0

    @property
    def size(self) -> int:
        """Number of bins, that of missing values included."""
        return (len(self.edges) if self.kind == "number" else len(self.levels)) + 2

    def labels(self) -> list[str]:
        """Return how the bins but the last are called."""
        if self.kind == "text":
            return [*self.levels, "new" if self.complete else "others"]
        bounds = ["-inf", *(f"{edge:.6g}" for edge in self.edges), "inf"]
        return [f"({low}, {high}]" for low, high in pairwise(bounds)]


def number_bins(name: str, values: NDArray[np.float64], quantiles: int = QUANTILES) -> ColumnBins:
    """Return bins on the quantiles of values, of which those that are not finite are left out."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return ColumnBins(name, "number", (0.0,), (0.0, 0.0))
    if len(finite) > DRAWN:
        drawn = np.random.default_rng(0).integers(0, len(finite), DRAWN)
        finite = np.concatenate([finite[drawn], [finite.min(), finite.max()]])
    finite.sort()
    inner = finite[(np.arange(1, quantiles) * len(finite)) // quantiles]
    below = np.nextafter(finite[0], -np.inf)
    edges = np.unique(np.concatenate([[below], inner, [finite[-1]]]))
    place = np.searchsorted(edges, finite, side="left")
    unit = unit_of(finite)
    n, total = np.bincount(place, minlength=len(edges) + 1), np.bincount(place, finite / unit, len(edges) + 1)
    ends = np.concatenate([[finite[0]], edges[1:], [finite[-1]]])
    points = np.where(n > 0, total / np.maximum(n, 1) * unit, ends)
    scale = float((finite / unit).std()) * unit
    return ColumnBins(
        name,
        "number",
        tuple(edges.tolist()),
        tuple(np.maximum.accumulate(points).tolist()),
        scale=scale if 0.0 < scale < np.inf else 1.0,
    )


def unit_of(values: NDArray[np.float64]) -> float:
    """Return a power of two in whose units squares and sums of finite values do not overflow; 1 but for huge ones."""
    largest = float(np.abs(values).max(initial=0.0))
    return 1.0 if largest < HUGE else 2.0 ** int(np.log2(largest))


def text_bins(name: str, found: Counter[str]) -> ColumnBins:
    """Return bins of the most frequent categories."""
    ordered = sorted(found, key=lambda level: (-found[level], level))
    return ColumnBins(name, "text", levels=tuple(ordered[:LEVELS]), complete=len(ordered) <= LEVELS)


def as_counted(block: RawBlock, name: str, trained: Mapping[str, str]) -> pa.Array:
    """Return a column; times in the unit that they had in training, where that is known."""
    array = block.arrays[name]
    if not pt.is_temporal(array.type) or name not in trained:
        return array
    wanted = type_named(trained[name])
    return convert(array, name, wanted, block.place) if pt.is_temporal(wanted) else array


def learn_bins(
    source: Source, names: Sequence[str], executor: Executor, trained: Mapping[str, str]
) -> list[ColumnBins]:
    """Return the bins of columns of a source, in the units of training, from a spread sample of its rows."""
    if source.exact_rows is not None and source.n_rows > SAMPLE:
        source = source.with_shards(spread_shards(source, SAMPLE))
    blocks = sampled_blocks(source, tuple(names), max(SAMPLE, source.exact_rows or 0), executor)
    return [
        _bins_of(name, source.field_type(name), [as_counted(block, name, trained) for block in blocks])
        for name in names
    ]


def _bins_of(name: str, kind: pa.DataType, arrays: list[pa.Array]) -> ColumnBins:
    if column_kind(kind) == "text":
        found: Counter[str] = Counter()
        for array in arrays:
            levels, codes = _levels(array), dictionary_codes(array)
            n = np.bincount(codes, minlength=len(levels) + 1)
            found.update({level: int(k) for level, k in zip(levels, n, strict=False) if k})
        return text_bins(name, found)
    values = [as_floats(array) for array in arrays]
    return number_bins(name, np.concatenate([np.empty(0), *values]))


def as_floats(array: pa.Array) -> NDArray[np.float64]:
    """Return a numeric column as float64, missing as NaN."""
    return np.ascontiguousarray(numbers(array), np.float64)


Compared = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int32]


def as_compared(array: pa.Array) -> Compared:
    """Return a numeric column as int32 as it lies, as float32 where that holds its every value, or as float64.

    Missing values are NaN.
    """
    kind = array.type
    if pt.is_int32(kind) and not array.null_count:
        return numbers(array)
    if array.null_count and pt.is_integer(kind) and kind.bit_width <= 16:
        values, valid = buffers_of(array)
        out = np.empty(len(values), np.float32)
        fill_missing(values, valid, array.offset, np.nan, out)
        return out
    values = numbers(array)
    small = values.dtype == np.float32 or (values.dtype.kind in "iu" and values.itemsize <= 2)
    if values.dtype.kind in "iu" and not small and len(values):
        small = int(values.min()) >= -_WHOLE and int(values.max()) <= _WHOLE
    return np.ascontiguousarray(values, np.float32) if small else np.ascontiguousarray(values, np.float64)


def _rounded_down(edges: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 that is not above each edge: above both lie the same values of float32."""
    with np.errstate(over="ignore"):
        near = edges.astype(np.float32)
    return np.where(near > edges, np.nextafter(near, np.float32(-np.inf)), near)


def _whole_below(edges: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the largest int32 that is not above each edge: above both lie the same values of int32."""
    return np.minimum(np.floor(edges), _LIMITS.max).astype(np.int32)


def _levels(array: pa.DictionaryArray) -> list[str]:
    return [str(value) for value in array.dictionary.to_pylist()]


def other_kind(bins: ColumnBins, kind: pa.DataType, place: str = "") -> DataError:
    """Return the error of a column that is text where the reference has numbers, or the other way round."""
    here, there = (kind, "text") if bins.kind == "text" else ("text", "numbers")
    return DataError(
        f"{place}{place and ': '}column {bins.name!r} is {here} here, but {there} in the reference; give data of the "
        "training schema"
    )


class Binner:
    """Counts the values of a column by period.

    Parameters
    ----------
    bins : ColumnBins
    """

    def __init__(self, bins: ColumnBins) -> None:
        self.bins = bins
        edges = np.array(bins.edges, np.float64)
        self._edges: dict[Any, NDArray[Any]] = {np.float64: edges, np.float32: _rounded_down(edges)}
        if len(edges) and edges[0] >= _LIMITS.min:  # else below it lies what no int32 is
            self._edges[np.int32] = _whole_below(edges)
        self._codes = {level: code for code, level in enumerate(bins.levels)}
        self._known: tuple[pa.Array, NDArray[np.uint32]] | None = (
            None  # a dictionary and the bins of its entries
        )

    def add(self, array: pa.Array, runs: Runs, counts: NDArray[np.int64], first: int) -> None:
        """Count a column of a block.

        Parameters
        ----------
        array : pyarrow.Array
        runs : Runs
            Of the block.
        counts : int64 array (n_periods, size)
            Updated; the column's bins begin at `first`.
        first : int

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
            codes = np.ascontiguousarray(dictionary_codes(array), np.int32)
            add_codes(runs.arranged(codes), self._table(array), self.bins.size, runs, counts, first)
        else:
            self.add_values(runs.arranged(as_compared(array)), runs, counts, first)

    def add_values(
        self,
        values: Compared,
        runs: Runs,
        counts: NDArray[np.int64],
        first: int,
    ) -> None:
        """Count numbers, in the order of the runs."""
        if values.dtype.type not in self._edges:
            values = values.astype(np.float64)
        edges = self._edges[values.dtype.type]
        count_numbers(read_only(values), edges, runs.begins, runs.places, counts, first)

    def codes(self, array: pa.Array) -> NDArray[np.int64]:
        """Return the bin of each value of a column."""
        if self.bins.kind == "number":
            values = as_floats(array)
            places = np.searchsorted(self._edges[np.float64], values, side="left")
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
            [*(self._codes.get(level, others) for level in _levels(array)), others + 1], np.uint32
        )
        self._known = levels, table
        return table


def add_codes(
    codes: NDArray[np.int32],
    bins: NDArray[np.uint32],
    n_bins: int,
    runs: Runs,
    counts: NDArray[np.int64],
    first: int,
) -> None:
    """Add one for each code, given in the order of the runs, to its bin."""
    work = np.empty((SIDES, n_bins), np.int32)
    count_codes(read_only(codes), bins, work, runs.begins, runs.places, counts, first)
