"""One pass before training: the global sample for the bins, the levels of text columns, the classes.

The sample is stratified by position: the dataset's rows, in order, are cut into as many equal stretches as rows are
wanted and one row is drawn from each. It depends on the rows and the seed alone, never on shards or workers, is
computable for any range of rows, and covers sorted data evenly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.source import Source
from scalable.data.values import numbers
from scalable.errors import DataError
from scalable.features.target import Labels
from scalable.features.tree_encoder import MAX_CATEGORIES

MAX_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Positions:
    """Where a source's rows stand: shards of a split source leave gaps in the dataset's row indices.

    Attributes
    ----------
    first_rows, offsets : tuple of int
        Per shard, the index of its first row in the dataset and the count of the source's rows before it.
    """

    first_rows: tuple[int, ...]
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, source: Source) -> Positions:
        """Return the positions of a source's shards."""
        offsets = np.cumsum([0, *(shard.n_rows for shard in source.shards)])
        return cls(tuple(s.first_row for s in source.shards), tuple(int(o) for o in offsets[:-1]))

    def of_row(self, first_row: int) -> int:
        """Return the position of the row at `first_row` of the dataset."""
        shard = int(np.searchsorted(self.first_rows, first_row, side="right")) - 1
        return self.offsets[shard] + first_row - self.first_rows[shard]


