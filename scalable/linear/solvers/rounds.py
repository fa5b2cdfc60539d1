"""Rounds of descent: passes over the replicas, merged models, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.data.shard import Shard
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader, in_passing
from scalable.execution.reduction import run_reduction
from scalable.execution.replicas import partition_rounds, run_round
from scalable.execution.sampling import one_of_each, spread_shards
from scalable.kernels.linear import gradients, optimizers
from scalable.kernels.linear import sgd as descent
from scalable.linear.solvers.descent import Descent, DescentState, first_squares
from scalable.linear.solvers.newton import penalty_value
from scalable.linear.solvers.objective import Objective
from scalable.linear.solvers.weights import evenness
from scalable.models.checkpoint import Checkpoint
from scalable.storage.documents import like, understood

REPLICA_ROWS = 2**18  # fewer rows a replica would learn less from each other than they lose by parting
MAX_REPLICAS = 8
MOST_PASSES = 100
ROUND_ROWS = 2**21  # of a replica in the first round; each round is twice as long as the one before, up to
MOST_ROUND_ROWS = 2**23  # as many: merging and waiting for the last replica then cost little
# From here on, one pass reaches the optimum's held-out loss, if it was learned early in it.
ONE_PASS_ROWS = 10**6
STORED_ROWS = 2**18  # of a block that is learned from in its file: it costs some of Python, not memory
LOOKED_AT = 2**16  # rows, from all over, on which the loss after the pass is held against the one on the way
MOST_LOOKED_AT = 2**18  # of rare classes, whose loss follows how many of them are met
NOISE = 4.0  # deviations of such a loss: it says nothing of differences that are less
RARE = 4  # a quarter of `ONE_PASS_ROWS` of even classes is what all passes tell at least where one is rare
NOISY_ROWS, NOISY_PATIENCE = 2**13, 3  # so few steps a pass that their noise may hide what it wins
LATE = 0.03  # share by which it is lower where much was still learned late: the excess left is about a tenth of that


@dataclass(frozen=True)
class DescentSettings:
    """How long and how widely to descend.

    Attributes
    ----------
    n_replicas : int or None
        Models trained side by side and merged; None: one per 2^18 rows, at most 8.
    max_passes : int or None
        None: one pass from 10^6 rows on, more of rare classes or if much was still learned late in it; else up to 100,
        ended by `tol`.
    tol : float
        Stop when a pass lowers the objective by less than this share.
    average : bool
        Whether the result is the average of the iterates (weighted towards the last).
    seed : int
        Order of the shards.
    held_out : float
        Share of the shards that are held out; training stops when their loss, rather than the
        objective, no longer falls, and returns the coefficients with the least. 0 for none.
    patience : int
        Passes without improvement before stopping, when rows are held out.
    look_back : bool
        Whether one pass may be found too few: not where categories are hashed, which remember the rows themselves, so
        that their loss on rows learned from tells nothing.
    """

    n_replicas: int | None = None
    max_passes: int | None = None
    tol: float = 2e-5
    average: bool = True
    seed: int = 0
    held_out: float = 0.0
    patience: int = 1
    look_back: bool = True

    @property
    def every(self) -> int:
        """Of how many shards one is held out, where any are."""
        return max(2, round(1.0 / self.held_out))

    def replicas_for(self, rows: int) -> int:
        """Return the number of replicas for so many rows."""
        return self.n_replicas or min(MAX_REPLICAS, max(1, rows // REPLICA_ROWS))

    def passes_for(self, rows: int, even: float = 1.0) -> int:
        """Return the most passes for so many rows, which tell as much as their share `even` of even classes."""
        if self.max_passes:
            return self.max_passes
        if rows < ONE_PASS_ROWS or self.held_out:
            return MOST_PASSES
        passes = math.ceil(ONE_PASS_ROWS / (RARE * rows * even)) if self.look_back else 1
        return min(MOST_PASSES, passes)

    def divide(self, shards: Sequence[Shard]) -> tuple[list[Shard], list[Shard]]:
        """Return the shards to learn from and those held out.

        Raises
        ------
        DataError
            When there are too few shards to hold any out.
        """
        if not self.held_out:
            return list(shards), []
        held = one_of_each(shards, len(shards) // self.every)
        if not held:
            raise DataError(
                f"{len(shards)} shards are too few to hold out one in {self.every} for early stopping; "
                "raise validation_fraction, or set early_stopping=False"
            )
        chosen = set(held)
        return [shard for shard in shards if shard not in chosen], held


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
    held_out_loss : list of float
        Loss of the held-out shards after each pass.
    converged : bool
        Whether the stopping rule ended the training: `tol`, or the one pass that is all many rows need.
    objective : float
        Mean loss and penalty of `coef` over the rows learned from; infinite where nothing told them.
    """

    coef: NDArray[np.float64]
    passes: int = 0
    progressive_loss: list[float] = field(default_factory=list)
    held_out_loss: list[float] = field(default_factory=list)
    converged: bool = False
    objective: float = np.inf


