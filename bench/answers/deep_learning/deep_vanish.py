"""Why do gradients vanish in deep networks?

Backwards each layer multiplies by its weights and by the slope of its activation, which for a sigmoid is a quarter at
most: the product over layers is geometric (Hochreiter, 1991; Glorot and Bengio, 2010).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.network import Network, descend, held_out, logistic

QUICK, STANDARD = 2_000, 10_000
CLAIM = "Under sigmoids the gradient falls geometrically with the layers behind it, and a deep network does not learn."
ANSWER = """Each layer backwards took the gradient's norm by a factor of {factor:.2f} in a network of {deep}
sigmoid layers, so the first layer got {ratio:.0e} of what the last one got. The derivative of one sigmoid is
at most a quarter; here it was {slope:.2f} on average. After {steps} steps on {rows:,} rows a network of
{shallow} layers had reached a loss of {shallow_loss:.3f} on fresh rows, the one of {deep} layers
{deep_loss:.3f}, where always saying one half costs {half:.3f}. The best of {rates} step sizes was taken for
each, so it is not the rate that is wrong. With all steps the first layer's weights moved by {moved:.0e} of
their norm, in the shallow network by {shallow_moved:.1f}. Gradients can as well grow: weights {grown:g} times
larger under ReLU made the first layer's {grow:,.0f} times larger."""
LINKS = ("bench/answers/network.py", "bench/answers/derivations/der_backprop.py")
DEEP, SHALLOW, WIDTH, STEPS, RATES, GROWN = 10, 2, 24, 400, (0.3, 3.0, 10.0), 3.0


def rows_of(random: Any, rows: int) -> tuple[Any, Any]:
    """Return columns and labels of a rule that a line misses."""
    x = random.normal(size=(rows, 4))
    return x, (x[:, 0] * x[:, 1] + 0.5 * x[:, 2] > 0.0).astype(np.float64)


def norms(network: Network, x: Any, y: Any) -> list[float]:
    """Return the norms of the derivatives by each layer's weights, first to last."""
    grads = network.backward(logistic(network.forward(x), y)[1])
    return [float(np.linalg.norm(g)) for g in grads if g.ndim == 2]


def measure(rows: int) -> dict[str, Any]:
    """Look at the gradient by layer, then train a deep and a shallow one."""
    random = np.random.default_rng(0)
    (x, y), (new, truth) = rows_of(random, rows), rows_of(random, 4_000)
    found: dict[str, Any] = {"rows": rows, "deep": DEEP, "shallow": SHALLOW, "steps": STEPS, "rates": len(RATES),
                             "grown": GROWN, "half": float(np.log(2.0))}  # fmt: skip
    by_layer = np.mean([norms(_network(DEEP, "sigmoid", s), x[:500], y[:500]) for s in range(5)], axis=0)[
        1:-1
    ]
    first = [
        np.mean([norms(_network(DEEP, "relu", s, c), x[:500], y[:500])[0] for s in range(5)])
        for c in (1, GROWN)
    ]
    whole = np.mean([norms(_network(DEEP, "sigmoid", s), x[:500], y[:500]) for s in range(5)], axis=0)
    network = _network(DEEP, "sigmoid", 0)
    network.forward(x[:500])
    found["slope"] = float(np.mean([a * (1.0 - a) for _, _, a, _, _ in network.kept]))
    found["norms"] = whole.tolist()
    found["factor"] = float((by_layer[0] / by_layer[-1]) ** (1.0 / (len(by_layer) - 1)))
    found["grow"] = float(first[1] / first[0])
    found["ratio"] = float(whole[0] / whole[-1])
    for name, depth in (("shallow", SHALLOW), ("deep", DEEP)):
        tries = []
        for rate in RATES:
            network = _network(depth, "sigmoid", 0)
            before = network.weights[0].copy()
            descend(network, x, y, logistic, steps=STEPS, rate=rate, momentum=0.9)
            moved = float(np.linalg.norm(network.weights[0] - before) / np.linalg.norm(before))
            tries.append((held_out(network, new, truth, logistic), moved))
        found[f"{name}_loss"], found["moved" if name == "deep" else "shallow_moved"] = min(tries)
    return found


def _network(depth: int, activation: str, seed: int, scale: float = 1.0) -> Network:
    return Network((4, *[WIDTH] * (depth - 1), 1), activation, seed=seed, scale=scale)


def holds(found: dict[str, Any]) -> bool:
    """Geometric, and not learned."""
    geometric = found["factor"] < 0.4 and found["ratio"] < 1e-3 and found["grow"] > 100.0
    return bool(geometric and found["shallow_loss"] < 0.4 and found["deep_loss"] > 0.6)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Norm by layer."""
    axes.semilogy(np.arange(1, len(found["norms"]) + 1), found["norms"], "o-", color="#c2410c")
    axes.set(xlabel="layer, first to last", ylabel="norm of the gradient at the start")
