"""Why does dropout work?

Each step trains another part of the network, so no unit can rely on another, and at prediction one network stands for
the mean of very many (Srivastava et al., 2014).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.network import Network, descend, held_out, logistic

QUICK, STANDARD = 300, 600
CLAIM = "On few noisy rows dropout, as many networks do, ends at a lower held-out loss, and leans less on each unit."
ANSWER = """It is an average in one network: trained to the end on {rows} rows with {noise:.0%} of the labels
flipped, the held-out loss was {plain:.3f} without and {dropped:.3f} with half of the units dropped in each
step; the mean of {many} networks without dropout had {ensemble:.3f}, and the best possible is {best:.3f}.
Without dropout the training loss went to {plain_train:.3f}, with it to {dropped_train:.3f}. Units lean less on
each other: taking out one of {units} changed the training loss by {dropped_vital:.4f} with dropout and by
{plain_vital:.4f} without. Dropping {over:.0%} instead of half gave {much:.3f}: how much to drop is to be tuned.
On {plenty:,} rows the gain shrank from {gain:.3f} to {gain_plenty:.3f}, since many rows regularise by
themselves. Early stopping would have saved a part of the plain network's loss."""
LINKS = ("bench/answers/network.py",)
NOISE, UNITS, STEPS, MANY, OVER, DRAWS = 0.15, 128, 1_500, 5, 0.95, 2


def measure(rows: int) -> dict[str, Any]:
    """Train with and without, and an ensemble without."""
    found: dict[str, Any] = {
        "rows": rows,
        "noise": NOISE,
        "units": UNITS,
        "many": MANY,
        "over": OVER,
        "plenty": 10 * rows,
    }
    names = (
        "plain",
        "dropped",
        "ensemble",
        "plain_train",
        "dropped_train",
        "plain_vital",
        "dropped_vital",
        "much",
    )
    sums = dict.fromkeys((*names, "best", "plenty_plain", "plenty_dropped"), 0.0)
    curves: dict[str, list[float]] = {"plain": [], "dropped": []}
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        (x, y, _), (new, truth, p), (wide, labels, _) = (_rows(random, n) for n in (rows, 4_000, 10 * rows))
        sums["best"] += -float((truth * np.log(p) + (1.0 - truth) * np.log(1.0 - p)).mean())
        for name, share in (("plain", 0.0), ("dropped", 0.5), ("much", OVER)):
            network = Network((10, UNITS, 1), seed=seed, dropout=share)

            seen: list[float] = []

            def watch(step: int, net: Network = network, held: Any = (new, truth), to: Any = seen) -> None:
                if step % 100 == 0:
                    to.append(held_out(net, held[0], held[1], logistic))

            descend(network, x, y, logistic, steps=STEPS, rate=0.003, adam=True, batch=32, watch=watch)
            sums[name] += held_out(network, new, truth, logistic)
            if name in curves:
                curves[name] = seen
                sums[f"{name}_train"] += (now := held_out(network, x, y, logistic))
                sums[f"{name}_vital"] += float(
                    np.mean([abs(_without(network, k, x, y) - now) for k in range(UNITS)])
                )
                more = Network((10, UNITS, 1), seed=seed, dropout=share)
                descend(more, wide, labels, logistic, steps=STEPS, rate=0.003, adam=True, batch=32)
                sums[f"plenty_{name}"] += held_out(more, new, truth, logistic)
        votes = np.zeros(len(new))
        for k in range(MANY):
            network = Network((10, UNITS, 1), seed=100 + k)
            descend(network, x, y, logistic, steps=STEPS, rate=0.003, adam=True, batch=32, seed=k)
            votes += 1.0 / (1.0 + np.exp(-network.forward(new)[:, 0])) / MANY
        votes = np.clip(votes, 1e-9, 1.0 - 1e-9)
        sums["ensemble"] += -float((truth * np.log(votes) + (1.0 - truth) * np.log(1.0 - votes)).mean())
    means = {name: value / DRAWS for name, value in sums.items()}
    means |= {
        "gain": means["plain"] - means["dropped"],
        "gain_plenty": means["plenty_plain"] - means["plenty_dropped"],
    }
    return {**found, **means, "curves": curves}


def _without(network: Network, unit: int, x: Any, y: Any) -> float:
    kept = network.weights[-2][unit].copy()
    network.weights[-2][unit] = 0.0
    value = held_out(network, x, y, logistic)
    network.weights[-2][unit] = kept
    return value


def _rows(random: Any, rows: int) -> tuple[Any, Any, Any]:
    x = random.normal(size=(rows, 10))
    p = np.where(x[:, 0] + x[:, 1] * x[:, 2] > 0.0, 1.0 - NOISE, NOISE)
    return x, (random.random(rows) < p).astype(np.float64), p


def holds(found: dict[str, Any]) -> bool:
    """A lower loss, the ensemble lower too, less vital units, and a smaller gain with rows in plenty."""
    lower = found["dropped"] < found["plain"] - 0.05 and found["ensemble"] < found["plain"] - 0.02
    return bool(
        lower and found["dropped_vital"] < found["plain_vital"] and found["gain_plenty"] < found["gain"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Held-out loss by step."""
    for name, colour, label in (("plain", "#64748b", "without"), ("dropped", "#c2410c", "half dropped")):
        axes.plot(
            np.arange(len(found["curves"][name])) * 100, found["curves"][name], color=colour, label=label
        )
    axes.axhline(found["best"], color="k", ls=":", lw=1, label="best possible")
    axes.set(xlabel="step", ylabel="held-out log loss")
    axes.legend(frameon=False)
