"""Optimizers: how one coefficient moves on one mini-batch gradient.

A coefficient is a cell of eight float32: weight, two accumulators, the gradient being gathered, the
number of iterates its average has seen, that average, and one minus the scale of its rate, so that
a cell of zeros learns at the full rate.
Dense columns and categories use the same cells and the same function, so a sparse model pays only
for the categories a row has.

Coefficients that a batch does not touch are brought up to date when next touched: the penalty of
the missed steps first (lazy regularisation), then the average over the iterates they stood still.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.linear.gradients import STEEPEST
from scalable.kernels.linear.penalties import penalty_value, prox, soft_threshold

W, S0, S1, GRADIENT, SEEN, AVERAGE, RATE_CUT = range(7)
FIELDS = 8  # 32 bytes: two cells a cache line

NORMALIZED, ADAGRAD, SGD, ADAM, FTRL = range(5)

# name -> (code, default rate). "normalized" divides its rate by the root of the active features.
OPTIMIZERS = {
    "normalized": (NORMALIZED, 2.0),
    "adagrad": (ADAGRAD, 0.1),
    "sgd": (SGD, 0.05),
    "adam": (ADAM, 0.005),
    "ftrl": (FTRL, 0.2),
}

# Places in the vector of hyper-parameters.
RATE, POWER, MOMENTUM, BETA2, EPSILON, FTRL_BETA, L1, L2 = range(8)
N_HYPER = 8


def hyper_parameters(
    rate: float,
    power: float = 0.25,
    momentum: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    ftrl_beta: float = 1.0,
    l1: float = 0.0,
    l2: float = 0.0,
) -> np.ndarray:
    """Return the vector that the kernels take, shape (8,), float64."""
    return np.array([rate, power, momentum, beta2, epsilon, ftrl_beta, l1, l2])


@kernel(inline=True)
def step_rate(code: int, hyper: np.ndarray, cell: np.ndarray, t: float) -> Any:
    """Return the rate at which a cell moves at step `t` >= 1 (also used for missed penalties)."""
    base = hyper[RATE] * (1.0 - cell[RATE_CUT])
    if code == SGD:
        return base / t ** hyper[POWER]
    if code == ADAM:
        return base / (np.sqrt(cell[S1] / (1.0 - hyper[BETA2] ** t)) + hyper[EPSILON])
    return base / (np.sqrt(np.float64(cell[S0])) + 1e-30) if cell[S0] > 0.0 else 0.0


@kernel(inline=True)
def ftrl_weight(hyper: np.ndarray, z: float, n: float, l1: float, l2: float) -> Any:
    """Return FTRL-Proximal's closed-form coefficient (McMahan et al., 2013)."""
    return -soft_threshold(z, l1) / ((hyper[FTRL_BETA] + np.sqrt(n)) / hyper[RATE] + l2)


@kernel(inline=True)
def relaxed_average(cell: np.ndarray, w: float, t: float) -> Any:
    """Return a cell's average at step `t`, its weight `w` having stood still since it was last seen.

    The average weighs iterate k by k^3 (polynomial decay, Shamir & Zhang, 2013).
    """
    share = np.float64(cell[SEEN]) / t
    share *= share
    return w + (np.float64(cell[AVERAGE]) - w) * share * share


@kernel()
def catch_up(code: int, hyper: np.ndarray, cell: np.ndarray, factor: float, t: float) -> None:
    """Apply to a cell what the steps before `t` owe it: missed penalties and its average."""
    seen = np.float64(cell[SEEN])
    if seen < t:
        missed = t - 1.0 - seen
        w = np.float64(cell[W])
        if missed > 0.0 and code != FTRL and w != 0.0 and hyper[L1] + hyper[L2] > 0.0:
            rate = step_rate(code, hyper, cell, t)
            w = prox(w, rate * missed, hyper[L1] * factor, hyper[L2] * factor * factor)
            cell[W] = w
        cell[AVERAGE] = relaxed_average(cell, w, t)
        cell[SEEN] = t


