"""Why do rectified units help?

The slope of a rectified unit is one wherever it is open, so a product over layers need not vanish
(Glorot, Bordes and Bengio, 2011; He et al., 2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.deep_learning.deep_vanish import norms, rows_of
from bench.answers.network import Network, descend, held_out, logistic

QUICK, STANDARD = 2_000, 10_000
CLAIM = (
    "Through ten layers the gradient of rectified units keeps its size where that of sigmoids is gone, and only they, "
    "of the two, learn; some units die for it."
)
ANSWER = """Because an open unit hands the gradient on undiminished: in a network of {depth} layers the first
layer's gradient had {relu_ratio:.2f} of the norm of the last but one's under ReLU, {tanh_ratio:.2f} under
tanh and {sigmoid_ratio:.0e} under sigmoids, each with the starting weights that suit it. After {steps} steps
on {rows:,} rows, at the best of {rates} step sizes, the loss on fresh rows was {relu_loss:.3f},
{tanh_loss:.3f} and {sigmoid_loss:.3f}. About half of the units are open at the start ({open:.0%}), so weights
are drawn with twice the variance: with the variance that suits tanh the first layer's gradient was
{plain:.3f} times as large. The price is units that are shut for all rows: {dead:.1%} after training.
Normalised layers or residual paths make sigmoids trainable too."""
LINKS = ("bench/answers/network.py",)
DEPTH, WIDTH, STEPS, RATES = 10, 24, 400, (0.003, 0.02, 0.1, 1.0)


def measure(rows: int) -> dict[str, Any]:
    """Swap the activation, and nothing else."""
    random = np.random.default_rng(0)
    (x, y), (new, truth) = rows_of(random, rows), rows_of(random, 4_000)
    found: dict[str, Any] = {"rows": rows, "depth": DEPTH, "steps": STEPS, "rates": len(RATES), "curves": {}}
    for name in ("relu", "tanh", "sigmoid"):
        by_layer = np.mean([norms(_network(name, s), x[:500], y[:500]) for s in range(8)], axis=0)
        found[f"{name}_ratio"] = float(by_layer[0] / by_layer[-2])
        tries = []
        for rate in RATES:
            network = _network(name, 0)
            losses = descend(network, x, y, logistic, steps=STEPS, rate=rate, momentum=0.9)
            shut = float(np.mean([(z <= 0.0).all(axis=0).mean() for _, z, *_ in _kept(network, new)]))
            tries.append((held_out(network, new, truth, logistic), shut, losses))
        value, shut, losses = min(tries, key=lambda each: each[0])
        found[f"{name}_loss"] = value
        found["curves"][name] = np.array(losses).reshape(-1, 20).mean(axis=1).tolist()
        if name == "relu":
            found["dead"] = shut
            found["open"] = float(np.mean([(z > 0.0).mean() for _, z, *_ in _kept(_network(name, 0), new)]))
    start = [
        np.mean([norms(_network("relu", s, c), x[:500], y[:500])[0] for s in range(8)])
        for c in (1.0, np.sqrt(0.5))
    ]
    return {**found, "plain": float(start[1] / start[0])}


def _network(activation: str, seed: int, scale: float = 1.0) -> Network:
    return Network((4, *[WIDTH] * (DEPTH - 1), 1), activation, seed=seed, scale=scale)


def _kept(network: Network, x: Any) -> list[Any]:
    with np.errstate(all="ignore"):  # where it diverged
        network.forward(x)
    return network.kept


def holds(found: dict[str, Any]) -> bool:
    """The gradient arrives, and the network learns."""
    arrives = found["relu_ratio"] > 0.1 and found["sigmoid_ratio"] < 1e-3
    return bool(
        arrives and found["plain"] < 0.3 and found["relu_loss"] < 0.35 and found["sigmoid_loss"] > 0.6
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Training loss."""
    for (name, losses), colour in zip(
        found["curves"].items(), ("#c2410c", "#7c3aed", "#64748b"), strict=True
    ):
        axes.plot(np.arange(len(losses)) * 20, losses, color=colour, label=name)
    axes.set(xlabel="step", ylabel="training loss")
    axes.legend(frameon=False)
