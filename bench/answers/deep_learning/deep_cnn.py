"""Why does convolution beat dense layers on images?

One small filter looks for its pattern everywhere with the same few weights; a dense layer must learn it anew at each
place (LeCun et al., 1989).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.network import Network, descend, held_out, logistic

QUICK, STANDARD = 600, 2_000
CLAIM = "On patterns at random places convolution needs fewer weights and rows, and finds them where it never saw them."
ANSWER = """It learns a pattern once for all places: on {rows:,} pictures of {side} by {side} with one of two
patterns at a random place, a convolution with {conv_weights} weights was right on {conv:.3f} of fresh ones
and a dense network with {dense_weights:,} weights on {dense:.3f}. Trained on patterns in the left half only,
on pictures with them in the right half it was right on {conv_moved:.3f}, the dense network on
{dense_moved:.3f}, where chance is one half. With all pixels put in one random order, the same for all
pictures, the convolution falls to {conv_shuffled:.3f} and the dense network stays at {dense_shuffled:.3f}:
the gain is knowledge of which pixels are neighbours. So it helps where things may be anywhere, and not in
tables, whose columns have no neighbours."""
LINKS = ("bench/answers/network.py",)
SIDE, SIZE, FILTERS, STEPS = 10, 3, 8, 500
PATTERNS = np.array([[[1, 0, 1], [0, 1, 0], [1, 0, 1]], [[0, 1, 0], [1, 1, 1], [0, 1, 0]]], np.float64) * 1.6


class Convolution:
    """One layer of filters, ReLU, the largest over places, and a line: with `weights` as `Network` has them."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.weights: list[Any] = [
            random.normal(size=(SIZE * SIZE, FILTERS)) * np.sqrt(2.0) / SIZE, np.zeros(FILTERS),
            random.normal(size=(FILTERS, 1)) / np.sqrt(FILTERS), np.zeros(1),
        ]  # fmt: skip

    def forward(self, x: Any, train: bool = False) -> Any:
        """Return scores, shape (n, 1)."""
        pictures = x.reshape(-1, SIDE, SIDE)
        patches = np.lib.stride_tricks.sliding_window_view(pictures, (SIZE, SIZE), axis=(1, 2))
        self.patches = patches.reshape(len(x), -1, SIZE * SIZE)
        z = self.patches @ self.weights[0] + self.weights[1]
        self.place = z.argmax(axis=1)
        self.largest = np.take_along_axis(z, self.place[:, None], axis=1)[:, 0]
        self.hidden = np.maximum(self.largest, 0.0)
        return self.hidden @ self.weights[2] + self.weights[3]

    def backward(self, by_scores: Any) -> list[Any]:
        """Return the derivatives by the weights: each filter hears only the place where it was largest."""
        back = by_scores @ self.weights[2].T * (self.largest > 0.0)
        chosen = self.patches[np.arange(len(back))[:, None], self.place]
        first = np.einsum("nf,nfp->pf", back, chosen)
        return [first, back.sum(axis=0), self.hidden.T @ by_scores, by_scores.sum(axis=0)]


def measure(rows: int) -> dict[str, Any]:
    """Three tasks for both."""
    order = np.random.default_rng(7).permutation(SIDE * SIDE)
    found: dict[str, Any] = {"rows": rows, "side": SIDE}
    tasks = {
        "": (_pictures(rows, 0), _pictures(3_000, 1)),
        "_moved": (_pictures(rows, 0, "left"), _pictures(3_000, 1, "right")),
    }
    (x, y), (new, truth) = tasks[""]
    tasks["_shuffled"] = ((x[:, order], y), (new[:, order], truth))
    for name, ((x, y), (new, truth)) in tasks.items():
        models: dict[str, Any] = {"conv": Convolution(1), "dense": Network((SIDE * SIDE, 64, 1), seed=1)}
        for kind, model in models.items():
            losses = descend(
                model,
                x,
                y,
                logistic,
                steps=STEPS,
                rate=0.02 if kind == "conv" else 0.003,
                adam=True,
                batch=64,
            )
            found[kind + name] = float(((model.forward(new)[:, 0] > 0.0) == truth).mean())
            found[f"{kind}_weights"] = int(sum(w.size for w in model.weights))
            if not name:
                found[f"{kind}_losses"] = np.array(losses).reshape(-1, 20).mean(axis=1).tolist()
                found[f"{kind}_loss"] = held_out(model, new, truth, logistic)
    return found


def _pictures(rows: int, seed: int, half: str = "") -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, rows)
    x = 0.5 * random.normal(size=(rows, SIDE, SIDE))
    top = random.integers(0, SIDE - SIZE + 1, rows)
    first, last = {"": (0, SIDE - SIZE), "left": (0, SIDE // 2 - SIZE), "right": (SIDE // 2, SIDE - SIZE)}[
        half
    ]
    left = random.integers(first, last + 1, rows)
    for k in range(rows):
        x[k, top[k] : top[k] + SIZE, left[k] : left[k] + SIZE] += PATTERNS[y[k]]
    return x.reshape(rows, -1), y.astype(np.float64)


def holds(found: dict[str, Any]) -> bool:
    """Ahead with fewer weights, at new places, and not in another order."""
    ahead = found["conv"] > found["dense"] + 0.05 and found["conv_weights"] < 0.1 * found["dense_weights"]
    moved = found["conv_moved"] > 0.85 and found["dense_moved"] < 0.65
    return bool(ahead and moved and found["conv_shuffled"] < found["conv"] - 0.1)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Training loss."""
    for name, colour, label in (("conv", "#c2410c", "convolution"), ("dense", "#64748b", "dense")):
        axes.plot(
            np.arange(len(found[f"{name}_losses"])) * 20, found[f"{name}_losses"], color=colour, label=label
        )
    axes.set(xlabel="step", ylabel="training loss")
    axes.legend(frameon=False)
