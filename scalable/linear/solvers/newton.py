"""Newton's method over streamed rows (iteratively reweighted least squares).

One pass per step: gradient and Hessian at the current coefficients are sums over rows, hence a
reduction. The penalised quadratic model is then minimised in memory: by Cholesky, or by coordinate
descent when there is an l1 penalty (proximal Newton, Lee, Sun & Saunders, 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.kernels.linear import losses
from scalable.kernels.linear import sgd as descent
from scalable.kernels.linear.coordinate import minimize_quadratic
from scalable.linear.solvers.gram import add_gradient, add_gram, solve_psd
from scalable.linear.solvers.objective import Objective
from scalable.models.checkpoint import Checkpoint


@dataclass
class NewtonState:
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
    """

    objective: Objective
    coef: NDArray[np.float64]

    def init(self) -> NewtonState:
        """Return zero sums."""
        size = self.coef.size
        return NewtonState(np.zeros((size, size)), np.zeros(size))

    def step(self, state: NewtonState, block: Block) -> NewtonState:
        """Add a block."""
        o = self.objective
        columns = block.columns
        k, p = self.coef.shape
        z = np.empty((k, block.n_rows), columns.dtype)
        descent.predict(columns, block.ids, self.coef.astype(columns.dtype), z)
        weight, y = o.weight(block), o.target(block)
        residual = np.empty((k, block.n_rows))
        if o.loss == descent.SOFTMAX:
            state.loss += losses.softmax_gradients(k, z, y, weight, residual)
            self._softmax_curvature(state.hessian, block, weight, y, residual)
        else:
            curvature = np.empty(block.n_rows)
            for c in range(k):
                rest = y if k == 1 else (y == c).astype(np.float64)  # one versus rest
                state.loss += losses.curvatures(o.loss, o.delta, z[c], rest, weight, residual[c], curvature)
                own = slice(c * p, (c + 1) * p)
                add_gram(columns, block.ids, curvature, state.hessian[own, own])
        for c in range(k):
            add_gradient(columns, block.ids, residual[c], state.gradient[c * p : (c + 1) * p])
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

    def merge(self, left: NewtonState, right: NewtonState) -> NewtonState:
        """Return the sums of both."""
        left.hessian += right.hessian
        left.gradient += right.gradient
        left.loss += right.loss
        left.weight += right.weight
        return left

    def finish(self, state: NewtonState) -> NewtonState:
        """Return means in place of sums."""
        state.hessian /= state.weight
        state.gradient /= state.weight
        state.loss /= state.weight
        return state

    def metrics(self, state: NewtonState) -> dict[str, float]:
        """Return the loss for the progress display."""
        return {"loss": state.loss / state.weight} if state.weight > 0 else {}


@dataclass(frozen=True)
class NewtonResult:
    """Coefficients and how they were reached."""

    coef: NDArray[np.float64]
    passes: int
    converged: bool
    objective: float


def minimize(
    objective: Objective,
    start: NDArray[np.float64],
    evaluate: Callable[[NewtonReduction], NewtonState],
    max_passes: int,
    tol: float,
    checkpoint: Checkpoint | None = None,
) -> NewtonResult:
    """Minimise an objective by damped Newton steps.

    Parameters
    ----------
    objective : Objective
        Of a smooth loss.
    start : float64 array of shape (k, p)
        Starting coefficients.
    evaluate : callable
        Runs a reduction over all rows.
    max_passes : int
        Most passes over the data.
    tol : float
        Stop when the predicted decrease falls below `tol` times the objective.
    checkpoint : Checkpoint, optional
        Written after every pass.

    Returns
    -------
    NewtonResult
        The last step is taken without a pass to confirm it: convergence is quadratic there.
    """
    coef = start.copy()
    best, share, passes = np.inf, 1.0, 0
    origin, direction = coef, np.zeros_like(coef)
    saved = checkpoint.read("newton") if checkpoint is not None else None
    if saved is not None:
        meta, arrays = saved
        best, share, passes = meta["best"], meta["share"], meta["passes"]
        coef, origin, direction = arrays["coef"], arrays["origin"], arrays["direction"]
    while True:
        state = evaluate(NewtonReduction(objective, coef))
        passes += 1
        value = state.loss + penalty_value(objective, coef)
        if not np.isfinite(value) or value > best + 1e-12 * abs(best):
            share *= 0.25
            if passes >= max_passes or share < 1e-6:
                return NewtonResult(origin, passes, False, best)
            coef = origin + share * direction
        else:
            origin, best, share = coef, value, 1.0
            direction, predicted = _model_step(objective, state, coef)
            coef = coef + direction
            scale = max(abs(best), 1e-3)
            if predicted <= tol * scale:
                return NewtonResult(coef, passes, True, best)
            if passes >= max_passes:
                # An unconfirmed step is only worth taking where the model can be trusted.
                trusted = predicted <= 1e-2 * scale
                return NewtonResult(coef if trusted else origin, passes, False, best)
        if checkpoint is not None:
            meta = {"best": best, "share": share, "passes": passes}
            checkpoint.write("newton", meta, {"coef": coef, "origin": origin, "direction": direction})


def penalty_value(objective: Objective, coef: NDArray[np.float64]) -> float:
    """Return the penalty of coefficients of shape (k, p)."""
    scaled = objective.factors * coef
    return float(objective.l1 * np.abs(scaled).sum() + 0.5 * objective.l2 * (scaled * scaled).sum())


def _model_step(
    objective: Objective, state: NewtonState, coef: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the minimiser of the penalised quadratic model, as a step, and its predicted decrease."""
    f = np.tile(objective.factors, len(coef))
    w = coef.ravel()
    free = np.ones(len(w), bool)
    if not objective.fit_intercept:
        free[f == 0.0] = False
    hessian = state.hessian + np.diag(objective.l2 * f * f)
    gradient = state.gradient + objective.l2 * f * f * w
    step = np.zeros_like(w)
    if objective.l1 > 0.0:
        target = w.copy()
        minimize_quadratic(hessian, gradient - hessian @ w, objective.l1 * f, free, 10_000, 1e-12, target)
        step = target - w
        change = objective.l1 * (np.abs(f * (w + step)).sum() - np.abs(f * w).sum())
        predicted = -(gradient @ step + 0.5 * step @ hessian @ step + change)
        return step.reshape(coef.shape), float(max(predicted, 0.0))
    step[free] = -solve_psd(hessian[np.ix_(free, free)], gradient[free])
    return step.reshape(coef.shape), float(-0.5 * gradient @ step)
