"""Why does attention help with long sequences?

Between any two places it has one step, where a recurrent layer has as many as lie between, each of which may lose what
was there (Vaswani et al., 2017; Bengio, Simard and Frasconi, 1994).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.network import descend
from bench.answers.sequences import SYMBOLS, Attention, Recurrent, cross_entropy, marked

QUICK, STANDARD = 300, 600
UNIT = "steps of training"
CLAIM = "A recurrent layer recalls less and gets less gradient the further back a symbol lies; attention does not."
ANSWER = """Attention reaches every distance in one step: asked for a symbol marked {far} steps before, after
{steps} steps of training attention gave it back in {attention_far:.0%} of the cases and a recurrent layer of
the same {units} units in {recurrent_far:.0%}, where guessing gives {chance:.0%}; at a distance of {near} it was
{attention_near:.0%} and {recurrent_near:.0%}. At the start of training the gradient that reaches the marked
place {far} steps back was {recurrent_reach:.0e} of that at the last place in the recurrent layer, and
{attention_reach:.2f} in attention. Trained at a distance of {far}, attention recalled {longer} steps back in
{attention_longer:.0%} of the cases without more training. Gates (LSTM) ease this in recurrent layers; attention
pays for it with a number for each pair of places."""
LINKS = ("bench/answers/sequences.py",)
DISTANCES, UNITS, LONGER = (2, 8, 20, 40), 24, 160


def measure(rows: int) -> dict[str, Any]:
    """Train both at each distance; `rows` is the number of training steps, each on 32 fresh sequences."""
    found: dict[str, Any] = {"steps": rows, "units": UNITS, "chance": 1.0 / SYMBOLS, "longer": LONGER}
    found |= {"near": DISTANCES[0], "far": DISTANCES[-1], "distances": list(DISTANCES)}
    for name, kind in (("recurrent", Recurrent), ("attention", Attention)):
        recalls = []
        for distance in DISTANCES:
            random = np.random.default_rng(distance)
            x, y = marked(random, 32 * rows, distance + 1)
            model = kind(UNITS)
            _, back = cross_entropy(model.forward(x[:500]), y[:500])
            model.backward(back)
            found[f"{name}_reach"] = model.reach[-1] / model.reach[0]
            descend(
                model,
                x,
                y,
                cross_entropy,
                steps=rows,
                rate=0.01 if name == "attention" else 0.003,
                batch=32,
                adam=True,
            )
            recalls.append(_recall(model, distance + 1))
        found |= {name: recalls, f"{name}_near": recalls[0], f"{name}_far": recalls[-1]}
        found[f"{name}_longer"] = _recall(model, LONGER + 1)
    return found


def _recall(model: Any, length: int) -> float:
    x, y = marked(np.random.default_rng(999), 1_000, length)
    return float((model.forward(x).argmax(axis=1) == y).mean())


def holds(found: dict[str, Any]) -> bool:
    """Far recall of one and not of the other."""
    recall = found["attention_far"] > 0.9 and found["recurrent_far"] < 0.6 < found["recurrent_near"]
    return bool(recall and found["recurrent_reach"] < 0.05 and found["attention_reach"] > 0.2)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Recall by distance."""
    axes.plot(found["distances"], found["attention"], "o-", color="#c2410c", label="attention")
    axes.plot(found["distances"], found["recurrent"], "o-", color="#64748b", label="recurrent")
    axes.axhline(found["chance"], color="k", ls=":", lw=1, label="guessing")
    axes.set(xlabel="distance of the marked symbol", ylabel="recall")
    axes.legend(frameon=False)
