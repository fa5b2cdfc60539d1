"""What is a conjugate prior good for?

The posterior has the prior's form and is a few sums, so rows can come one by one, in any order, on any machine
(Raiffa and Schlaifer, 1961).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

QUICK, STANDARD = 20_000, 1_000_000
CLAIM = (
    "Counts added row by row, in any order and over any shards give the posterior of all rows at once, which is that "
    "of a fine grid; a prior that is not conjugate needs the grid."
)
ANSWER = """It makes learning addition: {rows:,} answers of yes or no, added in {shards} shards in a shuffled
order, gave exactly the Beta posterior of all at once (difference {apart}), by keeping {numbers} numbers. On
{few} rows it equals the normalised product of prior and likelihood on a grid of {grid:,} points within
{exact:.0e}; the rate's 95% interval there was {low:.2f} to {high:.2f}, and after all rows {narrow:.4f} wide.
Over {draws} rates drawn from the prior it covered {cover:.1%}. Forgetting is as easy: taking back the counts
of a shard gave the posterior without it within {without}. With a prior in two humps, which is not conjugate,
the same few rows needed all {grid:,} grid points, and the best Beta was off by {humps:.2f} in total
variation. Convenience is no argument that a prior is right."""
LINKS = ("scalable/execution/reduction.py", "scalable/features/target_encoding/__init__.py")
RATE, SHARDS, FEW, GRID, DRAWS, PRIOR = 0.3, 16, 20, 20_000, 2_000, (2.0, 3.0)


def measure(rows: int) -> dict[str, Any]:
    """Add up counts in shards, and hold them against all rows and against a grid."""
    random = np.random.default_rng(0)
    y = random.random(rows) < RATE
    parts = [np.array([part.sum(), (~part).sum()]) for part in np.array_split(random.permutation(y), SHARDS)]
    state = np.array(PRIOR)
    for at in random.permutation(SHARDS):
        state = state + parts[at]
    whole = np.add(PRIOR, (y.sum(), (~y).sum()))
    without = np.array(PRIOR) + sum(parts[1:])
    p = (np.arange(GRID) + 0.5) / GRID
    yes = int(y[:FEW].sum())
    likelihood = p**yes * (1.0 - p) ** (FEW - yes)
    posterior = stats.beta(PRIOR[0] + yes, PRIOR[1] + FEW - yes)
    on_grid = _normal(likelihood * stats.beta(*PRIOR).pdf(p))
    humps = _normal(likelihood * (stats.norm(0.1, 0.03).pdf(p) + stats.norm(0.6, 0.03).pdf(p)))
    mean = float((p * humps).mean())
    spread = float((p**2 * humps).mean()) - mean**2
    size = mean * (1.0 - mean) / spread - 1.0
    near = stats.beta(mean * size, (1.0 - mean) * size).pdf(p)
    rates = random.beta(*PRIOR, DRAWS)
    seen = random.binomial(FEW, rates)
    lows, highs = stats.beta(PRIOR[0] + seen, PRIOR[1] + FEW - seen).interval(0.95)
    low, high = posterior.interval(0.95)
    return {
        "rows": rows,
        "shards": SHARDS,
        "few": FEW,
        "grid": GRID,
        "draws": DRAWS,
        "numbers": len(state),
        "apart": float(np.abs(state - whole).max()),
        "without": float(np.abs(state - parts[0] - without).max()),
        "exact": float(np.abs(on_grid - posterior.pdf(p)).max() / posterior.pdf(p).max()),
        "low": float(low),
        "high": float(high),
        "narrow": float(np.diff(stats.beta(*state).interval(0.95))[0]),
        "cover": float(((lows <= rates) & (rates <= highs)).mean()),
        "cover_error": 4.0 * math.sqrt(0.95 * 0.05 / DRAWS),
        "humps": float(0.5 * np.abs(near - humps).mean()),
        "curves": [
            each[:: GRID // 200].tolist() for each in (stats.beta(*PRIOR).pdf(p), on_grid, humps, near)
        ],
    }


def _normal(density: Any) -> Any:
    return density / density.mean()


def holds(found: dict[str, Any]) -> bool:
    """Exact by addition, right by the grid, covering, and not for every prior."""
    exact = found["apart"] == 0.0 and found["without"] == 0.0 and found["exact"] < 1e-6
    return bool(exact and abs(found["cover"] - 0.95) < found["cover_error"] and found["humps"] > 0.1)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Prior, posterior, and one that is not conjugate."""
    p = np.linspace(0.0, 1.0, len(found["curves"][0]))
    looks = [
        ("prior", "#64748b", "-"),
        ("posterior", "#c2410c", "-"),
        ("posterior of a prior in two humps", "#7c3aed", "-"),
        ("the Beta nearest to it", "#7c3aed", ":"),
    ]
    for curve, (name, colour, style) in zip(found["curves"], looks, strict=True):
        axes.plot(p, curve, style, color=colour, label=name)
    axes.set(xlabel="rate", ylabel="density")
    axes.legend(frameon=False, fontsize=7)
