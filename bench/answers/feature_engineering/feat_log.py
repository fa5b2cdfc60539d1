"""When should a column's logarithm be taken?

When the target follows ratios and not differences: in the raw column a few rows far out then decide the slope
(Box and Cox, 1964).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.linear import LinearRegression

QUICK, STANDARD = 20_000, 200_000
CLAIM = (
    "Where the target follows ratios the logarithm explains what the raw column cannot and no row dominates; where it "
    "follows differences the logarithm loses."
)
ANSWER = """When effects follow ratios: with a column whose logarithm has a deviation of {spread}, the raw
column explained {raw:.3f} of the target's variance on fresh rows and its logarithm {log:.3f}, where
{best:.3f} is possible. In the raw column the {top:.1%} largest of {rows:,} rows hold {leverage:.0%} of the
squared distances that decide a slope, in the logarithm {log_leverage:.1%}. Where the target follows
differences it is the other way: {raw_other:.3f} raw and {log_other:.3f} by logarithm. A tree sees only the
order of a column, so neither matters to its splits. The rule is about the effect, not the histogram: a heavy
tail makes it likely, a fit on held-out rows decides it. Zeros and negative values need another map, such as
log(1 + x)."""
LINKS = ("scalable/features/linear_column.py", "scalable/features/linear_encoder.py")
SPREAD, TOP = 1.5, 0.001


def measure(rows: int) -> dict[str, Any]:
    """Fit targets of ratios and of differences, by the raw column and by its logarithm."""
    random = np.random.default_rng(0)
    x, new = (np.exp(SPREAD * random.normal(size=rows)) for _ in range(2))
    noise, new_noise = random.normal(size=(2, rows))
    found: dict[str, Any] = {"rows": rows, "spread": SPREAD, "top": TOP}
    for name, effect in (("", np.log), ("_other", lambda v: v / 10.0)):
        y, truth = effect(x) + noise, effect(new) + new_noise
        for way, mapped in (("raw", lambda v: v), ("log", np.log)):
            model = LinearRegression().fit(mapped(x)[:, None], y)
            found[way + name] = _explained(truth, model.predict(mapped(new)[:, None]))
    found["best"] = _explained(np.log(new) + new_noise, np.log(new))
    found["leverage"], found["log_leverage"] = _held(x), _held(np.log(x))
    few = random.choice(rows, 400, replace=False)
    return {**found, "points": np.column_stack([x, np.log(x) + noise])[few].tolist()}


def _explained(y: Any, p: Any) -> float:
    return float(1.0 - ((y - p) ** 2).mean() / y.var())


def _held(x: Any) -> float:
    squares = np.sort((x - x.mean()) ** 2)[::-1]
    return float(squares[: int(TOP * len(x))].sum() / squares.sum())


def holds(found: dict[str, Any]) -> bool:
    """Better where it is claimed, worse where it is claimed, and the leverage."""
    ratios = found["log"] > found["raw"] + 0.1 and found["log"] > found["best"] - 0.01
    return bool(
        ratios
        and found["raw_other"] > found["log_other"] + 0.02
        and found["leverage"] > 5 * found["log_leverage"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Target by raw column."""
    points = np.array(found["points"])
    axes.plot(points[:, 0], points[:, 1], ".", color="#c2410c", ms=3)
    axes.set(xlabel="raw column", ylabel="target")
