"""One pass over rows: whole numbers for each period, from which everything a monitor says is finished.

They are sums of integers, so neither the order of the rows nor who counted them can change a bit.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.monitor.binner import Binner, Counted, count_block, counted_codes
from scalable.monitor.bins import ColumnBins, as_counted
from scalable.monitor.labels import Labelled
from scalable.monitor.periods import DAY, Runs, check_periods, one_period, runs_of
from scalable.monitor.scores import GRID, SUMS, Scale, Scorer, Scores, add_sums, grid_cell, outcomes

State = dict[int, NDArray[np.int64]]
MOST_SLICES = 64  # bins of a column whose bins are slices


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
    trained : mapping of str to str
        By column, the Arrow type that it had in training, to whose unit values are brought.
    """

    layout: Layout
    scorer: Scorer | None = None
    time: str | None = None
    every: int = DAY
    labels: Labelled | None = None
    trained: Mapping[str, str] = field(default_factory=dict)

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
        """Add a block; the state is updated in place and returned."""
        if not block.n_rows:
            return state
        runs = one_period(block.n_rows) if self.time is None else runs_of(block, self.time, self.every)
        counts = np.zeros((len(runs.periods), self.layout.size), np.int64)
        np.add.at(counts[:, self._first("rows")], runs.places, np.diff(runs.begins))
        columns = [
            binner.counted(as_counted(block, name, self.trained), self._first("column", name))
            for name, binner in self._binners.items()
        ]
        if self.scorer is not None:
            scores = self.scorer.score(block)
            cells = None if self.layout.task == "regression" else grid_cell(scores.value)
            columns += self._predicted(scores, cells)
            if self.labels is not None:
                self._add_outcomes(block, self.labels, runs, scores, cells, counts)
        count_block(columns, runs, counts)
        for period, added in zip(runs.periods, counts, strict=True):
            if period in state:
                state[period] += added
            else:
                state[period] = added
        return state

    def merge(self, left: State, right: State) -> State:
        """Return the counts of the rows of both."""
        check_periods(len(left.keys() | right.keys()), self.time)
        both = {period: left[period] + right[period] for period in left.keys() & right.keys()}
        return {**left, **right, **both}

    def finish(self, state: State) -> State:
        """Return the counts of each period, in order."""
        return dict(sorted(state.items()))

    def __getstate__(self) -> Mapping[str, Any]:
        """Pickle without tables that are made again."""
        return {k: v for k, v in self.__dict__.items() if not k.startswith("_")}

    def _first(self, kind: str, name: str = "") -> int:
        return self.layout.places[kind, name][0]

    def _predicted(self, scores: Scores, cells: NDArray[np.int32] | None) -> list[Counted]:
        """Return what is counted of all predictions."""
        assert self._predictions is not None
        found = [self._predictions.counted_values(scores.value, self._first("prediction"))]
        if scores.chosen is not None:
            n = len(self.layout.classes)
            found.append(
                counted_codes(scores.chosen.astype(np.int32), numbered(n), n, self._first("classes"))
            )
        if cells is not None:
            found.append(counted_codes(cells, numbered(GRID), GRID, self._first("scores")))
        return found

    def _add_outcomes(
        self,
        block: RawBlock,
        labels: Labelled,
        runs: Runs,
        scores: Scores,
        cells: NDArray[np.int32] | None,
        counts: NDArray[np.int64],
    ) -> None:
        """Count the rows whose labels are known."""
        layout, task = self.layout, self.layout.task
        y = runs.arranged(labels.of(block))
        if runs.order is not None:
            scores = scores.only(runs.order)
        known = np.flatnonzero(np.isfinite(y) & ~np.isnan(scores.value))
        if not len(known):
            return
        made = outcomes(task, scores.only(known), y[known], layout.scale)
        if cells is not None:
            cells = runs.arranged(cells)
            won = known[made[0] == 1]
            for kind, some in (("labelled", known), ("positive", won)):
                codes = counted_codes(cells[some], numbered(GRID), GRID, self._first(kind))
                count_block([codes], runs.only(some), counts)
        groups = runs.of_rows()[known]
        sums = np.zeros((len(counts), SUMS), np.int64)
        add_sums(task, made, groups, sums)
        layout.part(counts, "sums")[:] = sums
        for bins in layout.slices:
            levels = runs.arranged(self._binners[bins.name].codes(as_counted(block, bins.name, self.trained)))
            sums = np.zeros((len(counts) * bins.size, SUMS), np.int64)
            add_sums(task, made, groups * bins.size + levels[known], sums)
            layout.part(counts, "slices", bins.name)[:] = sums.reshape(len(counts), -1)


@functools.cache
def numbered(n: int) -> NDArray[np.uint32]:
    """Return the bins of codes that are their own."""
    return np.arange(n, dtype=np.uint32)
