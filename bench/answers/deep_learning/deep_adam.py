"""When does Adam beat plain stochastic descent, and when is it the other way?

Adam divides each step by the size of recent gradients, which repairs columns of unequal scale; plain descent from zero
stays in the span of the rows, and of all exact fits finds the smallest (Wilson et al., 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.network import Network, descend, held_out, logistic, squared

QUICK, STANDARD = 2_000, 10_000
CLAIM = (
    "With columns of unequal scale Adam is ahead after the same steps; on more columns than rows plain descent "
    "predicts better from the same training loss."
)
ANSWER = """Adam wins where columns have unequal scales: after {steps} steps on {rows:,} rows with scales from
{smallest:g} to {largest:g} its loss on fresh rows was {adam_uneven:.3f} and that of plain descent
{sgd_uneven:.3f}, both at the best of their step sizes; with equal scales {adam_even:.3f} and {sgd_even:.3f}.
Plain descent wins where many fits are perfect: with {few} rows and {columns} columns both brought the
training error below {fitted:.0e}, and fresh rows were off by {adam_wide:.3f} with Adam and {sgd_wide:.3f}
with plain descent (squared, noise apart), whose coefficients are {norm:.2f} times as long. So the optimizer
is a part of the model when rows do not decide. Scaling the columns gives plain descent most of what Adam has;
weight decay gives Adam a part of what it lacks."""
LINKS = (
    "scalable/kernels/linear/adaptive_optimizers.py",
    "scalable/kernels/linear/optimizers.py",
    "bench/answers/network.py",
)
STEPS, FEW, COLUMNS, SMALLEST, LARGEST = 400, 40, 200, 0.03, 3.0


def measure(rows: int) -> dict[str, Any]:
    """Both optimizers, tuned, on a network, and on more columns than rows."""
    found: dict[str, Any] = {
        "rows": rows,
        "steps": STEPS,
        "few": FEW,
        "columns": COLUMNS,
        "smallest": SMALLEST,
        "largest": LARGEST,
    }
    scales = np.geomspace(SMALLEST, LARGEST, 6)
    for name, scale in (("even", np.ones(6)), ("uneven", scales)):
        random = np.random.default_rng(0)
        (x, y), (new, truth) = _rows(random, rows), _rows(random, 4_000)
        for kind, rates in (("sgd", (0.01, 0.03, 0.1, 0.3)), ("adam", (0.001, 0.003, 0.01, 0.03))):
            losses = []
            for rate in rates:
                network = Network((6, 32, 32, 1), seed=0)
                descend(
                    network, x * scale, y, logistic, steps=STEPS, rate=rate, adam=kind == "adam", momentum=0.9
                )
                losses.append(held_out(network, new * scale, truth, logistic))
            found[f"{kind}_{name}"] = min(losses)
    errors, trained, lengths = np.zeros(2), 0.0, np.zeros(2)
    for seed in range(5):
        random = np.random.default_rng(seed)
        # A few strong columns among many of which each is rare: Adam takes as long a step along these as along those.
        size = np.where(np.arange(COLUMNS) < 5, 1.0, 0.1)
        b = np.where(np.arange(COLUMNS) < 5, 1.0, 0.0)
        x, new = (random.normal(size=(n, COLUMNS)) * size for n in (FEW, 2_000))
        y = x @ b + 0.1 * random.normal(size=FEW)
        for j, (adam, rate) in enumerate(((True, 0.01), (False, 0.05))):
            line = Network((COLUMNS, 1), scale=0.0)
            descend(line, x, y, squared, steps=4_000, rate=rate, batch=FEW, adam=adam)
            errors[j] += float(((line.forward(new)[:, 0] - new @ b) ** 2).mean()) / 5
            trained = max(trained, squared(line.forward(x), y)[0])
            lengths[j] += float(np.linalg.norm(line.weights[0])) / 5
    return {**found, "adam_wide": errors[0], "sgd_wide": errors[1], "fitted": 10.0 ** np.ceil(np.log10(trained)),
            "trained": trained, "norm": float(lengths[1] / lengths[0])}  # fmt: skip


def _rows(random: Any, rows: int) -> tuple[Any, Any]:
    x = random.normal(size=(rows, 6))
    return x, (x[:, 0] * x[:, 1] + x[:, 2] * x[:, 5] > 0.0).astype(np.float64)


def holds(found: dict[str, Any]) -> bool:
    """Each ahead where it is claimed."""
    adam = found["adam_uneven"] < found["sgd_uneven"] - 0.02
    return bool(adam and found["sgd_wide"] < 0.8 * found["adam_wide"] and found["trained"] < 1e-2)


def draw(found: dict[str, Any], axes: Any) -> None:
    """The three comparisons."""
    at = np.arange(3)
    for shift, name, colour in ((-0.2, "adam", "#c2410c"), (0.2, "sgd", "#64748b")):
        axes.bar(
            at + shift,
            [found[f"{name}_{k}"] for k in ("uneven", "even", "wide")],
            0.4,
            color=colour,
            label=name,
        )
    axes.set_xticks(
        at,
        ["unequal scales\n(log loss)", "equal scales\n(log loss)", "more columns than rows\n(squared error)"],
    )
    axes.set(ylabel="on fresh rows")
    axes.legend(frameon=False)
