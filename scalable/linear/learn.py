"""Rounds of descent: passes over the lanes, merged models, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.data.shard import Shard
from scalable.execution.executors import Executor
from scalable.execution.rounds import run_fold, run_lanes
from scalable.kernels import descent, losses, optimizers
from scalable.linear.descent import LANE_ROWS, MAX_LANES, DescentFold, DescentState, deal, merge_lanes
from scalable.linear.newton import penalty_value
from scalable.linear.task import Objective

ONE_PASS_ROWS = 10**6  # from here on, one pass reaches the optimum's held-out loss


@dataclass(frozen=True)
class DescentPlan:
    """How long and how widely to descend.

    Attributes
    ----------
    n_lanes : int or None
        Models trained side by side and merged; None: one per 2^18 rows, at most 8.
    max_passes : int or None
        None: one pass from 10^6 rows on; else up to 50, ended by `tol`.
    tol : float
        Stop when a pass lowers the objective by less than this share.
    average : bool
        Whether the result is the average of the iterates (weighted towards the last).
    seed : int
        Order of the shards.
    """

    n_lanes: int | None = None
    max_passes: int | None = None
    tol: float = 1e-4
    average: bool = True
    seed: int = 0

    def lanes_for(self, rows: int) -> int:
        """Return the number of lanes for so many rows."""
        return self.n_lanes or min(MAX_LANES, max(1, rows // LANE_ROWS))

    def passes_for(self, rows: int) -> int:
        """Return the most passes for so many rows."""
        return self.max_passes or (1 if rows >= ONE_PASS_ROWS else 50)


@dataclass
class DescentResult:
    """A trained table and its history.

    Attributes
    ----------
    coef : float64 array of shape (n_outputs, p)
        Averaged coefficients, or the last ones.
    passes : int
        Passes over the data.
    progressive_loss : list of float
        Mean loss of each pass, every batch scored before it was learned from.
    converged : bool
        Whether the stopping rule ended the training.
    """

    coef: NDArray[np.float64]
    passes: int = 0
    progressive_loss: list[float] = field(default_factory=list)
    converged: bool = False


@dataclass(frozen=True)
class LossFold:
    """Fold of the mean loss of given coefficients.

    Parameters
    ----------
    objective : Objective
        What is evaluated, without its penalty.
    coef : float64 array of shape (n_outputs, p)
        Coefficients.
    """

    objective: Objective
    coef: NDArray[np.float64]

    def init(self) -> NDArray[np.float64]:
        """Return zero loss and weight."""
        return np.zeros(2)

    def step(self, state: NDArray[np.float64], block: Block) -> NDArray[np.float64]:
        """Add a block."""
        o = self.objective
        k = len(self.coef)
        z = np.empty((k, block.n_rows), block.columns.dtype)
        descent.predict(block.columns, block.ids, self.coef.astype(block.columns.dtype), z)
        w, y = o.weight(block), o.target(block)
        out = np.empty_like(z, np.float64)
        if o.loss == descent.SOFTMAX:
            loss = losses.softmax_gradients(k, z, y, w, out)
        else:
            targets = [y] if k == 1 else [(y == c).astype(np.float64) for c in range(k)]
            loss = sum(
                losses.curvatures(o.loss, o.delta, z[c], targets[c], w, out[c], np.empty(block.n_rows))
                for c in range(k)
            )
        return np.asarray(state + np.array([loss, w.sum()]))

    def merge(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of both."""
        return left + right

    def finish(self, state: NDArray[np.float64]) -> float:
        """Return the mean loss."""
        return float(state[0] / state[1])


def descend(
    fold: DescentFold,
    start: NDArray[np.float64],
    reader: Any,
    executor: Executor,
    plan: DescentPlan,
    label: str,
) -> DescentResult:
    """Run passes of descent until the plan or the stopping rule ends them.

    Parameters
    ----------
    fold : DescentFold
        One step of learning.
    start : float64 array of shape (n_outputs, p)
        First coefficients.
    reader : BlockReader or MemoryReader
        The encoded rows.
    executor : Executor
        Who runs the lanes.
    plan : DescentPlan
        Lanes, passes, stopping.
    label : str
        Shown as progress.
    """
    state = fold.init()
    state.table[..., optimizers.W] = start
    if fold.optimizer in (optimizers.NORMALIZED, optimizers.ADAGRAD):
        state.table[..., optimizers.S0] = first_squares(fold)
    state.shared = True
    shards = list(reader.source.shards)
    rows = reader.source.n_rows
    n_lanes, max_passes = plan.lanes_for(rows), plan.passes_for(rows)
    result = DescentResult(start)
    best = np.inf
    for number in range(max_passes):
        state.loss = state.weight = 0.0
        for lanes in deal(_order(shards, plan.seed, number), n_lanes):
            state = merge_lanes(fold, state, run_lanes(executor, fold, reader, state, lanes, label))
        result.passes = number + 1
        result.progressive_loss.append(state.loss / max(state.weight, 1e-300))
        result.coef = coefficients(state, plan.average)
        if max_passes == 1:
            break
        value = run_fold(executor, LossFold(fold.objective, result.coef), reader)
        value += penalty_value(fold.objective, result.coef)
        if best - value < plan.tol * max(abs(value), 1e-3) and number >= 2:
            result.converged = True
            break
        best = min(best, value)
    return result


def first_squares(fold: DescentFold) -> float:
    """Return the sum of squared gradients that cells start with.

    From zero, the first step of a rare category would have full length however small its gradient.
    This start makes it at most (total weight) / max(1, penalty) times a row's gradient over the total
    weight: what a unit normal prior, or a tighter penalty, would allow.
    """
    rows = fold.objective.rows
    strength = max(1.0, fold.objective.l2 * rows)
    return float((fold.hyper[optimizers.RATE] * strength / fold.batch) ** 2)


def coefficients(state: DescentState, average: bool) -> NDArray[np.float64]:
    """Return the coefficients of a merged state, shape (n_outputs, p)."""
    return state.table[..., optimizers.AVERAGE if average else optimizers.W].astype(np.float64)


def _order(shards: list[Shard], seed: int, number: int) -> list[Shard]:
    """Return the shards of a pass: as stored at first, in a random order of its own afterwards."""
    if number == 0:
        return shards
    order = np.random.default_rng([seed, number]).permutation(len(shards))
    return [shards[i] for i in order]
