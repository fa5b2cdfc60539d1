"""How does one derive backpropagation through two layers, step by step?

Each layer hands the derivative by its output back as the derivative by its input: the chain rule, from the loss inwards
(Rumelhart, Hinton and Williams, 1986).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.numeric import gradient

QUICK, STANDARD = 64, 4_096
CLAIM = (
    "Each derivative handed back equals that by differences, and descent along them learns XOR, which no line "
    "separates."
)
ANSWER = """By the chain rule, backwards from the loss: the derivative with respect to the output's score is d =
(p - y)/n, with respect to its weights H'd. The hidden layer gets d times those weights, its scores keep it
where the ReLU is open, and X' times the result is the derivative for the first weights. Finite differences
agree within {second:.0e} for the second layer's weights and {first:.0e} for the first's. Descent along them
took the loss on XOR from {begin:.3f} to {end:.4f} in {steps} steps, all {rows} rows right. A line gets
{line:.0%} of them right at most. The derivation says nothing of how deep networks behave; there the same
products vanish or grow."""
LINKS = ("bench/answers/numeric.py",)
STEPS, HIDDEN = 600, 8


def measure(rows: int) -> dict[str, Any]:
    """Check both layers' gradients by differences, then descend."""
    random = np.random.default_rng(1)
    x = random.choice([-1.0, 1.0], size=(rows, 2)) + 0.1 * random.normal(size=(rows, 2))
    y = (x[:, 0] * x[:, 1] < 0.0).astype(np.float64)
    first, second = random.normal(size=(3, HIDDEN)), random.normal(size=HIDDEN + 1)
    with_one = np.column_stack([x, np.ones(rows)])

    def forward(a: Any, b: Any) -> tuple[Any, Any]:
        hidden = np.column_stack([np.maximum(with_one @ a, 0.0), np.ones(rows)])
        return hidden, hidden @ b

    def loss(a: Any, b: Any) -> float:
        _, z = forward(a, b)
        return float((np.logaddexp(0.0, z) - y * z).mean())

    def backward(a: Any, b: Any) -> tuple[Any, Any]:
        hidden, z = forward(a, b)
        by_score = (1.0 / (1.0 + np.exp(-z)) - y) / rows
        by_hidden = np.outer(by_score, b[:-1]) * (hidden[:, :-1] > 0.0)
        return with_one.T @ by_hidden, hidden.T @ by_score

    by_first, by_second = backward(first, second)
    found: dict[str, Any] = {
        "first": float(np.abs(by_first - gradient(lambda a: loss(a, second), first)).max()),
        "second": float(np.abs(by_second - gradient(lambda b: loss(first, b), second)).max()),
    }
    losses = []
    for _ in range(STEPS):
        losses.append(loss(first, second))
        by_first, by_second = backward(first, second)
        first, second = first - 1.0 * by_first, second - 1.0 * by_second
    right = ((forward(first, second)[1] > 0.0) == y).mean()
    angles = np.linspace(0.0, 2.0 * np.pi, 90)
    line = max(
        float((((x @ [np.cos(t), np.sin(t)]) > c) == y).mean())
        for t in angles
        for c in (-1.2, -0.5, 0.0, 0.5, 1.2)
    )
    return {
        **found,
        "rows": rows,
        "steps": STEPS,
        "begin": losses[0],
        "end": losses[-1],
        "right": float(right),
        "line": line,
        "losses": losses[::10],
    }


def holds(found: dict[str, Any]) -> bool:
    """Both gradients, and XOR learned."""
    return bool(max(found["first"], found["second"]) < 1e-7 and found["right"] == 1.0 and found["line"] < 0.9)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Loss by step."""
    axes.semilogy(np.arange(len(found["losses"])) * 10, found["losses"], color="#c2410c")
    axes.set(xlabel="step", ylabel="loss on XOR")
