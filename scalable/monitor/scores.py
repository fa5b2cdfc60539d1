"""Predictions and labels as whole numbers: a grid of scores, and sums of losses by slice."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.values import read_only
from scalable.errors import DataError, UsageError
from scalable.kernels.encode.counting import MANTISSA, add_outcomes, find_cells

PER_UNIT = 32  # cells of the grid a unit of log-odds
FURTHEST = 16  # log-odds, beyond which scores share the last cell
GRID = 2 * PER_UNIT * FURTHEST + 1
N, Y, P, LOSS, SQUARE = range(
    5
)  # what is summed of a slice: rows, outcomes, predictions, losses, their squares
SUMS = 5
_SCALES = {  # whole numbers a unit: sums of 10^10 rows stay exact in int64
    "binary": (2**24, 2**24, 2**24, 2**16),
    "multiclass": (2**24, 2**24, 2**24, 2**16),
    "regression": (2**20, 2**20, 2**20, 2**12),
}
TASKS = tuple(_SCALES)  # that have outcomes
_LEAST_BITS = 24  # 2 ** -24 is a probability below all bounds
_MOST = 2.0**10  # of a regression's loss and of its values, in units of the reference
CLIP = 2.0**-52


def grid_bounds() -> NDArray[np.float64]:
    """Return the probabilities from which each cell but the first begins: in the middle of two log-odds."""
    odds = (np.arange(1, GRID) - 0.5 - PER_UNIT * FURTHEST) / PER_UNIT
    return np.asarray(1 / (1 + np.exp(-odds)))


@functools.cache
def _looked_up() -> tuple[NDArray[np.int32], NDArray[np.float64], int]:
    """Return what `find_cells` looks up: no two bounds are as near to each other as probabilities of the same bits."""
    shift = 52 - MANTISSA
    lowest = (1023 - _LEAST_BITS) << MANTISSA
    bits = np.arange(lowest, (1022 << MANTISSA) + 2, dtype=np.int64)
    begin = (bits << shift).view(np.float64)  # of the smaller of p and 1 - p, up to 1/2 itself
    limits, begin, end = grid_bounds(), begin[:-1], begin[1:]
    firsts = np.stack([np.searchsorted(limits, begin, "right"), np.searchsorted(limits, 1 - end, "right")])
    return firsts.astype(np.int32), np.append(limits, np.inf)[firsts], lowest


def grid_cell(p: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the cell of each probability, by its log-odds: how many of `grid_bounds` it has reached."""
    cells = np.empty(len(p), np.int32)
    find_cells(read_only(np.ascontiguousarray(p, np.float64)), *_looked_up(), cells)
    return cells


def grid_scores() -> NDArray[np.float64]:
    """Return the probability in the middle of each cell."""
    odds = (np.arange(GRID) - PER_UNIT * FURTHEST) / PER_UNIT
    return np.asarray(1 / (1 + np.exp(-odds)))


@dataclass(frozen=True, slots=True)
class Scale:
    """Of a regression's target in the reference; mean 0 and deviation 1 for classes."""

    mean: float = 0.0
    deviation: float = 1.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Predictions of a block.

    Attributes
    ----------
    value : float64 (n_rows,)
        Probability of the positive class, of the likeliest of several, or mean.
    chosen : int64 (n_rows,) or None
        The likeliest of several classes.
    outputs : float64 (n_rows, k) or None
        Of several classes.
    """

    value: NDArray[np.float64]
    chosen: NDArray[np.int64] | None = None
    outputs: NDArray[np.float64] | None = None

    def only(self, at: NDArray[np.int64]) -> Scores:
        """Return those of some rows."""
        chosen = None if self.chosen is None else self.chosen[at]
        return Scores(self.value[at], chosen, None if self.outputs is None else self.outputs[at])


@dataclass(frozen=True)
class Scorer:
    """Where predictions come from.

    Parameters
    ----------
    predictor : Predictor
    column : str, optional
        Predictions that are in the data already; by default the model is asked.
    """

    predictor: Any
    column: str | None = None

    @property
    def task(self) -> str:
        """Of the model."""
        return str(self.predictor.task)

    @property
    def columns(self) -> list[str]:
        """What it reads."""
        return list(self.predictor.needed) if self.column is None else [self.column]

    def score(self, block: RawBlock) -> Scores:
        """Return the predictions of a block.

        Raises
        ------
        DataError
            Predictions of a classifier are no probabilities.
        UsageError
            One column is said to hold the predictions of several classes.
        """
        from scalable.monitor.bins import as_floats

        if self.column is None:
            found = np.asarray(self.predictor.predict_block(block), np.float64)
        elif self.task == "multiclass":
            raise UsageError("a model of several classes has a prediction for each: let the monitor predict")
        else:
            found = as_floats(block.arrays[self.column])
            if self.task == "binary" and len(found) and not (found.min() >= 0 and found.max() <= 1):
                wrong = int(np.flatnonzero(~((found >= 0) & (found <= 1)))[0])
                raise DataError(
                    f"{block.where(wrong)}: column {self.column!r} is {found[wrong]:g}, not a probability"
                )
        if found.ndim == 1:
            return Scores(np.ascontiguousarray(found))
        chosen = found.argmax(axis=1)
        return Scores(found[np.arange(len(found)), chosen], chosen, found)


def outcomes(task: str, scores: Scores, y: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    """Return outcome, prediction, loss and squared loss of labelled rows, shape (4, n_rows).

    Losses are log losses, or squared errors in variances of the reference's target.
    """
    p = scores.value
    if task == "binary":
        q = np.clip(p, CLIP, 1 - CLIP)
        loss = -np.log(np.where(y == 1, q, 1 - q))
    elif scores.outputs is not None and scores.chosen is not None:
        true = scores.outputs[np.arange(len(y)), y.astype(np.int64)]
        loss, y = -np.log(np.clip(true, CLIP, 1.0)), (scores.chosen == y).astype(np.float64)
    else:
        y = np.clip((y - scale.mean) / scale.deviation, -_MOST, _MOST)
        p = np.clip((p - scale.mean) / scale.deviation, -_MOST, _MOST)
        loss = np.minimum((y - p) ** 2, _MOST)
    return np.stack([y, p, loss, loss * loss])


def add_sums(
    task: str, rows: NDArray[np.float64], groups: NDArray[np.int64], sums: NDArray[np.int64]
) -> None:
    """Add what `outcomes` gave to the sums of the group of each row, shape (n_groups, 5), exactly."""
    add_outcomes(rows, np.array(_SCALES[task], np.float64), groups, sums)


def in_units(task: str, sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return sums, shape (..., 5), in their own units."""
    return np.asarray(sums / np.array([1, *_SCALES[task]], np.float64))
