"""Bins of a reference's columns: its own quantiles for numbers, its own categories for text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.columns import column_kind
from scalable.data.source import Source
from scalable.data.types.logical import convert, type_named
from scalable.data.values import dictionary_codes, numbers
from scalable.errors import DataError
from scalable.execution.executors import Executor
from scalable.execution.sampling import spread_shards
from scalable.features.row_sample import sampled_blocks

QUANTILES = 20
LEVELS = 255  # categories that have a bin of their own
SAMPLE = 2**17  # rows from which bins are learned
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
            levels, codes = levels_of(array), dictionary_codes(array)
            n = np.bincount(codes, minlength=len(levels) + 1)
            found.update({level: int(k) for level, k in zip(levels, n, strict=False) if k})
        return text_bins(name, found)
    values = [as_floats(array) for array in arrays]
    return number_bins(name, np.concatenate([np.empty(0), *values]))


def as_floats(array: pa.Array) -> NDArray[np.float64]:
    """Return a numeric column as float64, missing as NaN."""
    return np.ascontiguousarray(numbers(array), np.float64)


def levels_of(array: pa.DictionaryArray) -> list[str]:
    """Return the texts of a dictionary."""
    return [str(value) for value in array.dictionary.to_pylist()]


def other_kind(bins: ColumnBins, kind: pa.DataType, place: str = "") -> DataError:
    """Return the error of a column that is text where the reference has numbers, or the other way round."""
    here, there = (kind, "text") if bins.kind == "text" else ("text", "numbers")
    return DataError(
        f"{place}{place and ': '}column {bins.name!r} is {here} here, but {there} in the reference; give data of the "
        "training schema"
    )
