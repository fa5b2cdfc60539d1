"""One pass over rows: whole numbers for each period, from which everything a monitor says is finished.

They are sums of integers, so neither the order of the rows nor who counted them can change a bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.errors import DataError, UsageError
from scalable.monitor.bins import Binner, ColumnBins, add_codes
from scalable.monitor.labels import Labelled
from scalable.monitor.scores import GRID, SUMS, Scale, Scorer, add_sums, grid_cell, outcomes

State = dict[int, NDArray[np.int64]]
MOST_PERIODS = 10_000  # some 30 KB each
MOST_SLICES = 64  # bins of a column whose bins are slices
_DAY = 86_400 * 10**9
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True)
class Layout:
    """Where the counts of what lie in the array of a period.

    Parameters
    ----------
    columns : tuple of ColumnBins
    prediction : ColumnBins or None
        Of the predictions.
    task : str
        "binary", "multiclass", "regression", or "transform" without predictions.
    classes : tuple of str
        Names of several classes.
    scale : Scale
    """

    columns: tuple[ColumnBins, ...]
    prediction: ColumnBins | None = None
    task: str = "transform"
    classes: tuple[str, ...] = ()
    scale: Scale = field(default_factory=Scale)

    @cached_property
    def slices(self) -> tuple[ColumnBins, ...]:
        """Columns whose bins are slices."""
        text = [bins for bins in self.columns if bins.kind == "text" or len(bins.edges) <= 4]
        return tuple(bins for bins in text if bins.size <= MOST_SLICES)

    @cached_property
    def places(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Begin and end of each part: of columns, predictions, classes, score grids, sums of slices."""
        sizes: dict[tuple[str, str], int] = {("rows", ""): 1}
        sizes |= {("column", bins.name): bins.size for bins in self.columns}
        if self.prediction is not None:
            sizes["prediction", ""] = self.prediction.size
            if self.classes:
                sizes["classes", ""] = len(self.classes)
            if self.task != "regression":
                sizes["scores", ""], sizes["labelled", ""], sizes["positive", ""] = GRID, GRID, GRID
            sizes["sums", ""] = SUMS
            sizes |= {("slices", bins.name): bins.size * SUMS for bins in self.slices}
        ends = np.cumsum(list(sizes.values())).tolist()
        return {part: (end - size, end) for (part, size), end in zip(sizes.items(), ends, strict=True)}

    @property
    def size(self) -> int:
        """Numbers of a period."""
        return max(end for _, end in self.places.values())

    def part(self, counts: NDArray[np.int64], kind: str, name: str = "") -> NDArray[np.int64]:
        """Return a part of arrays of counts, shape (..., size)."""
        low, high = self.places[kind, name]
        return counts[..., low:high]