@dataclass(frozen=True)
class LossReduction:
    """Reduction of the mean loss of given coefficients.

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
            loss = gradients.softmax_gradients(k, z, y, w, out)
        else:
            targets = [y] if k == 1 else [(y == c).astype(np.float64) for c in range(k)]
            loss = sum(
                gradients.curvatures(o.loss, o.delta, z[c], targets[c], w, out[c], np.empty(block.n_rows))
                for c in range(k)
            )
        return np.asarray(state + np.array([loss, w.sum()]))

    def merge(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of both."""
        return left + right

    def finish(self, state: NDArray[np.float64]) -> float:
        """Return the mean loss; NaN where no row was selected or has any weight."""
        return float(state[0] / state[1]) if state[1] > 0.0 else np.nan


def descend(
    learner: Descent,
    start: NDArray[np.float64],
    reader: Any,
    executor: Executor,
    settings: DescentSettings,
    label: str,
    checkpoint: Checkpoint | None = None,
    sample: Sequence[Shard] | None = None,
) -> DescentResult:
    """Run passes of descent until their number or the stopping rule ends them.

    Parameters
    ----------
    learner : Descent
        One step of learning.
    start : float64 array of shape (n_outputs, p)
        First coefficients.
    reader : BlockReader or MemoryReader
        The encoded rows.
    executor : Executor
        Who runs the replicas.
    settings : DescentSettings
        Replicas, passes, stopping.
    label : str
        Shown as progress.
    checkpoint : Checkpoint, optional
        Written after every round.
    sample : sequence of Shard, optional
        The rows to learn from; by default all.
    """
    shards, held = settings.divide(reader.source.shards if sample is None else sample)
    rows = sum(shard.n_rows for shard in shards)
    n_replicas = settings.replicas_for(rows)
    learner = learner.beside(n_replicas)
    state = start_state(learner, start)
    even, result = evenness(learner.objective), DescentResult(start)
    max_passes = settings.passes_for(rows, even)
    patience = settings.patience if held or rows >= NOISY_ROWS else max(NOISY_PATIENCE, settings.patience)
    best, best_coef, stale, done, number = np.inf, start, 0, 0, 0
    saved = checkpoint.read("descent") if checkpoint is not None else None
    if saved is not None:
        meta, arrays = saved
        with understood(UsageError, "the checkpoint", "remove it to start over"):
            best, best_coef = float(meta["best"]), like(start, arrays["best"])
            stale, done, number = int(meta["stale"]), int(meta["done"]), int(meta["pass"])
            result.progressive_loss = [float(loss) for loss in meta["progressive"]]
            result.held_out_loss = [float(loss) for loss in meta["held_out"]]
            numbers = (float(meta[name]) for name in ("steps", "loss", "weight"))
            state = DescentState(like(state.table, arrays["table"]), *numbers)
            if min(stale, done) < 0 or number != len(result.progressive_loss):
                raise ValueError(f"{number} passes and {done} rounds")

    def keep() -> None:
        if checkpoint is not None:
            meta: dict[str, Any] = {
                "best": best,
                "stale": stale,
                "done": done,
                "pass": number,
                "steps": state.steps,
            }
            meta |= {"loss": state.loss, "weight": state.weight}
            meta |= {"progressive": result.progressive_loss, "held_out": result.held_out_loss}
            checkpoint.write("descent", meta, {"table": state.table, "best": best_coef})

    learned_from = replace(reader, stored_rows=STORED_ROWS) if isinstance(reader, BlockReader) else reader
    learned_from = in_passing(learned_from, shards)
    while number < max_passes:
        if done == 0:
            state.loss = state.weight = 0.0
        ordered = _order(shards, settings.seed, number)
        in_order = bool(reader.source.sequential)
        rounds = partition_rounds(ordered, n_replicas, ROUND_ROWS, MOST_ROUND_ROWS, in_order)
        for subsets in rounds[done:]:
            upcoming = rounds[done + 1] if done + 1 < len(rounds) else []
            state = run_round(executor, learner, learned_from, state, subsets, label, upcoming)
            done += 1
            if done < len(rounds):
                keep()
        number, done = number + 1, 0
        result.progressive_loss.append(state.loss / max(state.weight, 1e-300))
        result.coef = coefficients(state, settings.average)
        if max_passes > 1:
            value = run_reduction(
                executor, LossReduction(learner.objective, result.coef), reader, held or shards
            )
            if held and np.isnan(value):
                raise DataError(
                    "the shards held out for early stopping have no selected row of any weight; write the selected "
                    "rows to Parquet first, or set early_stopping=False"
                )
            if held:
                result.held_out_loss.append(value)
            else:
                value += penalty_value(learner.objective, result.coef)
            stale = stale + 1 if best - value < settings.tol * max(abs(value), 1e-3) else 0
            if value < best:
                best, best_coef = value, result.coef
            if stale >= patience and number >= 3:
                result.converged = True
                break
        elif settings.max_passes is None and settings.look_back and number == 1:
            loss = LossReduction(learner.objective, result.coef)
            looked_at = min(int(LOOKED_AT / even), MOST_LOOKED_AT)
            value = run_reduction(executor, loss, reader, _all_over(reader, shards, looked_at))
            if np.isnan(value):  # all of that was left out, or weighs nothing
                value = run_reduction(executor, loss, reader, shards)
            least = max(LATE, NOISE / math.sqrt(even * looked_at / 4.0))
            # Later, the loss is less where there is more to learn, and more where merging has made it worse.
            low, high = sorted((result.progressive_loss[0], value))
            if high > (1.0 + least) * low:
                max_passes = MOST_PASSES
        if number < max_passes:
            keep()
    result.passes = number
    if max_passes > 1:
        result.coef = best_coef
        result.objective = np.inf if held else best
    if settings.max_passes is None and max_passes < MOST_PASSES:
        result.converged = True
    return result


