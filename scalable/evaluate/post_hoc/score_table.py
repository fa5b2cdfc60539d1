"""Scores counted in the order of their values: quantiles of any number of rows, exact up to 65,536 distinct ones.

Beyond that neighbouring values share a cell: the last bits of their keys are left out, as few as make the table fit.
Which ones these are depends on the values alone, never on the order of merging. Floats keep 12 bits or more unless
they spread over more than 16 powers of two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.errors import DataError

LIMIT = 2**16  # cells of a table
GROUPS = 1_024
Key = NDArray[np.uint64]
_SIGN = np.uint64(2**63)


@dataclass(frozen=True)
class ScoreTable:
    """Cells in ascending order.

    Attributes
    ----------
    shift : int
        Last bits of the keys that are left out.
    tops : uint64 array of shape (n_cells,)
        The largest key of each.
    sums : float64 array of shape (n_cells, 3)
        Weight, weight times label, weight times score.
    rows : int
    """

    shift: int
    tops: Key
    sums: NDArray[np.float64]
    rows: int

    @classmethod
    def of(cls, keys: Key, sums: NDArray[np.float64]) -> ScoreTable:
        """Return the table of rows, their keys and sums (n_rows, 3)."""
        order = np.argsort(keys, kind="stable")
        return _fitting(0, keys[order], sums[order], len(keys))

    def merge(self, right: ScoreTable) -> ScoreTable:
        """Return the table of both."""
        tops = np.concatenate([self.tops, right.tops])
        order = np.argsort(tops, kind="stable")
        sums = np.concatenate([self.sums, right.sums])[order]
        return _fitting(max(self.shift, right.shift), tops[order], sums, self.rows + right.rows)

    def top(self, rank: int) -> np.uint64:
        """Return the key of the row of a rank from 1, or one just above that shares its cell; weights are rows."""
        cell = int(np.searchsorted(np.cumsum(self.sums[:, 0]), rank - 0.5))
        return np.uint64(self.tops[cell])


def _fitting(shift: int, keys: Key, sums: NDArray[np.float64], rows: int) -> ScoreTable:
    """Join sorted cells, by the smallest shift that leaves few enough."""
    starts, most = _starts(keys, shift), 64
    while len(starts) > LIMIT and most - shift > 1:  # more are left out, fewer cells are there
        middle = (shift + most) // 2
        found = _starts(keys, middle)
        if len(found) > LIMIT:
            shift = middle
        else:
            most = middle
        if most - shift == 1:
            shift, starts = most, _starts(keys, most)
    if len(starts):
        ends = np.append(starts[1:], len(keys)) - 1
        keys, sums = keys[ends], np.add.reduceat(sums, starts, axis=0)
    return ScoreTable(shift, keys, sums, rows)


def _starts(keys: Key, shift: int) -> NDArray[np.intp]:
    cells = keys >> np.uint64(shift)
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(cells)), bool), cells[1:] != cells[:-1]]))


def float_keys(values: NDArray[np.float64]) -> Key:
    """Return integers in the order of floats, none of them NaN."""
    bits = (np.ascontiguousarray(values, np.float64) + 0.0).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def float_of(key: np.uint64) -> float:
    """Return the float of a key."""
    bits = key ^ _SIGN if key & _SIGN else ~key
    return float(np.array([bits], np.uint64).view(np.float64)[0])


def integer_keys(values: NDArray[np.int64]) -> Key:
    """Return unsigned integers in the order of signed ones."""
    return np.ascontiguousarray(values, np.int64).view(np.uint64) ^ _SIGN


def integer_of(key: np.uint64) -> int:
    """Return the integer of a key."""
    return int(np.array([key ^ _SIGN], np.uint64).view(np.int64)[0])


Tables = Mapping[Any, ScoreTable]


class TableReduction(ABC):
    """Reduction from raw blocks to a table a group; the one group is None where rows are not grouped."""

    by: str | None

    @abstractmethod
    def rows(self, block: RawBlock) -> tuple[NDArray[np.int64] | None, list[Any], Key, NDArray[np.float64]]:
        """Return codes of groups (None: one group), the groups, keys, and sums (n_rows, 3)."""

    def init(self) -> Tables:
        """Return no tables."""
        return {}

    def step(self, state: Tables, block: RawBlock) -> Tables:
        """Add a block.

        Raises
        ------
        DataError
            When groups are too many.
        """
        codes, groups, keys, sums = self.rows(block)
        if codes is None:
            return self.merge(state, {None: ScoreTable.of(keys, sums)})
        found = {}
        for code in np.unique(codes).tolist():
            own = codes == code
            found[groups[code]] = ScoreTable.of(keys[own], sums[own])
        return self.merge(state, found)

    def merge(self, left: Tables, right: Tables) -> Tables:
        """Return the tables of both."""
        merged = dict(left)
        for group, table in right.items():
            merged[group] = merged[group].merge(table) if group in merged else table
        if len(merged) > GROUPS:
            raise DataError(f"column {self.by!r} has more than {GROUPS:,} values; give one of fewer groups")
        return merged

    def finish(self, state: Tables) -> Tables:
        """Return the tables."""
        return state