@dataclass(frozen=True)
class CountReduction:
    """Reduction from raw blocks to counts by period.

    Parameters
    ----------
    layout : Layout
    scorer : Scorer or None
    time : str or None
        Column that tells the period.
    every : int
        Nanoseconds of a period.
    labels : Labelled or None
        Where labels come from.
    """

    layout: Layout
    scorer: Scorer | None = None
    time: str | None = None
    every: int = _DAY
    labels: Labelled | None = None

    @cached_property
    def _binners(self) -> dict[str, Binner]:
        return {bins.name: Binner(bins) for bins in self.layout.columns}

    @cached_property
    def _predictions(self) -> Binner | None:
        return None if self.layout.prediction is None else Binner(self.layout.prediction)

    @property
    def needed(self) -> list[str]:
        """Columns that are read."""
        names = [bins.name for bins in self.layout.columns]
        names += [] if self.scorer is None else self.scorer.columns
        names += [] if self.time is None else [self.time]
        names += [] if self.labels is None else [self.labels.column]
        return list(dict.fromkeys(names))

    def init(self) -> State:
        """Return the counts of no rows."""
        return {}

    def step(self, state: State, block: RawBlock) -> State:
        """Add a block."""
        if not block.n_rows:
            return state
        found, rows = self._periods(block)
        counts = np.zeros((len(found), self.layout.size), np.int64)
        none = np.empty(0, np.int32)
        add_codes(np.zeros(block.n_rows, np.int64), rows, self._part(counts, "rows"))
        codes: dict[str, NDArray[np.int64]] = {}
        for name, binner in self._binners.items():
            part = np.zeros((len(found), binner.bins.size), np.int64)
            known = binner.add(block.arrays[name], rows if len(found) > 1 else none, part)
            if known is not None:
                codes[name] = known
            self._part(counts, "column", name)[:] = part
        if self.scorer is not None and self._predictions is not None:
            self._add_predictions(block, rows, counts, codes)
        for period, added in zip(found, counts, strict=True):
            state[period] = state[period] + added if period in state else added
        return state

    def merge(self, left: State, right: State) -> State:
        """Return the counts of the rows of both."""
        _check_periods(len(left.keys() | right.keys()), self.time)
        both = {period: left[period] + right[period] for period in left.keys() & right.keys()}
        return {**left, **right, **both}

    def finish(self, state: State) -> State:
        """Return the counts of each period, in order."""
        return dict(sorted(state.items()))

    def __getstate__(self) -> Mapping[str, Any]:
        """Pickle without tables that are made again."""
        return {k: v for k, v in self.__dict__.items() if not k.startswith("_")}

    def _part(self, counts: NDArray[np.int64], kind: str, name: str = "") -> NDArray[np.int64]:
        return self.layout.part(counts, kind, name)

    def _add_predictions(
        self,
        block: RawBlock,
        rows: NDArray[np.int32],
        counts: NDArray[np.int64],
        codes: dict[str, NDArray[np.int64]],
    ) -> None:
        layout, task = self.layout, self.layout.task
        assert self.scorer is not None
        assert self._predictions is not None
        scores = self.scorer.score(block)
        part = np.zeros((len(counts), self._predictions.bins.size), np.int64)
        self._predictions.add_values(scores.value, rows, part)
        self._part(counts, "prediction")[:] = part
        if scores.chosen is not None:
            add_codes(scores.chosen, rows, self._part(counts, "classes"))
        cells = grid_cell(scores.value) if task != "regression" else None
        if cells is not None:
            add_codes(cells, rows, self._part(counts, "scores"))
        if self.labels is None:
            return
        y = self.labels.of(block)
        known = np.flatnonzero(np.isfinite(y))
        if not len(known):
            return
        made = outcomes(task, scores.only(known), y[known], layout.scale)
        at = rows[known] if len(rows) else np.zeros(len(known), np.int32)
        if cells is not None:
            add_codes(cells[known], at, self._part(counts, "labelled"))
            won = made[0] == 1
            add_codes(cells[known][won], at[won], self._part(counts, "positive"))
        groups = at.astype(np.int64)
        sums = np.zeros((len(counts), SUMS), np.int64)
        add_sums(task, made, groups, sums)
        self._part(counts, "sums")[:] = sums
        for bins in layout.slices:
            of_rows = codes.get(bins.name)
            if of_rows is None:
                of_rows = self._binners[bins.name].codes(block.arrays[bins.name])
            sums = np.zeros((len(counts) * bins.size, SUMS), np.int64)
            add_sums(task, made, groups * bins.size + of_rows[known], sums)
            self._part(counts, "slices", bins.name)[:] = sums.reshape(len(counts), -1)

    def _periods(self, block: RawBlock) -> tuple[list[int], NDArray[np.int32]]:
        """Return the periods of a block, and which of them each row belongs to."""
        if self.time is None:
            return [0], np.zeros(block.n_rows, np.int32)
        array = block.arrays[self.time]
        if array.null_count:
            wrong = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
            raise DataError(f"{block.where(wrong)}: no time in column {self.time!r}; leave such rows out")
        values = array.cast(pa.int64() if not pt.is_date32(array.type) else pa.int32()).to_numpy()
        unit = time_unit(self.time, array.type)
        # floor division of int64, exact whatever the unit: every is a multiple of a second or the unit divides it
        periods = values.astype(np.int64) // (self.every // unit) if self.every % unit == 0 else (
            values.astype(np.int64) * unit // self.every
        )  # fmt: skip
        if periods[0] == periods[-1] and periods.min() == periods.max():
            return [int(periods[0])], np.zeros(block.n_rows, np.int32)
        found, rows = np.unique(periods, return_inverse=True)
        _check_periods(len(found), self.time)
        return found.tolist(), rows.astype(np.int32)


def _check_periods(n: int, time: str | None) -> None:
    if n > MOST_PERIODS:
        raise UsageError(
            f"column {time!r} falls into more than {MOST_PERIODS:,} periods, all held in memory; give a longer --every"
        )


def time_unit(name: str, kind: pa.DataType) -> int:
    """Return the nanoseconds of a time column's unit.

    Raises
    ------
    UsageError
        It holds no dates or times of day.
    """
    if pt.is_timestamp(kind):
        return _UNITS[kind.unit]
    if pt.is_date32(kind):
        return _DAY
    if pt.is_date64(kind):
        return _UNITS["ms"]
    raise UsageError(f"--time {name!r} is {kind}; give a column of timestamps or dates")
