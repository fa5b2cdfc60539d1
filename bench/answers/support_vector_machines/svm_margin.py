"""Where does the maximal margin come from?

Of all lines that separate two classes the one farthest from both is unique, and asking for y (x'w + b) >= 1 makes its
distance 1 / |w|: least |w| is the largest margin (Cortes and Vapnik, 1995).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.svm import SVC

QUICK, STANDARD = 200, 20_000
CLAIM = "Least |w| gives the widest gap of all directions tried, 1 / |w|, and only the rows on its edge decide it."
ANSWER = """Least |w| and the widest gap are one problem: the machine's margin 1 / |w| was {margin:.5f}, and
the best of {angles:,} directions tried by hand had {by_hand:.5f}, {degrees:.3f} degrees from it. {support} of
{rows:,} rows lie on the edge, at a distance within {edge:.0e} of the margin. Trained on those alone it gave
the same line within {same:.0e}; without them the margin grew to {without:.5f}. A separating line drawn at
random had {random_margin:.5f} of a margin, and was wrong on {random_wrong:.3%} of fresh rows against
{wrong:.3%}. Rows that no line separates need a price for crossing, which is the hinge loss."""
LINKS = ("scalable/linear/svc.py", "scalable/kernels/linear/losses.py")
ANGLES = 20_000


def measure(rows: int) -> dict[str, Any]:
    """Solve for the margin, and search it by hand."""
    random = np.random.default_rng(0)
    (x, y), (new, truth) = _rows(random, rows), _rows(random, 200_000)
    w, b, support = _machine(x, y)
    norm = float(np.linalg.norm(w))
    angles = np.linspace(0.0, 2.0 * np.pi, ANGLES, endpoint=False)
    margins = np.array([_gap(x, y, t)[0] for t in angles])
    best = float(angles[margins.argmax()])
    turn = abs((best - np.arctan2(w[1], w[0]) + np.pi) % (2.0 * np.pi) - np.pi)
    again, offset, _ = _machine(x[support], y[support])
    less = np.delete(np.arange(rows), support)
    fewer, _, _ = _machine(x[less], y[less])
    able = angles[margins > 0.0]
    drawn = float(random.choice(able))
    gap, middle = _gap(x, y, drawn)
    return {
        "rows": rows,
        "angles": ANGLES,
        "margin": 1.0 / norm,
        "by_hand": float(margins.max()),
        "degrees": float(np.degrees(turn)),
        "support": len(support),
        "edge": float(np.abs(np.abs(x[support] @ w + b) / norm - 1.0 / norm).max()),
        "same": float(np.abs(np.r_[again, offset] - np.r_[w, b]).max() / norm),
        "without": float(1.0 / np.linalg.norm(fewer)),
        "random_margin": gap,
        "random_wrong": float((np.sign(new @ [np.cos(drawn), np.sin(drawn)] - middle) != truth).mean()),
        "wrong": float((np.sign(new @ w + b) != truth).mean()),
        "curve": [[float(np.degrees(t)), float(m)] for t, m in zip(angles[::50], margins[::50], strict=True)],
    }


def _rows(random: Any, rows: int) -> tuple[Any, Any]:
    y = np.where(np.arange(rows) % 2, 1.0, -1.0)
    apart = 1.0 + random.exponential(size=rows)
    return np.column_stack([y * apart, 2.0 * random.normal(size=rows)]) @ _TURN, y


_TURN = np.array([[0.8, 0.6], [-0.6, 0.8]])


def _machine(x: Any, y: Any) -> tuple[Any, float, Any]:
    machine = SVC(kernel="linear", C=1e8, tol=1e-10).fit(x, y)
    return machine.coef_[0], float(machine.intercept_[0]), machine.support_


def _gap(x: Any, y: Any, angle: float) -> tuple[float, float]:
    along = x @ [np.cos(angle), np.sin(angle)]
    low, high = float(along[y > 0].min()), float(along[y < 0].max())
    return (low - high) / 2.0, (low + high) / 2.0


def holds(found: dict[str, Any]) -> bool:
    """The two margins are one, few rows decide it, and without them it is wider."""
    one = abs(found["margin"] / found["by_hand"] - 1.0) < 1e-3 and found["degrees"] < 0.1
    few = found["support"] <= 4 and found["same"] < 1e-4 and found["edge"] < 1e-4
    return bool(one and few and found["without"] > found["margin"])


def draw(found: dict[str, Any], axes: Any) -> None:
    """Margin by direction."""
    points = np.array(found["curve"])
    axes.plot(points[:, 0], np.maximum(points[:, 1], 0.0), color="#c2410c")
    axes.axhline(found["margin"], color="#64748b", lw=1)
    axes.set(xlabel="direction, degrees", ylabel="margin (0: not separated)")
