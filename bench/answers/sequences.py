"""A recurrent layer and a layer of attention in NumPy, both told to give back a symbol that was marked long ago."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

SYMBOLS = 4


def marked(random: Any, rows: int, length: int, place: int | None = None) -> tuple[Any, Any]:
    """Return sequences of random symbols, one marked, and that symbol.

    Symbols are one-hot, the mark is a column more: shape (rows, length, SYMBOLS + 1). `place` counts from the end, by
    default it is the first.
    """
    symbols = random.integers(0, SYMBOLS, (rows, length))
    x = np.zeros((rows, length, SYMBOLS + 1))
    np.put_along_axis(x[:, :, :SYMBOLS], symbols[:, :, None], 1.0, axis=2)
    at = 0 if place is None else length - 1 - place
    x[:, at, SYMBOLS] = 1.0
    return x, symbols[:, at]


def cross_entropy(scores: Any, y: Any) -> tuple[float, Any]:
    """Return the mean loss of classes, and its derivative by the scores."""
    logs = scores - special.logsumexp(scores, axis=1, keepdims=True)
    back = np.exp(logs)
    back[np.arange(len(y)), y] -= 1.0
    return float(-logs[np.arange(len(y)), y].mean()), back / len(y)


class Recurrent:
    """One tanh layer over time; the last state makes the scores. `weights` and `backward` as `network.Network`."""

    def __init__(self, units: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        inward = random.normal(size=(SYMBOLS + 1, units)) / np.sqrt(SYMBOLS + 1)
        around = np.linalg.qr(random.normal(size=(units, units)))[0]
        self.weights: list[Any] = [
            inward,
            around,
            np.zeros(units),
            random.normal(size=(units, SYMBOLS)) / np.sqrt(units),
        ]

    def forward(self, x: Any, train: bool = False) -> Any:
        """Return scores, shape (n, SYMBOLS): one product after another, as many as the sequence is long."""
        inward, around, start, out = self.weights
        self.x, self.states = x, [np.zeros((len(x), around.shape[0]))]
        for t in range(x.shape[1]):
            self.states.append(np.tanh(x[:, t] @ inward + self.states[-1] @ around + start))
        return self.states[-1] @ out

    def backward(self, by_scores: Any) -> list[Any]:
        """Return the derivatives by the weights; those by each state are kept in `reach`, last first."""
        inward, around, start, out = self.weights
        grads = [
            np.zeros_like(inward),
            np.zeros_like(around),
            np.zeros_like(start),
            self.states[-1].T @ by_scores,
        ]
        back, self.reach = by_scores @ out.T, []
        for t in range(self.x.shape[1] - 1, -1, -1):
            self.reach.append(float(np.linalg.norm(back)))
            back = back * (1.0 - self.states[t + 1] ** 2)
            grads[0] += self.x[:, t].T @ back
            grads[1] += self.states[t].T @ back
            grads[2] += back.sum(axis=0)
            back = back @ around.T
        return grads


class Attention:
    """One learned question to all places at once; the mean of their values by their answers makes the scores."""

    def __init__(self, units: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.weights: list[Any] = [
            random.normal(size=(SYMBOLS + 1, units)) / np.sqrt(SYMBOLS + 1),
            random.normal(size=units),
            random.normal(size=(SYMBOLS + 1, SYMBOLS)) / np.sqrt(SYMBOLS + 1),
        ]

    def forward(self, x: Any, train: bool = False) -> Any:
        """Return scores, shape (n, SYMBOLS): three products, however long the sequence."""
        keys, question, values = self.weights
        self.x, self.keys = x, x @ keys
        self.share = special.softmax(self.keys @ question / np.sqrt(len(question)), axis=1)
        self.seen = (self.share[:, :, None] * x).sum(axis=1)
        return self.seen @ values

    def backward(self, by_scores: Any) -> list[Any]:
        """Return the derivatives by the weights; those by the value at each place are kept in `reach`, last first."""
        _, question, values = self.weights
        by_seen = by_scores @ values.T
        by_share = np.einsum("nd,ntd->nt", by_seen, self.x)
        by_answer = (
            self.share
            * (by_share - (self.share * by_share).sum(axis=1, keepdims=True))
            / np.sqrt(len(question))
        )
        by_question = np.einsum("nt,ntu->u", by_answer, self.keys)
        by_keys = np.einsum("ntd,nt->d", self.x, by_answer)[:, None] * question
        self.reach = [
            float(np.linalg.norm(self.share[:, t, None] * by_seen)) for t in range(self.x.shape[1])
        ][::-1]
        return [by_keys, by_question, self.seen.T @ by_scores]
