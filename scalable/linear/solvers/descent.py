"""Mini-batch descent: how one replica learns, and how the models of replicas merge after a round."""

from __future__ import annotations

from collections.abc import Sequence
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

    def begin(self, start: DescentState) -> DescentState:
        """Return a copy to learn on."""
        return replace(start, table=start.table.copy())

    def step(self, state: DescentState, block: Block) -> DescentState:
        """Learn from a block."""
        o = self.objective
        target = o.target(block)
        o.check(target)
        y, weight = target.astype(np.float32), o.single_weight(block)
        rule = descent.descent_rule(o.loss, float(o.delta), self.optimizer, self.batch, bool(o.fit_intercept))
        how = (rule, self.hyper, o.factors)
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
        if done < block.n_rows:
            columns: Any = block.columns
            ids = block.ids
            if done:  # missing values ahead: the encoder fills, or refuses, them
                columns, ids = np.ascontiguousarray(columns[:, done:]), np.ascontiguousarray(ids[:, done:])
            more, steps = descent.descend(columns, ids, y[done:], weight[done:], *how, steps, state.table)
            loss += more
        state.steps = steps
        state.loss += loss
        plain = block.weight is None and not o.class_weight
        state.weight += float(block.n_rows) if plain else float(weight.sum(dtype=np.float64))
        return state

    def merge(self, start: DescentState, states: Sequence[DescentState]) -> DescentState:
        """Merge the models of a round, see `merge_replicas`."""
        return merge_replicas(self, start, states)

    def finish(self, state: DescentState) -> DescentState:
        """Return the state with every cell up to date; on the merged model of a round."""
        factors = self.objective.factors
        if self.optimizer in (optimizers.NORMALIZED, optimizers.ADAGRAD):
            adaptive.flush_adaptive(self.hyper, state.table, factors, state.steps)
        else:
            optimizers.flush(self.optimizer, self.hyper, state.table, factors, state.steps)
        return state

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
    prior = np.where(o.frequencies == 0.0, HASHED_FACTOR**2, 1.0)
    strength = np.maximum(prior, o.l2 * o.rows * o.factors**2)
    start = np.maximum(typical, (learner.hyper[optimizers.RATE] * strength / learner.batch) ** 2)
    return np.asarray(np.minimum(start, 1e30))  # cells are float32


def merge_replicas(learner: Descent, start: DescentState, states: Sequence[DescentState]) -> DescentState:
    """Merge the models of the replicas of a round.

    Each coefficient moves by the mean of its moves in the replicas, weighted by what each replica learned
    of it: the growth of its sum of squared gradients, as in Vowpal Wabbit's cluster mode (Agarwal et
    al., "A reliable effective terascale linear learning system", 2014). Where replicas learned less than
    the prior that all of them started from, as of rare categories, each holds its coefficient back
    for that one prior: there the moves add up, as posterior means with a common prior do. An average
    also comes nearer to its weight by itself as steps go by, in every replica alike; that counts once.
    """
    states = [learner.finish(state) for state in states]
    before = start.table
    code = learner.optimizer
    source = optimizers.S0 if code in (optimizers.NORMALIZED, optimizers.ADAGRAD) else optimizers.S1
    prior = first_squares(learner) if source == optimizers.S0 else np.zeros(before.shape[1])
    moves = np.zeros((*before.shape[:2], 2))
    learned = np.broadcast_to(prior, before.shape[:2]).copy()
    growth = np.zeros((*before.shape[:2], 2))
    fields = [optimizers.W, optimizers.AVERAGE]
    for state in states:
        optimizers.add_replica(
            code == optimizers.ADAM,
            source,
            state.steps + 1.0,
            before,
            state.table,
            prior,
            moves,
            learned,
            growth,
        )
    sums = before[..., [optimizers.S0, optimizers.S1]] + growth
    still = learned <= 0.0
    moves /= np.where(still, 1.0, learned)[..., None]
    merged = before.astype(np.float64)
    steps = max(state.steps for state in states)
    optimizers.relax(before, steps + 1.0, merged)
    merged[..., fields] += moves
    if code in (optimizers.NORMALIZED, optimizers.ADAGRAD):
        merged[..., optimizers.S0] = sums[..., 0]
    elif code == optimizers.FTRL:
        merged[..., optimizers.S1] = sums[..., 1]
        mean_z = before[..., optimizers.S0] + growth[..., 0] / len(states)
        merged[..., optimizers.S0] = _ftrl_state(learner, merged, mean_z, steps)
    else:
        merged[..., [optimizers.S0, optimizers.S1]] += growth / len(states)
    merged[..., optimizers.SEEN] = steps + 1.0
    return DescentState(
        merged.astype(np.float32),
        steps,
        start.loss + sum(s.loss - start.loss for s in states),
        start.weight + sum(s.weight - start.weight for s in states),
    )


def _ftrl_state(
    learner: Descent, merged: NDArray[np.float64], mean_z: NDArray[np.float64], steps: float
) -> NDArray[np.float64]:
    """Return the accumulators from which FTRL would compute the merged weights."""
    h = learner.hyper
    f = learner.objective.factors
    l1, l2 = h[optimizers.L1] * f * steps, h[optimizers.L2] * f * f * steps
    w = merged[..., optimizers.W]
    slope = (h[optimizers.FTRL_BETA] + np.sqrt(merged[..., optimizers.S1])) / h[optimizers.RATE] + l2
    return np.where(w == 0.0, np.clip(mean_z, -l1, l1), -w * slope - np.sign(w) * l1)
