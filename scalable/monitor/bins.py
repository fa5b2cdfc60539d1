"""Bins of a reference's columns: its own quantiles for numbers, its own categories for text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.columns import column_kind
from scalable.data.source import Source
from scalable.data.values import dictionary_codes, numbers
from scalable.errors import DataError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.sampling import spread_shards
from scalable.features.row_sample import Positions, SampleReduction
from scalable.kernels.encode.counting import count_bins

QUANTILES = 20
LEVELS = 255  # categories that have a bin of their own
SAMPLE = 2**17  # rows from which bins are learned
DRAWN = 2**15  # of their numbers, for quantiles that are off by a quarter of a per cent (counts are exact)
_PADDED, _STEPS = 31, 5


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
    n, total = np.bincount(place, minlength=len(edges) + 1), np.bincount(place, finite, len(edges) + 1)
    ends = np.concatenate([[finite[0]], edges[1:], [finite[-1]]])
    points = np.where(n > 0, total / np.maximum(n, 1), ends)
    scale = float(finite.std())
    return ColumnBins(
        name,
        "number",
        tuple(edges.tolist()),
        tuple(np.maximum.accumulate(points).tolist()),
        scale=scale if 0.0 < scale < np.inf else 1.0,
    )


def text_bins(name: str, found: Counter[str]) -> ColumnBins:
    """Return bins of the most frequent categories."""
    ordered = sorted(found, key=lambda level: (-found[level], level))
    return ColumnBins(name, "text", levels=tuple(ordered[:LEVELS]), complete=len(ordered) <= LEVELS)


def learn_bins(source: Source, names: Sequence[str], executor: Executor) -> list[ColumnBins]:
    """Return the bins of columns of a source, from a spread sample of its rows."""
    known = source.exact_rows is not None
    sample = SampleReduction(
        Positions.of(source), source.n_rows, source.n_rows if known else SAMPLE, 0, tuple(names)
    )
    shards = spread_shards(source, SAMPLE) if known and source.n_rows > SAMPLE else source.shards
    blocks: Sequence[RawBlock] = run_reduction(
        executor, sample, BlockReader(source, columns=tuple(names)), shards
    )
    return [
        _bins_of(name, source.field_type(name), [block.arrays[name] for block in blocks]) for name in names
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


def _levels(array: pa.DictionaryArray) -> list[str]:
    return [str(value) for value in array.dictionary.to_pylist()]


class Binner:
    """Counts the values of a column by period.

    Parameters
    ----------
    bins : ColumnBins
    """

    def __init__(self, bins: ColumnBins) -> None:
        self.bins = bins
        self._edges = np.full(_PADDED, np.inf)
        self._edges[: len(bins.edges)] = bins.edges
        self._codes = {level: code for code, level in enumerate(bins.levels)}

    def add(
        self, array: pa.Array, periods: NDArray[np.int32], counts: NDArray[np.int64]
    ) -> NDArray[np.int64] | None:
        """Count a column of a block; return the bins of its rows where they had to be looked up: of text.

        Parameters
        ----------
        array : pyarrow.Array
        periods : int32 array (n_rows,) or (0,)
            Row of `counts` of each value; empty for row 0.
        counts : int64 array (n_periods, size)
            Updated.

        Raises
        ------
        DataError
            The column is text where the reference has numbers, or the other way round.
        """
        text = pa.types.is_dictionary(array.type)
        if text != (self.bins.kind == "text"):
            raise DataError(
                f"column {self.bins.name!r} is {array.type} here, but {self.bins.kind} in the reference; give data of "
                "the training schema"
            )
        if not text:
            self.add_values(as_floats(array), periods, counts)
            return None
        codes = self.codes(array)
        add_codes(codes, periods, counts)
        return codes

    def add_values(
        self, values: NDArray[np.float64], periods: NDArray[np.int32], counts: NDArray[np.int64]
    ) -> None:
        """Count numbers."""
        count_bins(values, self._edges, _STEPS, periods, counts)

    def codes(self, array: pa.Array) -> NDArray[np.int64]:
        """Return the bin of each value of a column."""
        if self.bins.kind == "number":
            values = as_floats(array)
            places = np.searchsorted(np.array(self.bins.edges), values, side="left")
            return np.asarray(np.where(np.isnan(values), self.bins.size - 1, places))
        others = len(self.bins.levels)
        table = [self._codes.get(level, others) for level in _levels(array)]
        return np.asarray(np.array([*table, others + 1], np.int64)[dictionary_codes(array)])


def add_codes(codes: NDArray[Any], periods: NDArray[np.int32], counts: NDArray[np.int64]) -> None:
    """Add one for each bin, given as a number, in the row of its period."""
    flat = codes if not len(periods) else periods.astype(np.int64) * counts.shape[1] + codes
    counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)
