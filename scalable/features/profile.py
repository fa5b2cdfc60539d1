"""What a pass over the data says of every column: moments, range, missing values, levels.

Encoders are planned from this. The reduction keeps at most ``MAX_LEVELS`` levels a column, so its state does not grow
with rows. Means and variances merge pairwise (Chan, Golub and LeVeque, 1983).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.columns import column_kind
from scalable.data.source import Source
from scalable.data.values import numbers
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.sampling import sample_shards
from scalable.execution.threads import Threads
from scalable.features.hashing import INTEGER, as_integers, may_be_integers
from scalable.kernels.moments import gram as moments

SAMPLE_ROWS = 2**21
MAX_LEVELS = 1024
_FLOAT32 = pa.float32()


@dataclass(slots=True)
class ColumnProfile:
    """Summary of one column.

    Attributes
    ----------
    name, arrow_type, kind : str
        `kind` is one of ``scalable.data.columns.KINDS``; of floats that are integers of an identifier, int64's.
    rows, missing, infinite : int
        Counts; missing means null or NaN.
    mean, variance, minimum, maximum : float
        Of the finite values (NaN for text or when there are none); times in epoch units.
    levels : list of (value, count) or None
        Of text, integer and boolean columns with at most ``MAX_LEVELS`` distinct values, most
        frequent first, ties in order of value; None otherwise.
    local : float
        Share of the variance that lies within blocks: near 1 for rows in no order, near 0 for a
        column that follows the order of the rows, as a time does.
    """

    name: str
    arrow_type: str
    kind: str
    rows: int
    missing: int
    infinite: int
    mean: float
    variance: float
    minimum: float
    maximum: float
    levels: list[tuple[Any, int]] | None
    local: float = 1.0

    @property
    def constant(self) -> bool:
        """True when all values that are present are the same."""
        if self.levels is not None:
            return len(self.levels) <= 1
        return self.kind != "text" and not self.minimum < self.maximum


@dataclass(slots=True)
class Profile:
    """Summaries of the columns of a dataset, by name."""

    columns: dict[str, ColumnProfile]
    rows: int


@dataclass(slots=True)
class ColumnState:
    """Running summary of one column."""

    rows: int = 0
    missing: int = 0
    infinite: int = 0
    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    within: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    levels: dict[Any, int] | None = field(default_factory=dict)
    whole: bool = False  # whether floats that may be integers were such so far


ProfileState = dict[str, ColumnState]


@dataclass(frozen=True, slots=True)
class ProfileReduction:
    """One-pass reduction from raw blocks to a `Profile`.

    Parameters
    ----------
    names : tuple of str
        Columns to profile.
    schema : pyarrow.Schema
        Their declared types.
    """

    names: tuple[str, ...]
    schema: pa.Schema

    def init(self) -> ProfileState:
        """Return the empty state."""
        state = {name: ColumnState() for name in self.names}
        for name, column in state.items():
            column.whole = may_be_integers(self.schema.field(name))
            if not column.whole and column_kind(self.schema.field(name).type) in ("float", "temporal"):
                column.levels = None
        return state

    def step(self, state: ProfileState, block: RawBlock) -> ProfileState:
        """Add a block; the state is updated in place and returned."""
        floats: list[tuple[ColumnState, int]] = []
        for name in self.names:
            array = block.arrays[name]
            if array.type == _FLOAT32 and len(array) and not array.null_count:
                floats.append((state[name], array.buffers()[1].address + 4 * array.offset))
            elif pa.types.is_dictionary(array.type):
                _add_text(state[name], array)
            elif state[name].whole:
                _add_whole(state[name], array)
            else:
                _add_numbers(state[name], array)
        found = np.empty((len(floats), 6))
        moments.summarize_columns(np.array([at for _, at in floats], np.uint64), block.n_rows, found)
        for (column, _), row in zip(floats, found.tolist(), strict=True):
            column.rows += block.n_rows
            _add_found(column, block.n_rows, row)
        return state

    def merge(self, left: ProfileState, right: ProfileState) -> ProfileState:
        """Return the summary of the rows of both."""
        return {name: _merge(left[name], right[name]) for name in self.names}

    def finish(self, state: ProfileState) -> Profile:
        """Return the finished profile."""
        columns = {name: _finish(name, self.schema.field(name).type, state[name]) for name in self.names}
        return Profile(columns, max((column.rows for column in state.values()), default=0))


def _add_text(state: ColumnState, array: pa.DictionaryArray) -> None:
    state.rows += len(array)
    state.missing += array.null_count
    state.count += len(array) - array.null_count
    if state.levels is None:
        return
    present = array.indices.drop_null()
    if len(array.dictionary) <= 4 * MAX_LEVELS or len(pc.unique(present)) <= MAX_LEVELS:
        indices = numbers(present)
        counts = np.bincount(indices, minlength=len(array.dictionary))
        values = array.dictionary.to_pylist()
        used = np.flatnonzero(counts)
        _add_levels(state, [values[i] for i in used], counts[used].tolist())
    else:
        state.levels = None


def _add_whole(state: ColumnState, array: pa.Array) -> None:
    integers = as_integers(array)
    if integers is None:
        state.whole, state.levels = False, None
    _add_numbers(state, array if integers is None else integers)


def _add_numbers(state: ColumnState, array: pa.Array) -> None:
    state.rows += len(array)
    if array.null_count and not pa.types.is_floating(array.type):
        state.missing += array.null_count
        array = array.drop_null()  # as float64 with NaN, large integers would be rounded
    values = numbers(array)
    if values.dtype in (np.float32, np.float64) and _add_floats(state, values):
        return
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        missing = int(np.isnan(values).sum())
        state.missing += missing
        state.infinite += len(values) - missing - len(finite)
    else:
        finite = values
    if len(finite) == 0:
        return
    low, high = finite.min(), finite.max()
    centred = finite.astype(np.float64)
    # beyond 1e154 the variance is truly infinite in float64
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(centred.mean())
        if not math.isfinite(mean):
            mean = float((centred / len(centred)).sum())
        centred -= mean
        part = ColumnState(count=len(finite), mean=mean, m2=float(np.dot(centred, centred)), levels=None)
    _merge_moments(state, part)
    state.within += part.m2
    state.minimum, state.maximum = min(state.minimum, float(low)), max(state.maximum, float(high))
    if state.levels is not None:
        _count_levels(state, finite, int(low), int(high), pa.types.is_boolean(array.type))


def _add_floats(state: ColumnState, values: NDArray[Any]) -> bool:
    """Add floating values; False where sums overflow, which takes more care."""
    out = np.empty(6)
    moments.summarize(values, out)
    return _add_found(state, len(values), out.tolist())


def _add_found(state: ColumnState, n_rows: int, found: Sequence[float]) -> bool:
    """Add what `moments.summarize` found in `n_rows` values."""
    count, missing, mean, squares, low, high = found
    if not math.isfinite(mean) or not math.isfinite(squares):
        return False
    state.missing += int(missing)
    state.infinite += n_rows - int(missing) - int(count)
    if count:
        _merge_moments(state, ColumnState(count=int(count), mean=mean, m2=squares, levels=None))
        state.within += squares
        state.minimum, state.maximum = min(state.minimum, low), max(state.maximum, high)
    return True


def _count_levels(state: ColumnState, finite: NDArray[Any], low: int, high: int, boolean: bool) -> None:
    if high - low < 2**16:
        wide = finite if finite.dtype == np.uint64 else finite.astype(np.int64)  # int8 would wrap around
        counts = np.bincount((wide - wide.dtype.type(low)).astype(np.int64, copy=False))
        present = np.flatnonzero(counts)[: MAX_LEVELS + 1]  # with one more it has none
        levels, found = [low + offset for offset in present.tolist()], counts[present].tolist()
    else:
        sample = np.sort(finite[: 4 * MAX_LEVELS])  # a fortieth of the time of np.unique, which hashes
        if np.count_nonzero(sample[1:] != sample[:-1]) >= MAX_LEVELS:  # spares sorting whole blocks of ids
            state.levels = None
            return
        unique, totals = np.unique(finite, return_counts=True)
        levels, found = [int(v) for v in unique[: MAX_LEVELS + 1]], totals[: MAX_LEVELS + 1].tolist()
    _add_levels(state, [bool(v) for v in levels] if boolean else levels, found)


def _add_levels(state: ColumnState, levels: Sequence[Any], counts: Sequence[int]) -> None:
    known = state.levels or {}
    if known or len(set(levels)) < len(levels):
        for level, count in zip(levels, counts, strict=True):
            known[level] = known.get(level, 0) + count
    else:
        known = dict(zip(levels, counts, strict=True))
    state.levels = known if len(known) <= MAX_LEVELS else None


def _merge_moments(state: ColumnState, other: ColumnState) -> None:
    if other.count == 0:
        return
    if state.count == 0:
        state.count, state.mean, state.m2 = other.count, other.mean, other.m2
        return
    total = state.count + other.count
    delta = other.mean - state.mean
    state.m2 += other.m2 + delta * delta * (state.count * other.count / total)
    state.mean += delta * (other.count / total)
    state.count = total


def _merge(left: ColumnState, right: ColumnState) -> ColumnState:
    merged = ColumnState(
        rows=left.rows + right.rows,
        missing=left.missing + right.missing,
        infinite=left.infinite + right.infinite,
        count=left.count,
        mean=left.mean,
        m2=left.m2,
        within=left.within + right.within,
        minimum=min(left.minimum, right.minimum),
        maximum=max(left.maximum, right.maximum),
        levels=None,
        whole=left.whole and right.whole,
    )
    _merge_moments(merged, right)
    if left.levels is not None and right.levels is not None:
        merged.levels = dict(left.levels)
        _add_levels(merged, list(right.levels), list(right.levels.values()))
    return merged


def _finish(name: str, declared: pa.DataType, state: ColumnState) -> ColumnProfile:
    declared = INTEGER if state.whole and state.count else declared
    kind = column_kind(declared)
    if kind is None:
        raise TypeError(f"column {name!r} of type {declared} cannot be profiled")
    numeric = kind != "text" and state.count > 0
    levels = None
    if state.levels is not None:
        levels = sorted(state.levels.items(), key=lambda item: (-item[1], item[0]))
    return ColumnProfile(
        name=name,
        arrow_type=str(declared),
        kind=kind,
        rows=state.rows,
        missing=state.missing,
        infinite=state.infinite,
        mean=state.mean if numeric else math.nan,
        variance=state.m2 / state.count if numeric else math.nan,
        minimum=state.minimum if numeric else math.nan,
        maximum=state.maximum if numeric else math.nan,
        levels=levels,
        local=min(1.0, state.within / state.m2) if numeric and 0.0 < state.m2 < math.inf else 1.0,
    )


def profile_source(
    source: Source,
    executor: Executor | None = None,
    names: Sequence[str] | None = None,
    max_rows: int = SAMPLE_ROWS,
    heads: int = 64,
) -> Profile:
    """Profile the columns of a source, all rows or the heads of evenly spaced shards.

    Parameters
    ----------
    source : Source
        What to profile.
    executor : Executor, optional
        By default threads.
    names : sequence of str, optional
        By default the features, the target and the weight.
    max_rows : int
        Above this many rows, a deterministic sample of about as many is read: the head of every
        shard, or of evenly spaced shards.
    heads : int
        See `scalable.execution.sampling.sample_shards`.
    """
    chosen = tuple(source.needed if names is None else names)
    reduction = ProfileReduction(chosen, source.full_schema)
    reader = BlockReader(source, columns=chosen)
    return run_reduction(
        executor or Threads(), reduction, reader, sample_shards(source, max_rows, heads), "read columns"
    )