def _all_over(reader: Any, shards: Sequence[Shard], rows: int) -> Sequence[Shard]:
    """Return about so many rows: pieces of shards where the reader takes pieces, else some shards."""
    source = reader.source
    if (
        isinstance(reader, BlockReader)
        and source.exact_rows is not None
        and len(shards) == len(source.shards)
    ):
        return spread_shards(source, rows, LOOKED_AT // 4)
    return shards[:: max(1, sum(shard.n_rows for shard in shards) // rows)]


def start_state(learner: Descent, start: NDArray[np.float64]) -> DescentState:
    """Return the state from which all replicas begin, with coefficients `start`."""
    state = learner.init()
    state.table[..., optimizers.W] = start
    state.table[..., optimizers.RATE_CUT] = 1.0 - learner.objective.rate_scale
    if learner.adaptive:
        state.table[..., optimizers.S0] = first_squares(learner)
    return state


def coefficients(state: DescentState, average: bool) -> NDArray[np.float64]:
    """Return the coefficients of a merged state, shape (n_outputs, p)."""
    return state.table[..., optimizers.AVERAGE if average else optimizers.W].astype(np.float64)


def _order(shards: list[Shard], seed: int, number: int) -> list[Shard]:
    """Return the shards of a pass: as stored at first, in a random order of its own afterwards."""
    if number == 0:
        return shards
    order = np.random.default_rng([seed, number]).permutation(len(shards))
    return [shards[i] for i in order]
