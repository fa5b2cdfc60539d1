"""Steps of parameters: SGD with momentum, Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scalable.kernels.jit import kernel

SGD, ADAM, ADAMW = 0, 1, 2
SOLVERS = {"sgd": SGD, "adam": ADAM, "adamw": ADAMW}


class StepRule(NamedTuple):
    """How a step is made.

    Attributes
    ----------
    kind : int
        One of `SOLVERS`.
    rate : float
        Learning rate, for Adam with its correction for the moments' start.
    decay : float
        Strength of the penalty; of AdamW, what a weight loses a step.
    beta_1, beta_2, epsilon : float
        Of Adam; `beta_1` is the momentum of SGD.
    nesterov : bool
        Of SGD.
    """

    kind: int
    rate: float
    decay: float
    beta_1: float
    beta_2: float
    epsilon: float
    nesterov: bool


@kernel(inline=True)
def moved(rule: StepRule, w: float, g: float, moments: np.ndarray, decayed: bool) -> Any:
    """Return a parameter after a step, and change its moments."""
    if decayed and rule.kind != ADAMW:
        g += rule.decay * w
    if rule.kind == SGD:
        moments[0] = rule.beta_1 * moments[0] - rule.rate * g
        return w + (rule.beta_1 * moments[0] - rule.rate * g if rule.nesterov else moments[0])
    moments[0] = rule.beta_1 * moments[0] + (1.0 - rule.beta_1) * g
    moments[1] = rule.beta_2 * moments[1] + (1.0 - rule.beta_2) * g * g
    if decayed and rule.kind == ADAMW:
        w -= rule.decay * w
    return w - rule.rate * moments[0] / (np.sqrt(moments[1]) + rule.epsilon)


@kernel(fastmath=True)
def move(rule: StepRule, w: np.ndarray, gradient: np.ndarray, moments: np.ndarray, n_decayed: int) -> None:
    """Make a step.

    Parameters
    ----------
    rule : StepRule
        How.
    w, gradient : arrays of shape (p,)
        Parameters, changed, and the gradient.
    moments : array of shape (2, p)
        State of the optimizer; changed.
    n_decayed : int
        The first so many parameters are weights that the penalty holds back; biases and gains follow.
    """
    first, second = moments[0], moments[1]
    keep_1, keep_2 = 1.0 - rule.beta_1, 1.0 - rule.beta_2
    for i in range(w.size):
        v = w[i]
        g = gradient[i]
        decay = rule.decay if i < n_decayed else 0.0
        if rule.kind == ADAMW:
            v -= decay * v
        else:
            g += decay * v
        if rule.kind == SGD:
            first[i] = rule.beta_1 * first[i] - rule.rate * g
            w[i] = v + (rule.beta_1 * first[i] - rule.rate * g if rule.nesterov else first[i])
        else:
            first[i] = rule.beta_1 * first[i] + keep_1 * g
            second[i] = rule.beta_2 * second[i] + keep_2 * g * g
            w[i] = v - rule.rate * first[i] / (np.sqrt(second[i]) + rule.epsilon)
