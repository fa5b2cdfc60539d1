"""A small network in NumPy, for answers that look inside of one: layers, backpropagation, and the steps of descent."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "relu": (lambda z: np.maximum(z, 0.0), lambda z, a: (z > 0.0).astype(z.dtype)),
    "sigmoid": (special.expit, lambda z, a: a * (1.0 - a)),
    "tanh": (np.tanh, lambda z, a: 1.0 - a * a),
}


class Network:
    """Dense layers with one activation, the last without.

    Parameters
    ----------
    widths : sequence of int
        Columns, units of each hidden layer, outputs.
    activation : {"relu", "sigmoid", "tanh"}
    seed : int
        Of the weights: He's deviation for ReLU, Glorot's for the others, times `scale`.
    normalised : bool
        Whether scores of hidden layers are normalised over the batch (Ioffe and Szegedy, 2015).
    dropout : float
        Share of hidden units left out in each training step.
    """

    def __init__(
        self, widths: Any, activation: str = "relu", *, seed: int = 0, scale: float = 1.0, normalised: bool = False,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        self.random = np.random.default_rng(seed)
        self.act, self.slope = ACTIVATIONS[activation]
        self.normalised, self.dropout = normalised, dropout
        gain = 2.0 if activation == "relu" else 1.0
        self.weights: list[Any] = []  # of each layer: weights, intercepts, and where normalised scale
        self.running: list[Any] = []
        for k, (i, o) in enumerate(itertools.pairwise(widths)):
            self.weights += [scale * np.sqrt(gain / i) * self.random.normal(size=(i, o)), np.zeros(o)]
            if normalised and k < len(widths) - 2:
                self.weights.append(np.ones(o))
                self.running.append([np.zeros(o), np.ones(o)])
        self.per = 3 if normalised else 2
        self.depth = len(widths) - 1

    def forward(self, x: Any, train: bool = False) -> Any:
        """Return the scores, shape (n, outputs), and keep what `backward` needs."""
        self.kept: list[Any] = []
        for k in range(self.depth - 1):
            w, b, *scale = self.weights[self.per * k : self.per * k + self.per]
            z, normal = x @ w, None
            if self.normalised:
                if train:
                    mean, deviation = z.mean(axis=0), np.sqrt(z.var(axis=0) + 1e-5)
                    self.running[k] = [
                        0.9 * r + 0.1 * n for r, n in zip(self.running[k], (mean, deviation), strict=True)
                    ]
                else:
                    mean, deviation = self.running[k]
                normal = ((z - mean) / deviation, deviation)
                z = normal[0] * scale[0]
            z = z + b
            a = self.act(z)
            mask = None
            if train and self.dropout:
                mask = (self.random.random(a.shape) >= self.dropout) / (1.0 - self.dropout)
            self.kept.append((x, z, a, normal, mask))
            x = a if mask is None else a * mask
        self.last = x
        return x @ self.weights[-2] + self.weights[-1]

    def backward(self, by_scores: Any) -> list[Any]:
        """Return the derivatives by all weights, from those by the scores."""
        out = [self.last.T @ by_scores, by_scores.sum(axis=0)]
        back = by_scores @ self.weights[-2].T
        for k in range(self.depth - 2, -1, -1):
            x, z, a, normal, mask = self.kept[k]
            w, _, *scale = self.weights[self.per * k : self.per * k + self.per]
            back = (back if mask is None else back * mask) * self.slope(z, a)
            grads = [back.sum(axis=0)]
            if normal is not None:
                unit, deviation = normal
                grads.append((back * unit).sum(axis=0))
                back = back * scale[0]
                back = (back - back.mean(axis=0) - unit * (back * unit).mean(axis=0)) / deviation
            out = [x.T @ back, *grads, *out]
            back = back @ w.T
        return out


def logistic(scores: Any, y: Any) -> tuple[float, Any]:
    """Return the mean log loss of labels 0 and 1, shape (n,), and its derivative by the scores, shape (n, 1)."""
    z = scores[:, 0]
    return float((np.logaddexp(0.0, z) - y * z).mean()), (special.expit(z) - y)[:, None] / len(y)


def squared(scores: Any, y: Any) -> tuple[float, Any]:
    """Return the mean squared error of targets, shape (n,), and its derivative by the scores, shape (n, 1)."""
    off = scores[:, 0] - y
    return float((off**2).mean()), 2.0 * off[:, None] / len(y)


def descend(
    network: Any, x: Any, y: Any, loss: Any, *, steps: int, rate: float, batch: int = 64, adam: bool = False,
    momentum: float = 0.0, decay: float = 0.0, seed: int = 0, watch: Any = None,
) -> list[float]:  # fmt: skip
    """Train in place by stochastic descent or Adam (Kingma and Ba, 2015); return the loss of each batch.

    `watch` is called with the number of each step, before it.
    """
    with np.errstate(all="ignore"):  # a step too long overflows
        return _descend(network, x, y, loss, steps, rate, batch, adam, momentum, decay, seed, watch)


def held_out(network: Any, x: Any, y: Any, loss: Any) -> float:
    """Return the loss on rows, infinite where training went beyond floating point."""
    with np.errstate(all="ignore"):
        value = float(loss(network.forward(x), y)[0])
    return value if np.isfinite(value) else np.inf


def _descend(
    network: Any, x: Any, y: Any, loss: Any, steps: int, rate: float, batch: int, adam: bool, momentum: float,
    decay: float, seed: int, watch: Any,
) -> list[float]:  # fmt: skip
    random, losses = np.random.default_rng(seed), []
    first = [np.zeros_like(w) for w in network.weights]
    second = [np.zeros_like(w) for w in network.weights]
    for step in range(steps):
        if watch is not None:
            watch(step)
        rows = random.integers(0, len(y), batch) if batch < len(y) else np.arange(len(y))
        value, by_scores = loss(network.forward(x[rows], train=True), y[rows])
        losses.append(value)
        gradients = network.backward(by_scores)
        for k, (w, g) in enumerate(zip(network.weights, gradients, strict=True)):
            if adam:
                first[k] += 0.1 * (g - first[k])
                second[k] += 0.001 * (g * g - second[k])
                root = np.sqrt(second[k] / (1.0 - 0.999 ** (step + 1)))
                network.weights[k] = w - rate * first[k] / (1.0 - 0.9 ** (step + 1)) / (root + 1e-8)
            else:
                first[k] = momentum * first[k] + g
                network.weights[k] = w - rate * first[k]
            if decay:
                network.weights[k] *= 1.0 - rate * decay
    return losses
