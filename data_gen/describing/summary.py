"""The summary of a column in one pass: moments, range, missing and distinct values, a histogram."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Array = np.ndarray[Any, np.dtype[Any]]
BINS = 40
FEW = 12  # so many distinct values are counted one by one
KEPT = 1 << 16  # distinct values counted exactly; of more, so many smallest hashes estimate them to 0.4 %


def hashed(values: Array) -> Array:
    """Return well mixed 64-bit words of float64 values (the finalizer of SplitMix64)."""
    word = np.ascontiguousarray(values, np.float64).view(np.uint64).copy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        word ^= word >> np.uint64(shift)
        word *= np.uint64(factor)
    return word ^ (word >> np.uint64(31))


@dataclass
class Distinct:
    """How many distinct values: exact up to `KEPT`, beyond from the smallest hashes (Bar-Yossef et al., 2002)."""

    smallest: Array = field(default_factory=lambda: np.empty(0, np.uint64))

    def add(self, hashes: Array) -> None:
        """Add values by their hashes."""
        if len(self.smallest) == KEPT:
            hashes = hashes[hashes < self.smallest[-1]]
        if len(hashes):
            self.smallest = np.union1d(self.smallest, hashes)[:KEPT]

    @property
    def exact(self) -> bool:
        """Whether the count is no estimate."""
        return len(self.smallest) < KEPT

    def count(self) -> int:
        """Return the number of distinct values."""
        if self.exact:
            return len(self.smallest)
        return round((KEPT - 1) / ((float(self.smallest[-1]) + 1.0) / 2.0**64))


def edges_for(sample: pa.ChunkedArray) -> Array | None:
    """Return where a histogram's bins begin and end, from a spread sample; None for few values or text.

    Bins are one a value where integers span at most 100, and logarithmic for positive values that span more than
    three decades. The outer ones take what lies beyond the sample.
    """
    if pa.types.is_dictionary(sample.type):
        return None
    data = as_numbers(sample)
    levels = np.unique(data)
    if len(levels) <= FEW:
        return None
    low, high = float(levels[0]), float(levels[-1])
    if pa.types.is_integer(sample.type) and high - low <= 100:
        return np.arange(low, high + 2) - 0.5
    positive = data[data > 0]
    start = float(np.quantile(positive, 0.001)) if low >= 0 and len(positive) else 0.0
    if low >= 0 and start > 0 and high / max(float(np.median(data)), start) > 50:
        edges = np.geomspace(start, high, BINS + 1)
        edges[0], edges[-1] = min(low, start), high
        return edges
    return np.linspace(low, high, BINS + 1)


def as_numbers(values: Any) -> Array:
    """Return what is present of a column as float64; times as milliseconds since 1970."""
    present = values.drop_null()
    if pa.types.is_temporal(present.type):
        present = present.cast(pa.int64())
    found: Array = present.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found


@dataclass
class Summary:
    """State of one column.

    Parameters
    ----------
    edges : array or None
        Bins of the histogram; None where values are counted one by one while they are few.
    """

    edges: Array | None
    rows: int = 0
    present: int = 0
    mean: float = 0.0
    squares: float = 0.0  # about the mean
    minimum: float = np.inf
    maximum: float = -np.inf
    counts: Array = field(default_factory=lambda: np.empty(0, np.int64))
    single: Counter[Any] = field(default_factory=Counter)
    distinct: Distinct = field(default_factory=Distinct)

    def add(self, values: Any) -> None:
        """Add an Arrow array."""
        self.rows += len(values)
        if pa.types.is_dictionary(values.type):
            counted = pc.value_counts(values.drop_null().cast(pa.string()))
            self.single.update({entry["values"]: entry["counts"] for entry in counted.to_pylist()})
            self.present += len(values) - values.null_count
            return
        data = as_numbers(values)
        if not len(data):
            return
        self._moments(len(data), float(data.mean()), float(np.sum((data - data.mean()) ** 2)))
        self.minimum, self.maximum = (
            min(self.minimum, float(data.min())),
            max(self.maximum, float(data.max())),
        )
        self.distinct.add(hashed(pc.unique(pa.array(data)).to_numpy()))
        if self.edges is None:
            levels, counts = np.unique(data, return_counts=True)
            self.single.update(dict(zip(levels.tolist(), counts.tolist(), strict=True)))
        else:
            inner = np.searchsorted(self.edges[1:-1], data, side="right")
            counts = np.bincount(inner, minlength=len(self.edges) - 1)
            self.counts = counts if not len(self.counts) else self.counts + counts

    def merge(self, other: Summary) -> None:
        """Add the state of later rows."""
        self.rows += other.rows
        if other.present:
            self._moments(other.present, other.mean, other.squares)
        self.minimum, self.maximum = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        self.single.update(other.single)
        self.distinct.add(other.distinct.smallest)
        if len(other.counts):
            self.counts = other.counts if not len(self.counts) else self.counts + other.counts

    def _moments(self, n: int, mean: float, squares: float) -> None:
        total = self.present + n
        apart = mean - self.mean
        self.squares += squares + apart**2 * self.present * n / total
        self.mean += apart * n / total
        self.present = total