def sampled_positions(start: int, stop: int, n_rows: int, n_sample: int, seed: int) -> NDArray[np.int64]:
    """Return the sampled positions within ``[start, stop)``, ascending.

    Parameters
    ----------
    start, stop : int
        Range of positions.
    n_rows, n_sample : int
        Rows in all and rows wanted in all; every row is taken when no more are there; none when none is wanted.
    seed : int
        Seed of the draws.
    """
    if n_sample == 0:
        return np.empty(0, np.int64)
    if n_sample >= n_rows:
        return np.arange(start, stop, dtype=np.int64)
    low = start * n_sample // n_rows
    high = min(n_sample, stop * n_sample // n_rows + 2)
    stretch = np.arange(low, high, dtype=np.int64)
    begins = stretch * n_rows // n_sample
    ends = (stretch + 1) * n_rows // n_sample
    drawn = begins + _draws(stretch, seed) % np.maximum(ends - begins, 1)
    return np.asarray(drawn[(drawn >= start) & (drawn < stop)])


def _draws(index: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """SplitMix64 (Steele, Lea and Flood, 2014) of a counter, as non-negative int64."""
    start = np.uint64((seed * 0x632BE59BD9B4E019) % 2**64)
    z = (index.astype(np.uint64) + start) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


@dataclass(slots=True)
class SurveyState:
    """Running survey: sampled rows in order, levels with counts (None once too many), labels."""

    sample: list[RawBlock] = field(default_factory=list)
    levels: dict[str, dict[str, int] | None] = field(default_factory=dict)
    labels: set[Any] = field(default_factory=set)
    weighted: float = 0.0
    weights: float = 0.0


@dataclass(frozen=True, slots=True)
class Survey:
    """What the pass found.

    Attributes
    ----------
    sample : tuple of RawBlock
        Sampled rows, in dataset order.
    levels : dict of str to tuple of str or None
        Per text column its levels, most frequent first; None for more than ``MAX_CATEGORIES``.
    labels : Labels or None
        The target's encoding.
    mean : float or None
        Weighted mean of a numeric target.
    """

    sample: tuple[RawBlock, ...]
    levels: dict[str, tuple[str, ...] | None]
    labels: Labels | None
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class SurveyReduction:
    """Reduction from raw blocks to a `Survey`.

    Parameters
    ----------
    positions : Positions
        Of the source.
    n_rows, n_sample, seed : int
        Of the sample.
    text : tuple of str
        Feature columns of text.
    features : tuple of str
        Columns kept in the sample.
    target : str or None
        Target column.
    classify : bool
        Whether the target's values are classes.
    weight : str or None
        Weight column.
    """

    positions: Positions
    n_rows: int
    n_sample: int
    seed: int
    text: tuple[str, ...]
    features: tuple[str, ...]
    target: str | None
    classify: bool
    weight: str | None = None

    def init(self) -> SurveyState:
        """Return the empty state."""
        return SurveyState(levels={name: {} for name in self.text})

    def step(self, state: SurveyState, block: RawBlock) -> SurveyState:
        """Add a block; the state is updated in place and returned."""
        start = self.positions.of_row(block.first_row)
        at = sampled_positions(start, start + block.n_rows, self.n_rows, self.n_sample, self.seed) - start
        if len(at):
            taken = {name: _take(block.arrays[name], at) for name in self.features}
            state.sample.append(RawBlock(taken, block.first_row, len(at)))
        for name in self.text:
            _count_levels(state.levels, name, block.arrays[name])
        if self.target is not None and self.classify:
            state.labels |= _distinct(block.arrays[self.target], self.target)
            _check_classes(state.labels, self.target)
        elif self.target is not None:
            # LightGBM multiplies labels and weights as float32 and sums in float64.
            label = Labels(self.target).encode(block.arrays[self.target]).astype(np.float32)
            weight = np.ones(1, np.float32)
            if self.weight is not None:
                weight = numbers(block.arrays[self.weight]).astype(np.float32)
            state.weighted += float((label * weight).sum(dtype=np.float64))
            state.weights += float(weight.sum(dtype=np.float64)) if len(weight) == len(label) else len(label)
        return state

    def merge(self, left: SurveyState, right: SurveyState) -> SurveyState:
        """Return the survey of the rows of both."""
        levels: dict[str, dict[str, int] | None] = {}
        for name in self.text:
            a, b = left.levels[name], right.levels[name]
            if a is None or b is None:
                levels[name] = None
                continue
            levels[name] = _limited({key: a.get(key, 0) + b.get(key, 0) for key in {**a, **b}})
        labels = left.labels | right.labels
        if self.target is not None:
            _check_classes(labels, self.target)
        return SurveyState(
            left.sample + right.sample,
            levels,
            labels,
            left.weighted + right.weighted,
            left.weights + right.weights,
        )

    def finish(self, state: SurveyState) -> Survey:
        """Return the survey."""
        levels = {
            name: None if found is None else tuple(sorted(found, key=lambda v: (-found[v], v)))
            for name, found in state.levels.items()
        }
        labels = mean = None
        if self.target is not None and self.classify:
            classes = tuple(sorted(state.labels))
            if len(classes) < 2:
                raise DataError(
                    f"target column {self.target!r} holds one class only ({classes[0]!r}); a classifier needs two"
                )
            labels = Labels(self.target, classes)
        elif self.target is not None:
            labels = Labels(self.target)
            mean = state.weighted / state.weights if state.weights > 0 else None
        return Survey(tuple(state.sample), levels, labels, mean)


def _take(array: pa.Array, at: NDArray[np.int64]) -> pa.Array:
    taken = array if len(at) == len(array) else array.take(pa.array(at))
    if not pa.types.is_dictionary(taken.type):
        return taken
    # Only the sampled levels travel, not the dictionary of the whole block.
    return taken.dictionary_decode().dictionary_encode()


def _count_levels(levels: dict[str, dict[str, int] | None], name: str, array: pa.DictionaryArray) -> None:
    found = levels[name]
    if found is None:
        return
    values = array.dictionary.to_pylist()
    counts = np.bincount(array.indices.drop_null().to_numpy(zero_copy_only=False), minlength=len(values))
    present = np.flatnonzero(counts)
    if len(present) > MAX_CATEGORIES:
        levels[name] = None
        return
    for i in present.tolist():
        found[values[i]] = found.get(values[i], 0) + int(counts[i])
    levels[name] = _limited(found)


def _limited(found: dict[str, int]) -> dict[str, int] | None:
    return None if len(found) > MAX_CATEGORIES else found


def _distinct(array: pa.Array, target: str) -> set[Any]:
    if array.null_count:
        raise DataError(
            f"target column {target!r} has {array.null_count:,} nulls in one block; remove those rows"
        )
    if pa.types.is_dictionary(array.type):
        used = np.unique(array.indices.to_numpy(zero_copy_only=False))
        return {array.dictionary[int(i)].as_py() for i in used}
    values = numbers(array)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"target column {target!r} holds NaN or infinite values; remove those rows")
    found = np.unique(values).tolist()
    if pa.types.is_boolean(array.type):
        return {bool(v) for v in found}
    return set(found)


def _check_classes(labels: set[Any], target: str) -> None:
    if len(labels) > MAX_CLASSES:
        raise DataError(
            f"target column {target!r} has more than {MAX_CLASSES:,} distinct values; use LGBMRegressor for numbers"
        )
