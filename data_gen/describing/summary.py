"""The summary of a column in one pass: moments, range, missing and distinct values, a histogram."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
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


def hashed_texts(texts: Iterable[str]) -> Array:
    """Return 64-bit words of texts (BLAKE2b)."""
    words = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(words, "<u8")


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


def is_text(kind: pa.DataType) -> bool:
    """Whether a column's values are text, or categories."""
    types = pa.types
    return bool(types.is_dictionary(kind) or types.is_string(kind) or types.is_large_string(kind))


def most_frequent(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the most frequent texts and their counts, equal counts in the order of the texts."""
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:FEW]


def frequent(sample: pa.ChunkedArray) -> frozenset[str]:
    """Return the most frequent values of a sample of text: those that are worth counting."""
    return frozenset(value for value, _ in most_frequent(_counted(sample)))


def _counted(values: Any) -> dict[str, int]:
    found = pc.value_counts(values.drop_null())
    texts = found.field(0).cast(pa.string()).to_pylist()
    return dict(zip(texts, found.field(1).to_pylist(), strict=True))


def edges_for(sample: pa.ChunkedArray) -> Array | None:
    """Return where a histogram's bins begin and end, from a spread sample; None for few values or text.

    Bins are one a value where integers span at most 100, and logarithmic for positive values that span more than
    three decades. The outer ones take what lies beyond the sample.
    """
    if is_text(sample.type):
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
    return np.linspace(low / 2, high / 2, BINS + 1) * 2  # of halves, whose difference is no infinity


def as_numbers(values: Any) -> Array:
    """Return what is present of a column as finite float64; dates and times as milliseconds since 1970."""
    present = values.drop_null()
    if pa.types.is_timestamp(present.type) or pa.types.is_date(present.type):
        present = present.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
    elif pa.types.is_time32(present.type):
        present = present.cast(pa.int32())
    elif pa.types.is_temporal(present.type):
        present = present.cast(pa.int64())
    found: Array = present.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return found[np.isfinite(found)]


@dataclass
class Summary:
    """State of one column.

    Parameters
    ----------
    edges : array or None
        Bins of the histogram; None where values are counted one by one while they are few.
    text : bool
        Whether values are text.
    wanted : frozenset of str, optional
        The texts that are counted; by default all.
    """

    edges: Array | None
    text: bool = False
    wanted: frozenset[str] | None = None
    rows: int = 0
    present: int = 0
    infinite: int = 0
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
        if self.text:
            self._add_text(values)
            return
        data = as_numbers(values)
        if pa.types.is_floating(values.type):
            self.infinite += pc.sum(pc.is_inf(values)).as_py() or 0
        if not len(data):
            return
        with np.errstate(over="ignore"):  # a deviation may be infinite; a mean is none
            mean = float(data.mean())
            mean = mean if np.isfinite(mean) else float((data / len(data)).sum())
            self._moments(len(data), mean, float(np.sum((data - mean) ** 2)))
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

    def _add_text(self, values: Any) -> None:
        self.present += len(values) - values.null_count
        counted = _counted(values)
        if counted:
            self.distinct.add(np.unique(hashed_texts(counted)))
        if self.wanted is not None:
            counted = {value: counted[value] for value in self.wanted & counted.keys()}
        self.single.update(counted)

    def merge(self, other: Summary) -> None:
        """Add the state of later rows."""
        self.rows += other.rows
        self.infinite += other.infinite
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
        self.squares += squares + (apart * apart * self.present * n / total if self.present else 0.0)
        self.mean += apart * (n / total)
        self.present = total


def fresh(summary: Summary) -> Summary:
    """Return the state of no rows of the same column."""
    return Summary(summary.edges, summary.text, summary.wanted)
