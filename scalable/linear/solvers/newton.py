"""Newton's method over streamed rows (iteratively reweighted least squares).

One pass per step: gradient and Hessian at the current coefficients are sums over rows, hence a
reduction. The penalised quadratic model is then minimised in memory: by Cholesky, or by coordinate
descent when there is an l1 penalty (proximal Newton, Lee, Sun & Saunders, 2014).

Where the curvature of a loss is 0 for most rows (Huber's beyond its width, any loss with a kink), that of a
parabola above the loss takes its place (majorise and minimise, Hunter & Lange, 2000): slower, but every step descends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.data.block import Block
from scalable.data.raw_block import LazyBlock
from scalable.data.shard import Shard
from scalable.execution.executors import Executor
from scalable.execution.iterate import Checkpoint, Iterate, Iterated, iterate
from scalable.kernels.buffers import aligned, take
from scalable.kernels.linear import gradients, losses
from scalable.kernels.linear import sgd as descent
from scalable.kernels.linear.coordinate import minimize_quadratic
from scalable.kernels.linear.raw_tiles import room_of_tiles
from scalable.kernels.moments import expansion
from scalable.linear.solvers.gram import add_gradient, add_gram, solve_psd
from scalable.linear.solvers.objective import Objective

LEAST_SHARE = 1e-6  # of a step, below which no shorter one is tried
UNRESOLVED = 1e-6  # of the gradient, that the curvature says nothing of
SINGLE = 1e-6  # relative error of curvatures, which are summed from products in single precision
ROUGH = 1e-2  # of the objective: with a smaller predicted decrease, the loss's own curvature is tried again


@dataclass
class NewtonSums:
    """Sums over rows: Hessian, gradient, loss and weight."""

    hessian: NDArray[np.float64]
    gradient: NDArray[np.float64]
    loss: float = 0.0
    weight: float = 0.0


@dataclass(frozen=True)
class NewtonReduction:
    """Reduction of gradient and Hessian at given coefficients.

    Parameters
    ----------
    objective : Objective
        Of a smooth loss; one versus rest when there are several outputs, unless it is softmax.
    coef : float64 array of shape (k, n_columns + 1 + n_indices)
        Where to expand.
    majorize : bool
        Whether curvatures are the majorant's.
    """

    objective: Objective
    coef: NDArray[np.float64]
    majorize: bool = False

    def init(self) -> NewtonSums:
        """Return zero sums."""
        size = self.coef.size
        return NewtonSums(np.zeros((size, size)), np.zeros(size))

    def step(self, state: NewtonSums, block: Block) -> NewtonSums:
        """Add a block."""
        o = self.objective
        k, p = self.coef.shape
        if k == 1 and not len(block.ids) and not self.majorize:
            return self._expanded(state, block)
        columns = block.columns
        z = np.empty((k, block.n_rows), columns.dtype)
        descent.predict(columns, block.ids, self.coef.astype(columns.dtype), z)
        weight, y = o.weight(block), o.target(block)
        residual = np.empty((k, block.n_rows))
        if o.loss == descent.SOFTMAX:
            state.loss += gradients.softmax_gradients(k, z, y, weight, residual)
            self._softmax_curvature(state.hessian, block, weight, y, residual)
        else:
            curvature = np.empty(block.n_rows)
            fill = gradients.majorants if self.majorize else gradients.curvatures
            for c in range(k):
                rest = y if k == 1 else (y == c).astype(np.float64)  # one versus rest
                state.loss += fill(o.loss, o.delta, z[c], rest, weight, residual[c], curvature)
                own = slice(c * p, (c + 1) * p)
                add_gram(columns, block.ids, curvature, state.hessian[own, own])
        for c in range(k):
            add_gradient(columns, block.ids, residual[c], state.gradient[c * p : (c + 1) * p])
        state.weight += float(weight.sum())
        return state

    def _expanded(self, state: NewtonSums, block: Block) -> NewtonSums:
        """Add a block of one output without categories: in one sweep, where its rows are standardised as they come."""
        o, done = self.objective, 0
        weight, y = o.weight(block), o.target(block)
        loss = o.loss, float(o.delta), None if o.loss == gradients.LOG else 0
        if isinstance(block, LazyBlock):
            raw, tiles = block.raw.columns, block.raw.tiles
            # rows fall into different cache sets
            tile = aligned((len(raw.offsets), expansion.TILE_ROWS + 16), np.float32)
            stored = take((1, room_of_tiles(raw, tiles, expansion.TILE_ROWS)), np.float32)
            coef, room = self.coef[0].astype(np.float32), expansion.room_of(len(tile), np.float32)
            sums = state.gradient, state.hessian, room, state.loss
            state.loss, done = expansion.expand_raw(
                raw, tiles, y, weight, *loss, coef, *sums, tile, stored[0]
            )
        if done < block.n_rows:  # of a lazy block: missing values ahead, which the encoder fills, or refuses
            columns: Any = np.ascontiguousarray(block.columns[:, done:])
            coef, room = self.coef[0].astype(columns.dtype), expansion.room_of(len(columns), columns.dtype)
            sums = state.gradient, state.hessian, room, state.loss
            state.loss = expansion.expand(columns, y[done:], weight[done:], *loss, coef, *sums)
        state.weight += float(weight.sum())
        return state

    def _softmax_curvature(
        self, hessian: NDArray[np.float64], block: Block, weight: Any, y: Any, residual: Any
    ) -> None:
        """Add ``w (diag(q) - q q')`` times the rows' Gram matrix, class pair by class pair."""
        k, p = self.coef.shape
        safe = np.where(weight > 0.0, weight, 1.0)
        q = residual / safe + (np.arange(k)[:, None] == y)
        q = np.clip(q, 0.0, 1.0)
        for a in range(k):
            for b in range(a + 1):
                bend = weight * q[a] * ((1.0 - q[a]) if a == b else q[b])
                part = np.zeros((p, p))
                add_gram(block.columns, block.ids, bend, part)
                rows, others = slice(a * p, (a + 1) * p), slice(b * p, (b + 1) * p)
                if a == b:
                    hessian[rows, rows] += part
                else:
                    hessian[rows, others] -= part
                    hessian[others, rows] -= part

    def merge(self, left: NewtonSums, right: NewtonSums) -> NewtonSums:
        """Return the sums of both."""
        left.hessian += right.hessian
        left.gradient += right.gradient
        left.loss += right.loss
        left.weight += right.weight
        return left

    def finish(self, state: NewtonSums) -> NewtonSums:
        """Return means in place of sums."""
        state.hessian /= state.weight
        state.gradient /= state.weight
        state.loss /= state.weight
        return state

    def metrics(self, state: NewtonSums) -> dict[str, float]:
        """Return the loss for the progress display."""
        return {"loss": state.loss / state.weight} if state.weight > 0 else {}


@dataclass(frozen=True, kw_only=True)
class NewtonState(Iterate):
    """Where the next pass expands, and what it was reached from; arrays of shape (k, p).

    Attributes
    ----------
    coef : float64 array
        Coefficients that no pass has seen yet.
    origin, direction : float64 array
        The best coefficients that a pass has seen, and the whole step from there.
    share : float
        Share of the step that `coef` takes.
    trusted : bool
        Whether `coef` is worth taking without a pass to confirm it.
    majorize : bool
        Whether the next pass sums curvatures of the majorant.
    """

    coef: NDArray[np.float64]
    origin: NDArray[np.float64]
    direction: NDArray[np.float64]
    share: float = 1.0
    trusted: bool = False
    majorize: bool = False

    @classmethod
    def at(cls, coef: NDArray[np.float64], majorize: bool = False) -> NewtonState:
        """Return the first state."""
        return cls(coef=coef.copy(), origin=coef, direction=np.zeros_like(coef), majorize=majorize)

    @property
    def best(self) -> NDArray[np.float64]:
        """The coefficients to return when no pass follows.

        The last step is taken without a pass to confirm it: convergence is quadratic there.
        """
        return self.coef if self.trusted else self.origin


@dataclass(frozen=True)
class Newton:
    """Damped Newton steps, as an `Iteration`.

    Parameters
    ----------
    problem : Objective
        Of a smooth loss.
    tol : float
        Converged when the predicted decrease falls below `tol` times the objective.
    """

    problem: Objective
    tol: float

    def reduction(self, state: NewtonState) -> NewtonReduction:
        """Return the sums of gradient and Hessian at the state's coefficients."""
        return NewtonReduction(self.problem, state.coef, state.majorize)

    @property
    def kinked(self) -> bool:
        """Whether only the majorant has a curvature."""
        loss = losses.record(self.problem.loss)
        return loss is not None and loss.majorant is not None and not loss.smooth

    def _majorizable(self, state: NewtonState) -> bool:
        """Whether the majorant is still to be tried from here."""
        loss = losses.record(self.problem.loss)
        return loss is not None and loss.majorant is not None and not state.majorize

    def _missed(self, sums: NewtonSums) -> float:
        """Return the share of its predicted decrease that a step may miss: of a quadratic loss, by rounding only."""
        loss = losses.record(self.problem.loss)
        if loss is None or not loss.quadratic:
            return 1.0
        diagonal = np.sqrt(sums.hessian.diagonal())
        live = diagonal > 0.0
        unit = diagonal[live]
        scaled = sums.hessian[np.ix_(live, live)] / unit[:, None] / unit
        values = lapack.eigvalsh(scaled) if np.isfinite(scaled).all() else np.zeros(1)
        lost = SINGLE * values[-1] / values[0] if len(values) and values[0] > 0.0 else 1.0
        return float(min(1.0, lost * lost))

    def update(self, state: NewtonState, sums: NewtonSums) -> NewtonState:
        """Take a step from the coefficients that were looked at, or a shorter one when they are no better."""
        value = sums.loss + penalty_value(self.problem, state.coef)
        if not np.isfinite(value) or value > state.objective + 1e-12 * abs(state.objective):
            share = 0.25 * state.share
            if share < LEAST_SHARE and self._majorizable(state):
                return replace(state, coef=state.origin, share=1.0, trusted=False, majorize=True)
            coef = state.origin + share * state.direction
            return replace(state, coef=coef, share=share, trusted=False, stuck=share < LEAST_SHARE)
        direction, predicted, unresolved = _model_step(self.problem, sums, state.coef)
        if unresolved and self._majorizable(state):
            return replace(state, objective=value, origin=state.coef, majorize=True)
        scale = max(abs(value), 1e-3)
        enough = bool(predicted * self._missed(sums) <= self.tol * scale)
        return NewtonState(
            objective=value,
            converged=enough,
            coef=state.coef + direction,
            origin=state.coef,
            direction=direction,
            trusted=enough or bool(predicted <= max(self.tol, 1e-2) * scale),
            majorize=self.kinked or bool(state.majorize and predicted > ROUGH * scale),
        )


def minimize(
    executor: Executor,
    reader: Any,
    objective: Objective,
    start: NDArray[np.float64],
    tol: float,
    max_iter: int,
    label: str,
    *,
    shards: Sequence[Shard] | None = None,
    checkpoint: Checkpoint | None = None,
) -> Iterated[NewtonState]:
    """Repeat Newton steps from coefficients of shape (k, p); see `scalable.execution.iterate.iterate`."""
    newton = Newton(objective, tol)
    return iterate(
        executor, newton, NewtonState.at(start, newton.kinked), reader, max_iter=max_iter, stage="newton",
        shards=shards, label=label, checkpoint=checkpoint,
    )  # fmt: skip


def penalty_value(objective: Objective, coef: NDArray[np.float64]) -> float:
    """Return the penalty of coefficients of shape (k, p)."""
    scaled = objective.factors * coef
    return float(objective.l1 * np.abs(scaled).sum() + 0.5 * objective.l2 * (scaled * scaled).sum())


def _model_step(
    objective: Objective, sums: NewtonSums, coef: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, bool]:
    """Return the minimiser of the penalised quadratic model, as a step.

    Also its predicted decrease, and whether the model is flat along the gradient, so that it says nothing.
    """
    f = np.tile(objective.factors, len(coef))
    w = coef.ravel()
    free = np.ones(len(w), bool)
    if not objective.fit_intercept:
        free[f == 0.0] = False
    hessian = sums.hessian + np.diag(objective.l2 * f * f)
    gradient = sums.gradient + objective.l2 * f * f * w
    step = np.zeros_like(w)
    if objective.l1 > 0.0:
        target = w.copy()
        minimize_quadratic(hessian, gradient - hessian @ w, objective.l1 * f, free, 10_000, 1e-12, target)
        step = target - w
        change = objective.l1 * (np.abs(f * (w + step)).sum() - np.abs(f * w).sum())
        predicted = -(gradient @ step + 0.5 * step @ hessian @ step + change)
        return step.reshape(coef.shape), float(max(predicted, 0.0)), not hessian.diagonal()[free].any()
    step[free] = -solve_psd(hessian[np.ix_(free, free)], gradient[free])
    left = np.abs(gradient + hessian @ step)[free].max(initial=0.0)
    unresolved = bool(left > max(UNRESOLVED * np.abs(gradient[free]).max(initial=0.0), 1e-12))
    return step.reshape(coef.shape), float(-0.5 * gradient @ step), unresolved