@kernel()
def update(code: int, hyper: np.ndarray, cell: np.ndarray, g: float, factor: float, t: float) -> None:
    """Move one cell on gradient `g` at step `t` = 1, 2, ...

    Parameters
    ----------
    code : int
        Number of the optimizer.
    hyper : array of shape (8,)
        See `hyper_parameters`.
    cell : array of shape (8,), float32
        Updated.
    g : float
        Mean gradient over the batch.
    factor : float
        Penalty factor of this coefficient: it is penalised as ``factor * w``.
    t : float
        Step, counted over the whole training of a replica.
    """
    catch_up(code, hyper, cell, factor, t)
    l1 = hyper[L1] * factor
    l2 = hyper[L2] * factor * factor
    w = np.float64(cell[W])
    g = min(max(g, -STEEPEST), STEEPEST)
    if code == FTRL:
        n = np.float64(cell[S1])
        grown = n + g * g
        z = np.float64(cell[S0]) + g - (np.sqrt(grown) - np.sqrt(n)) / hyper[RATE] * w
        cell[S0] = z
        cell[S1] = grown
        # The penalty of t steps of mean gradients.
        cell[W] = ftrl_weight(hyper, z, grown, l1 * t, l2 * t)
        return
    if code == SGD:
        cell[S0] = hyper[MOMENTUM] * cell[S0] + (1.0 - hyper[MOMENTUM]) * g
        cell[S1] += 1.0
        move = float(cell[S0])
    elif code == ADAM:
        cell[S0] = hyper[MOMENTUM] * cell[S0] + (1.0 - hyper[MOMENTUM]) * g
        cell[S1] = hyper[BETA2] * cell[S1] + (1.0 - hyper[BETA2]) * g * g
        move = cell[S0] / (1.0 - hyper[MOMENTUM] ** t)
    else:
        cell[S0] += g * g
        move = g
    rate = step_rate(code, hyper, cell, t)
    cell[W] = min(max(prox(w - rate * move, rate, l1, l2), -STEEPEST), STEEPEST)


@kernel()
def flush(code: int, hyper: np.ndarray, table: np.ndarray, factors: np.ndarray, t: float) -> None:
    """Bring every cell up to date with `t` finished steps.

    Parameters
    ----------
    table : array of shape (k, n, 8), float32
        Cells, updated.
    factors : array of shape (n,)
        Penalty factors.
    """
    for o in range(table.shape[0]):
        for j in range(table.shape[1]):
            catch_up(code, hyper, table[o, j], factors[j], t + 1.0)


@kernel()
def relax(before: np.ndarray, t: float, out: np.ndarray) -> None:
    """Write to the averages of `out` those that cells `before`, both of shape (k, n, 8), have at step `t`."""
    for o in range(before.shape[0]):
        for j in range(before.shape[1]):
            cell = before[o, j]
            out[o, j, AVERAGE] = relaxed_average(cell, np.float64(cell[W]), t)


@kernel()
def add_replica(
    touched: bool,
    source: int,
    t: float,
    before: np.ndarray,
    after: np.ndarray,
    prior: np.ndarray,
    moves: np.ndarray,
    learned: np.ndarray,
    growth: np.ndarray,
) -> None:
    """Add what one replica learned to the sums over replicas from which their models are merged.

    Parameters
    ----------
    touched : bool
        Whether a replica counts for a coefficient as soon as it moved it; otherwise by the growth of `source`.
    source : int
        The accumulator that grows with what is learned.
    t : float
        The step up to which the replica's averages go.
    before, after : arrays of shape (k, n, 8), float32
        Cells at the start of the round, and of the replica at its end.
    prior : array of shape (n,)
        What every replica counts for beside its growth.
    moves : array of shape (k, n, 2), float64
        Updated: weighted moves of the weight, and of the average beyond where it would have come by itself.
    learned : array of shape (k, n), float64
        Updated: growth of `source`.
    growth : array of shape (k, n, 2), float64
        Updated: growth of both accumulators.
    """
    for o in range(before.shape[0]):
        for j in range(before.shape[1]):
            old = before[o, j]
            new = after[o, j]
            moved = 1.0 if new[W] != old[W] else 0.0
            share = moved if touched else np.float64(new[source]) - np.float64(old[source])
            learned[o, j] += share
            weight = prior[j] + share
            moves[o, j, 0] += weight * (np.float64(new[W]) - np.float64(old[W]))
            moves[o, j, 1] += weight * (
                np.float64(new[AVERAGE]) - relaxed_average(old, np.float64(old[W]), t)
            )
            growth[o, j, 0] += np.float64(new[S0]) - np.float64(old[S0])
            growth[o, j, 1] += np.float64(new[S1]) - np.float64(old[S1])


@kernel()
def penalty(hyper: np.ndarray, table: np.ndarray, factors: np.ndarray) -> Any:
    """Return the penalty of all weights, in the units of the mean loss."""
    total = 0.0
    for o in range(table.shape[0]):
        for j in range(table.shape[1]):
            f = factors[j]
            total += penalty_value(np.float64(table[o, j, W]), hyper[L1] * f, hyper[L2] * f * f)
    return total
