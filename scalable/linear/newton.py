"""Newton's method over streamed rows (iteratively reweighted least squares).

One pass per step: gradient and Hessian at the current coefficients are sums over rows, hence a
fold. The penalised quadratic model is then minimised in memory: by Cholesky, or by coordinate
descent when there is an l1 penalty (proximal Newton, Lee, Sun & Saunders, 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from scalable.data.block import Block
from scalable.kernels import descent, losses, moments
from scalable.kernels.coordinate import minimize_quadratic
from scalable.linear.task import Objective

CHUNK = 2048  # rows a BLAS call: the weighted copy stays in the second-level cache


@dataclass
class NewtonState:
    """Sums over rows: Hessian, gradient, loss and weight."""

    hessian: NDArray[np.float64]
    gradient: NDArray[np.float64]
    loss: float = 0.0
    weight: float = 0.0


@dataclass(frozen=True)
class NewtonFold:
    """Fold of gradient and Hessian at given coefficients.

    Parameters
    ----------
    objective : Objective
        Of one output.
    coef : float64 array of shape (1, n_columns + 1 + n_slots)
        Where to expand.
    """

    objective: Objective
    coef: NDArray[np.float64]

    def init(self) -> NewtonState:
        """Return zero sums."""
        p = self.coef.shape[1]
        return NewtonState(np.zeros((p, p)), np.zeros(p))

    def step(self, state: NewtonState, block: Block) -> NewtonState:
        """Add a block."""
        o = self.objective
        columns = block.columns
        z = np.empty((1, block.n_rows), columns.dtype)
        descent.predict(columns, block.ids, self.coef.astype(columns.dtype), z)
        residual = np.empty(block.n_rows)
        curvature = np.empty(block.n_rows)
        weight = o.weight(block)
        loss = losses.curvatures(o.loss, o.delta, z[0], o.target(block), weight, residual, curvature)
        moments.add_gradient(columns, block.ids, residual, state.gradient)
        add_gram(columns, block.ids, curvature, state.hessian)
        state.loss += loss
        state.weight += float(weight.sum())
        return state

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


def add_gram(
    columns: NDArray[Any], ids: NDArray[np.int32], weight: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Add the weighted Gram matrix of ``[columns; 1; slots]`` to `out`, shape (p, p)."""
    d = columns.shape[0] + 1
    scaled = np.empty((d, CHUNK), columns.dtype)
    for start in range(0, columns.shape[1], CHUNK):
        m = min(CHUNK, columns.shape[1] - start)
        part = scaled[:, :m] if m == CHUNK else np.empty((d, m), columns.dtype)
        moments.weighted_rows(columns, start, weight[start : start + m], part)
        out[:d, :d] += part @ part.T
    if len(ids):
        cross = np.zeros((d, out.shape[0] - d))
        square = np.zeros((out.shape[0] - d, out.shape[0] - d))
        moments.add_slot_moments(columns, ids, weight, cross, square)
        out[:d, d:] += cross
        out[d:, :d] += cross.T
        out[d:, d:] += square


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
    evaluate: Callable[[NewtonFold], NewtonState],
    max_passes: int,
    tol: float,
) -> NewtonResult:
    """Minimise an objective by damped Newton steps.

    Parameters
    ----------
    objective : Objective
        Of one output and a smooth loss.
    start : float64 array of shape (1, p)
        Starting coefficients.
    evaluate : callable
        Runs a fold over all rows.
    max_passes : int
        Most passes over the data.
    tol : float
        Stop when the predicted decrease falls below `tol` times the objective.

    Returns
    -------
    NewtonResult
        The last step is taken without a pass to confirm it when its predicted decrease is below
        the square root of `tol`: convergence is quadratic there.
    """
    coef = start.copy()
    best = np.inf
    origin, direction, share = coef, np.zeros_like(coef), 1.0
    passes = 0
    while True:
        state = evaluate(NewtonFold(objective, coef))
        passes += 1
        value = state.loss + penalty_value(objective, coef)
        if not np.isfinite(value) or value > best + 1e-12 * abs(best):
            share *= 0.25
            if passes >= max_passes or share < 1e-6:
                return NewtonResult(origin, passes, False, best)
            coef = origin + share * direction
            continue
        origin, best, share = coef, value, 1.0
        step, predicted = _model_step(objective, state, coef)
        direction = step
        coef = coef + step
        scale = max(abs(best), 1e-3)
        if predicted <= tol * scale:
            return NewtonResult(coef, passes, True, best)
        if passes >= max_passes:
            # An unconfirmed step is only worth taking where the model can be trusted.
            trusted = predicted <= 1e-2 * scale
            return NewtonResult(
                coef if trusted else origin, passes, trusted and predicted <= np.sqrt(tol) * scale, best
            )


def penalty_value(objective: Objective, coef: NDArray[np.float64]) -> float:
    """Return the penalty of coefficients of shape (k, p)."""
    scaled = objective.factors * coef
    return float(objective.l1 * np.abs(scaled).sum() + 0.5 * objective.l2 * (scaled * scaled).sum())


def _model_step(
    objective: Objective, state: NewtonState, coef: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the minimiser of the penalised quadratic model, as a step, and its predicted decrease."""
    f = objective.factors
    w = coef[0]
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
        return step[None], float(max(predicted, 0.0))
    step[free] = -solve_psd(hessian[np.ix_(free, free)], gradient[free])
    return step[None], float(-0.5 * gradient @ step)


def solve_psd(matrix: NDArray[np.float64], rhs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve a positive semidefinite system; the least-norm solution when it is singular.

    Rows and columns are first scaled to a unit diagonal, so that the units of columns do not decide
    what counts as singular.
    """
    diagonal = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    scale = np.where(diagonal > 0.0, 1.0 / np.where(diagonal > 0.0, diagonal, 1.0), 0.0)
    scaled = matrix * scale[:, None] * scale
    try:
        factor = linalg.cho_factor(scaled, lower=True, check_finite=False)
        pivots = np.diag(factor[0])
        if pivots.min() > 1e-7 * max(1.0, pivots.max()):
            return np.asarray(scale * linalg.cho_solve(factor, scale * rhs, check_finite=False))
    except linalg.LinAlgError:
        pass
    values, vectors = linalg.eigh(scaled, check_finite=False)
    kept = values > len(values) * np.finfo(float).eps * max(values.max(), 1e-300)
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    return np.asarray(scale * (vectors @ (inverse * (vectors.T @ (scale * rhs)))))
