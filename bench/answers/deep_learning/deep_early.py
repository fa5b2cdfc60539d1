"""Why is early stopping a penalty?

Descent from zero has learned a direction of variance s by 1 - (1 - step s)^t after t steps, ridge by s / (s + penalty):
nearly the same if the penalty is one over step times t (Ali, Kolter and Tibshirani, 2019).
"""

from __future__ import annotations

from typing import Any

import numpy as np

QUICK, STANDARD = 80, 80
CLAIM = "Descent stopped after t steps is near ridge with penalty 1 / (step t) all along, its best nearly as good."
ANSWER = """Because few steps cannot make coefficients long: along the whole path the coefficients after t
steps differed from ridge's with penalty 1 / (step t) by {apart:.0%} of their length at most, {share:.0%} at
the best one, on {rows} rows with {columns} columns. The best stop had an error of {stop:.4f} above the noise,
the best ridge {ridge:.4f}, descent to the end {end:.4f}. Each direction is learned by its variance: at the
best stop the strongest had {strong:.0%} of its coefficient and the weakest {weak:.1%}, under the matching
ridge {ridge_strong:.0%} and {ridge_weak:.1%}. The theorem bounds the risk of stopping by 1.69 times that of
ridge; the largest ratio seen here was {ratio:.2f}. Momentum, Adam or other starts have other paths, and for
networks it is an analogy."""
LINKS = ("scalable/linear/gradient.py", "scalable/linear/least_squares.py")
COLUMNS, NOISE, DRAWS = 40, 2.0, 30


def measure(rows: int) -> dict[str, Any]:
    """Follow descent in closed form, beside ridge."""
    steps = np.unique(np.geomspace(1, 30_000, 60).astype(int))
    errors, apart, ends = np.zeros((2, len(steps))), np.zeros((DRAWS, len(steps))), 0.0
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        x = random.normal(size=(rows, COLUMNS)) * np.geomspace(1.0, 0.1, COLUMNS)
        b = random.normal(size=COLUMNS) * 0.7
        y = x @ b + NOISE * random.normal(size=rows)
        values, vectors = np.linalg.eigh(x.T @ x / rows)
        along = vectors.T @ (x.T @ y) / rows / values
        step = 1.0 / values[-1]
        cover = np.geomspace(1.0, 0.1, COLUMNS) ** 2
        for k, t in enumerate(steps):
            stopped = vectors @ ((1.0 - (1.0 - step * values) ** t) * along)
            ridge = vectors @ (values / (values + 1.0 / (step * t)) * along)
            errors[:, k] += [float(cover @ (fit - b) ** 2) / DRAWS for fit in (stopped, ridge)]
            apart[seed, k] = np.linalg.norm(stopped - ridge) / np.linalg.norm(stopped)
        ends += float(cover @ (vectors @ along - b) ** 2) / DRAWS
    best = int(errors[0].argmin())
    t, penalty = int(steps[best]), 1.0 / (step * steps[best])
    learned = 1.0 - (1.0 - step * values) ** t
    kept = values / (values + penalty)
    found = {
        "stop": errors[0].min(),
        "ridge": errors[1].min(),
        "end": ends,
        "ratio": (errors[0] / errors[1]).max(),
        "apart": apart.mean(axis=0).max(),
        "share": apart.mean(axis=0)[best],
        "strong": learned[-1],
        "weak": learned[0],
        "ridge_strong": kept[-1],
        "ridge_weak": kept[0],
    }
    return {"rows": rows, "columns": COLUMNS, "steps": steps.tolist(), "errors": errors.tolist(),
            **{name: float(value) for name, value in found.items()}}  # fmt: skip


def holds(found: dict[str, Any]) -> bool:
    """Near all along, and as good."""
    near = found["apart"] < 0.4 and found["ratio"] < 1.69
    return bool(near and found["stop"] < 1.1 * found["ridge"] and found["end"] > 1.2 * found["stop"])


def draw(found: dict[str, Any], axes: Any) -> None:
    """Error by steps."""
    for errors, name, colour in zip(
        found["errors"],
        ("descent stopped", "ridge, penalty 1 / (step t)"),
        ("#c2410c", "#64748b"),
        strict=True,
    ):
        axes.semilogx(found["steps"], errors, color=colour, label=name)
    axes.axhline(found["end"], color="k", ls=":", lw=1, label="descent to the end")
    axes.set(xlabel="steps t", ylabel="error above the noise")
    axes.legend(frameon=False)
