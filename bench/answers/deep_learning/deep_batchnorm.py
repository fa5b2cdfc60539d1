"""Why does normalising layers stabilise training?

A normalised layer's output does not change when its weights grow, so neither a bad start nor a long step can send the
scores off, and large weights take smaller effective steps (Santurkar et al., 2018; Ioffe and Szegedy, 2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.deep_learning.deep_vanish import rows_of
from bench.answers.network import Network, descend, held_out, logistic

QUICK, STANDARD = 2_000, 10_000
CLAIM = "With normalised layers many more step sizes and starting scales train than without."
ANSWER = """It makes training forgive step and start: of {tried} pairs of step size and starting scale
{with_trained} trained with normalised layers and {without_trained} without (a loss below {enough} on fresh
rows after {steps} steps, from {half:.3f}). The largest step that trained was {with_largest:g} with and
{without_largest:g} without. Ten times larger weights of a hidden layer changed the normalised network's
answers by {with_moved:.0e}, the plain one's by {without_moved:.0f}. The best loss of all pairs was
{with_best:.3f} with and {without_best:.3f} without, so tuned well the gap is small. It needs batches: judged
row by row it uses running means, and tiny batches make these poor."""
LINKS = ("bench/answers/network.py",)
WIDTHS, STEPS, RATES, SCALES, ENOUGH = (
    (4, 24, 24, 24, 24, 1),
    250,
    (0.01, 0.1, 1.0, 4.0),
    (0.1, 0.5, 1.0, 4.0),
    0.4,
)


def measure(rows: int) -> dict[str, Any]:
    """Train over a grid, with and without."""
    random = np.random.default_rng(0)
    (x, y), (new, truth) = rows_of(random, rows), rows_of(random, 4_000)
    found: dict[str, Any] = {"rows": rows, "steps": STEPS, "tried": len(RATES) * len(SCALES), "enough": ENOUGH,
                             "half": float(np.log(2.0))}  # fmt: skip
    for name, normalised in (("with", True), ("without", False)):
        losses = np.array([[_loss(x, y, new, truth, r, s, normalised) for r in RATES] for s in SCALES])
        trained: Any = losses < ENOUGH
        found[f"{name}_trained"] = int(trained.sum())
        found[f"{name}_largest"] = float(
            max((r for r, any_ in zip(RATES, trained.any(axis=0), strict=True) if any_), default=0.0)
        )
        found[f"{name}_best"] = float(losses.min())
        found[f"{name}_losses"] = losses.tolist()
        network = Network(WIDTHS, seed=0, normalised=normalised)
        before = network.forward(new, train=True)
        network.weights[network.per] *= 10.0
        found[f"{name}_moved"] = float(np.abs(network.forward(new, train=True) - before).max())
    return found


def _loss(x: Any, y: Any, new: Any, truth: Any, rate: float, scale: float, normalised: bool) -> float:
    network = Network(WIDTHS, seed=0, scale=scale, normalised=normalised)
    descend(network, x, y, logistic, steps=STEPS, rate=rate)
    return min(held_out(network, new, truth, logistic), 5.0)


def holds(found: dict[str, Any]) -> bool:
    """More pairs train, and the scale of weights does not matter."""
    return bool(
        found["with_trained"] >= 1.5 * found["without_trained"]
        and found["with_moved"] < 0.01 < found["without_moved"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Loss by step size, a line a starting scale."""
    for name, colour in (("with", "#c2410c"), ("without", "#64748b")):
        for k, losses in enumerate(found[f"{name}_losses"]):
            axes.loglog(
                RATES,
                losses,
                "o-",
                color=colour,
                lw=1,
                ms=3,
                label=f"{name} normalised layers" if k == 0 else None,
            )
    axes.axhline(found["enough"], color="k", ls=":", lw=1)
    axes.set(xlabel="step size", ylabel="held-out loss (cut at 5)")
    axes.legend(frameon=False)
