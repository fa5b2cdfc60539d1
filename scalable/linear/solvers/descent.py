"""Mini-batch descent: how one replica learns, and how the models of replicas merge after a round."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.data.raw_block import LazyBlock
from scalable.kernels.buffers import aligned, take
from scalable.kernels.linear import adaptive_optimizers as adaptive
from scalable.kernels.linear import optimizers
from scalable.kernels.linear import sgd as descent
from scalable.kernels.linear.raw_tiles import room_of_tiles
from scalable.linear.solvers.objective import HASHED_FACTOR, Objective

PRIOR_STEPS = 10.0
# Cells of each replica, with their sums in the near cache; a multiple of what kernels take side by side, so that the
# merged bits do not depend on it.
MERGED_AT_ONCE = 2**13


@dataclass
class DescentState:
    """Model of one replica.

    Attributes
    ----------
    table : float32 array of shape (n_outputs, n_columns + 1 + n_indices, 8)
        Cells of `scalable.kernels.linear.optimizers`.
    steps : float
        Finished steps.
    loss, weight : float
        Progressive loss of this round and the weight it is over.
    """

    table: NDArray[np.float32]
    steps: float = 0.0
    loss: float = 0.0
    weight: float = 0.0


@dataclass(frozen=True)
class Descent:
    """What replicas do, see `scalable.execution.replicas.Replica`: learn from each block in order.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    optimizer : int
        Number of the optimizer.
    hyper : float64 array of shape (8,)
        See `scalable.kernels.linear.optimizers.hyper_parameters`.
    batch : int
        Rows a step.
    """

    objective: Objective
    optimizer: int
    hyper: NDArray[np.float64]
    batch: int

    def init(self) -> DescentState:
        """Return an untrained model."""
        n = len(self.objective.factors)
        return DescentState(np.zeros((self.objective.n_outputs, n, optimizers.FIELDS), np.float32))

    def beside(self, n_replicas: int) -> Descent:
        """Return the learner of one of so many replicas, whose moves are averaged.

        Of gradients of given rates, each sees as few as that, and squares of them: by the same rates it moves less by
        the root of the number of replicas. Normalized steps make up for it while the gradients are large.
        """
        if self.optimizer not in (optimizers.ADAGRAD, optimizers.FTRL):
            return self
        hyper = self.hyper.copy()
        hyper[optimizers.RATE] *= n_replicas**0.5
        return replace(self, hyper=hyper)

    def begin(self, start: DescentState) -> DescentState:
        """Return a copy to learn on."""
        table = take(start.table.shape, np.float32)  # on a line of the cache: no cell then straddles two
        table[:] = start.table
        return replace(start, table=table)

    def step(self, state: DescentState, block: Block) -> DescentState:
        """Learn from a block."""
        o = self.objective
        target = o.target(block)
        o.check(target)
        y, weight = target.astype(np.float32), o.single_weight(block)
        rule = descent.descent_rule(o.loss, float(o.delta), self.optimizer, self.batch, bool(o.fit_intercept))
        how = (rule, self.hyper, o.leading_factors)
        loss, steps, done = 0.0, state.steps, 0
        if isinstance(block, LazyBlock):
            raw = block.raw.columns
            # rows fall into different cache sets
            tile = aligned((len(raw.offsets), descent.TILE_ROWS + 16), np.float32)
            tiles = block.raw.tiles
            stored = take((1, room_of_tiles(raw, tiles, descent.TILE_ROWS)), np.float32)
            loss, steps, done = descent.descend_raw(
                raw, tiles, y, weight, *how, steps, state.table, tile, stored[0]
            )
            while done < block.n_rows:  # missing values ahead: the encoder fills, or refuses, them
                some = slice(done, (done // descent.BLOCK_ROWS + 1) * descent.BLOCK_ROWS)
                columns: Any = np.ascontiguousarray(block.columns[:, some])
                ids = np.ascontiguousarray(block.ids[:, some])
                more, steps = descent.descend(columns, ids, y[some], weight[some], *how, steps, state.table)
                loss, done = loss + more, some.stop
        else:
            loss, steps = descent.descend(block.columns, block.ids, y, weight, *how, steps, state.table)
        state.steps = steps
        state.loss += loss
        plain = block.weight is None and not o.class_weight
        state.weight += float(block.n_rows) if plain else float(weight.sum(dtype=np.float64))
        return state

    def merge(self, start: DescentState, states: Sequence[DescentState], n_threads: int) -> DescentState:
        """Merge the models of a round, see `merge_replicas`."""
        return merge_replicas(self, start, states, n_threads)

    def finish(self, state: DescentState) -> DescentState:
        """Return the state with every cell up to date."""
        self.catch_up(state.table, self.objective.factors, state.steps)
        return state

    @property
    def adaptive(self) -> bool:
        """Whether the optimizer divides by the root of summed squares."""
        return self.optimizer in (optimizers.NORMALIZED, optimizers.ADAGRAD)

    def catch_up(self, table: NDArray[np.float32], factors: NDArray[np.float64], steps: float) -> None:
        """Bring cells, shape (k, n, 8), of penalty factors (n,) up to date with so many finished steps."""
        if self.adaptive:
            adaptive.flush_adaptive(self.hyper, table, factors, steps)
        else:
            optimizers.flush(self.optimizer, self.hyper, table, factors, steps)

    def metrics(self, state: DescentState) -> dict[str, float]:
        """Return the progressive loss for the progress display."""
        return {"loss": state.loss / state.weight} if state.weight > 0 else {}


def first_squares(learner: Descent) -> NDArray[np.float64]:
    """Return the sums of squared gradients that cells start with, shape (p,).

    From zero, the first step of every coefficient would have full length however small its gradient,
    and with rare positives it takes a whole pass to mend that. So a cell starts as if it had seen
    ``PRIOR_STEPS`` typical gradients, and in any case so many that a row moves the coefficient of a
    rare category by no more than a unit normal prior (or a tighter penalty) would allow.
    """
    o = learner.objective
    typical = PRIOR_STEPS * o.residual_variance * o.frequencies / learner.batch
    start = _precision(o)
    # In place: of hashed columns, fresh memory takes longer than the sums.
    start *= learner.hyper[optimizers.RATE]
    start /= learner.batch
    start *= start
    return np.asarray(np.clip(start, typical, 1e30, out=start))  # cells are float32


def _precision(o: Objective) -> NDArray[np.float64]:
    """Return what holds a coefficient back, in rows of curvature 1, shape (p,): a unit normal prior, or the penalty."""
    prior = np.where(o.frequencies == 0.0, HASHED_FACTOR**2, 1.0)
    return np.asarray(np.maximum(prior, o.l2 * o.rows * o.factors**2))


def held_back(learner: Descent) -> NDArray[np.float64]:
    """Return the sums of squared gradients, shape (p,), below which a replica is held back by the prior.

    Squared gradients of batches, summed, are the curvature of all rows seen times `Objective.dispersion` over the
    squared rows of a batch. First squares may be far more, the square of a strong penalty: they slow the first steps
    down, but coefficients of thousands of steps are no longer held back by them.
    """
    start = first_squares(learner)
    precision = _precision(learner.objective)
    precision *= learner.objective.dispersion / learner.batch**2
    return np.minimum(start, precision, out=start)


def merge_replicas(
    learner: Descent, start: DescentState, states: Sequence[DescentState], n_threads: int = 1
) -> DescentState:
    """Merge the models of the replicas of a round, on so many threads at most.

    Each coefficient moves by the mean of its moves in the replicas, weighted by what each replica learned
    of it: the growth of its sum of squared gradients, as in Vowpal Wabbit's cluster mode (Agarwal et
    al., "A reliable effective terascale linear learning system", 2014). Where replicas learned less than
    the prior that all of them started from, as of rare categories, each holds its coefficient back
    for that one prior: there the moves add up, as posterior means with a common prior do. An average
    also comes nearer to its weight by itself as steps go by, in every replica alike; that counts once. The first of
    the models, which are given up, becomes the merged one: here all of them are in memory, and one more was the most
    that descent ever needed.
    """
    if len(states) == 1:
        return learner.finish(states[0])
    prior = held_back(learner) if _prior_of(learner) == optimizers.S0 else np.zeros(start.table.shape[1])
    factors = np.asarray(learner.objective.factors, np.float64)
    table = states[0].table

    def merge(place: tuple[int, int]) -> None:
        output, first = slice(place[0], place[0] + 1), place[1]
        some = slice(first, first + MERGED_AT_ONCE)
        before, *after = (each.table[output, some] for each in (start, *states))
        steps = [state.steps for state in states]
        table[output, some] = _merged(learner, before, after, steps, prior[some], factors[some])

    k, n = table.shape[:2]
    places = [(output, first) for output in range(k) for first in range(0, n, MERGED_AT_ONCE)]
    if n_threads == 1 or k * n <= MERGED_AT_ONCE:
        list(map(merge, places))
    else:
        with ThreadPoolExecutor(n_threads, thread_name_prefix="merge") as pool:
            list(pool.map(merge, places))
    return DescentState(
        table,
        max(state.steps for state in states),
        start.loss + sum(s.loss - start.loss for s in states),
        start.weight + sum(s.weight - start.weight for s in states),
    )


def _prior_of(learner: Descent) -> int:
    """Return the accumulator that tells how much was learned of a coefficient."""
    return optimizers.S0 if learner.adaptive else optimizers.S1


def _merged(
    learner: Descent,
    before: NDArray[np.float32],
    after: Sequence[NDArray[np.float32]],
    steps: Sequence[float],
    prior: NDArray[np.float64],
    factors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return merged cells of those at the start of a round and those of its replicas, which are brought up to date."""
    code, last = learner.optimizer, max(steps)
    moves = np.zeros((*before.shape[:2], 2))
    learned = np.broadcast_to(prior, before.shape[:2]).copy()
    growth = np.zeros((*before.shape[:2], 2))
    for table, t in zip(after, steps, strict=True):
        learner.catch_up(table, factors, t)
        optimizers.add_replica(
            code == optimizers.ADAM, _prior_of(learner), t + 1.0, before, table, prior, moves, learned, growth
        )
    still = learned <= 0.0
    moves /= np.where(still, 1.0, learned)[..., None]
    merged = before.astype(np.float64)
    optimizers.relax(before, last + 1.0, merged)
    merged[..., [optimizers.W, optimizers.AVERAGE]] += moves
    sums = before[..., [optimizers.S0, optimizers.S1]] + growth
    if learner.adaptive:
        merged[..., optimizers.S0] = sums[..., 0]
    elif code == optimizers.FTRL:
        merged[..., optimizers.S1] = sums[..., 1]
        mean_z = before[..., optimizers.S0] + growth[..., 0] / len(after)
        merged[..., optimizers.S0] = _ftrl_state(learner.hyper, factors, merged, mean_z, last)
    else:
        merged[..., [optimizers.S0, optimizers.S1]] += growth / len(after)
    merged[..., optimizers.SEEN] = last + 1.0
    return merged


def _ftrl_state(
    h: NDArray[np.float64],
    f: NDArray[np.float64],
    merged: NDArray[np.float64],
    mean_z: NDArray[np.float64],
    steps: float,
) -> NDArray[np.float64]:
    """Return the accumulators from which FTRL, of hyper-parameters `h`, would compute the merged weights."""
    l1, l2 = h[optimizers.L1] * f * steps, h[optimizers.L2] * f * f * steps
    w = merged[..., optimizers.W]
    slope = (h[optimizers.FTRL_BETA] + np.sqrt(merged[..., optimizers.S1])) / h[optimizers.RATE] + l2
    return np.where(w == 0.0, np.clip(mean_z, -l1, l1), -w * slope - np.sign(w) * l1)
