"""Why did attention replace recurrence?

A recurrent layer must wait for each state before the next, so a sequence cannot be computed at once; attention's places
do not wait for each other, and copying far is one step (Vaswani et al., 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.network import descend
from bench.answers.sequences import Attention, Recurrent, cross_entropy, marked

QUICK, STANDARD = 200, 500
UNIT = "steps of training"
CLAIM = "Attention has as many products in a row at any length; a recurrent layer's grow with it, as does its training."
ANSWER = """Its places do not wait for each other: a recurrent layer computes a sequence of {long} symbols by
a chain of {chain_recurrent} products, each needing the one before, attention by {chain_attention}, at any
length. To recall the first of {short} symbols in {enough:.0%} of the cases attention took {attention_short}
steps of training and the recurrent layer {recurrent_short_told}; of {long} symbols {attention_long} and
{recurrent_long_told}. The price is work: attention of all places on all others multiplies {work_attention:,}
numbers at {long} symbols and {width} columns, the recurrent layer {work_recurrent:,}; beyond {cross} symbols
attention does more. So it won because machines do many products at once and long chains slowly, not because
it computes less. On short sequences or a single core the gain is small."""
LINKS = ("bench/answers/sequences.py", "bench/answers/deep_learning/deep_attention.py")
SHORT, LONG, UNITS, ENOUGH, EVERY = 5, 50, 24, 0.95, 20


def measure(rows: int) -> dict[str, Any]:
    """Count chains and products, and steps to recall; `rows` is the most steps of training."""
    found: dict[str, Any] = {
        "rows": rows,
        "short": SHORT,
        "long": LONG,
        "enough": ENOUGH,
        "width": UNITS,
        "curves": {},
    }
    for name, kind, rate in (("recurrent", Recurrent, 0.003), ("attention", Attention, 0.01)):
        for size, length in (("short", SHORT), ("long", LONG)):
            random = np.random.default_rng(length)
            x, y = marked(random, 32 * rows, length)
            model: Any = kind(UNITS)
            recalls: list[float] = []
            held, truth = marked(random, 500, length)

            def watch(
                step: int, model: Any = model, held: Any = held, truth: Any = truth, to: Any = recalls
            ) -> None:
                if step % EVERY == 0:
                    to.append(float((model.forward(held).argmax(axis=1) == truth).mean()))

            descend(model, x, y, cross_entropy, steps=rows + 1, rate=rate, batch=32, adam=True, watch=watch)
            reached = [k for k, value in enumerate(recalls) if value >= ENOUGH]
            found[f"{name}_{size}"] = EVERY * reached[0] if reached else None
            found[f"{name}_{size}_told"] = f"{EVERY * reached[0]}" if reached else f"more than {rows}"
            found["curves"][f"{name}, {length} symbols"] = recalls
    x, _ = marked(np.random.default_rng(0), 8, LONG)
    found["chain_recurrent"] = _chain(Recurrent(UNITS), x)
    found["chain_attention"] = _chain(Attention(UNITS), x)
    found["work_recurrent"], found["work_attention"] = LONG * 2 * UNITS * UNITS, 2 * LONG * LONG * UNITS
    return {**found, "cross": UNITS}


def _chain(model: Any, x: Any) -> int:
    """Return the products in a row: a state for each place, or the keys, their answers and the values."""
    model.forward(x)
    return len(model.states) - 1 if hasattr(model, "states") else len(model.weights)


def holds(found: dict[str, Any]) -> bool:
    """A long chain or none, and steps that grow or not."""
    chain = found["chain_recurrent"] == LONG and found["chain_attention"] < SHORT
    learned = found["attention_long"] is not None and found["attention_long"] < 3 * max(
        found["attention_short"], EVERY
    )
    behind = found["recurrent_long"] is None or found["recurrent_long"] > 2 * found["attention_long"]
    return bool(chain and learned and behind)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Recall by step."""
    looks = [("#64748b", ":"), ("#64748b", "-"), ("#c2410c", ":"), ("#c2410c", "-")]
    for (name, recalls), (colour, style) in zip(found["curves"].items(), looks, strict=True):
        axes.plot(np.arange(len(recalls)) * EVERY, recalls, style, color=colour, label=name)
    axes.set(xlabel="step of training", ylabel="recall of the first symbol")
    axes.legend(frameon=False, fontsize=7)
