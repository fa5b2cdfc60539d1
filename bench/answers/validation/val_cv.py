"""Why cross-validate?

One split judges on few rows and by luck; rotating it uses every row once to judge and tells how much a score wavers
(Kohavi, 1995).
"""

from __future__ import annotations

from typing import Any

import numpy as np

QUICK, STANDARD = 200, 500
CLAIM = "The score of five folds varies less than that of one split of the same size, at nearly no bias."
ANSWER = """Because one split's score is a lottery: over {draws} data sets of {rows:,} rows the accuracy on
one held-out fifth was off the model's true accuracy by {one:.4f} (standard deviation), the mean of five folds
by {five:.4f} and of ten repetitions of five folds by {repeated:.4f}. The folds' bias was {bias:+.4f}, the
price of each model learning from four fifths of the rows. Choosing the better of two models {apart:.3f} apart
in truth, one split was right {one_right:.0%} of the time and five folds {five_right:.0%}. The spread between
the folds of one data set, over the root of five, was {claimed:.4f}: folds share rows, so it need not be the
true error. With rows in plenty one large split does as well and costs a fifth; folds by chance still lie
where rows depend on each other."""
LINKS = ("scalable/linear/elastic_net.py", "scalable/evaluate/uncertainty.py")
COLUMNS, DRAWS = 10, 300


def measure(rows: int) -> dict[str, Any]:
    """Judge a linear classifier on many data sets, by each method, beside its true accuracy."""
    random = np.random.default_rng(0)
    signal = np.r_[0.6, 0.4, 0.3, np.zeros(COLUMNS - 3)]
    new, truth = _rows(random, 20_000, signal)
    errors = np.empty((3, DRAWS))
    right, claimed, apart = np.zeros(2), 0.0, 0.0
    for k in range(DRAWS):
        x, y = _rows(random, rows, signal)
        exact = _accuracy(_fit(x, y), new, truth)
        folds = _folds(x, y, random)
        many = [folds.mean()] + [_folds(x, y, random).mean() for _ in range(9)]
        errors[:, k] = folds[0] - exact, folds.mean() - exact, np.mean(many) - exact
        claimed += float(folds.std(ddof=1) / np.sqrt(5)) / DRAWS
        other = x[:, 1:]
        distance = exact - _accuracy(_fit(other, y), new[:, 1:], truth)
        apart += distance / DRAWS
        rival = _folds(other, y, np.random.default_rng(k))
        mine = _folds(x, y, np.random.default_rng(k))
        right += [(mine[0] > rival[0]) == (distance > 0.0), (mine.mean() > rival.mean()) == (distance > 0.0)]
    spread = errors.std(axis=1, ddof=1)
    return {
        "rows": rows,
        "draws": DRAWS,
        "one": float(spread[0]),
        "five": float(spread[1]),
        "repeated": float(spread[2]),
        "bias": float(errors[1].mean()),
        "apart": apart,
        "one_right": float(right[0] / DRAWS),
        "five_right": float(right[1] / DRAWS),
        "claimed": claimed,
        "errors": [np.histogram(each, 30, (-0.2, 0.2))[0].tolist() for each in errors],
    }


def _rows(random: Any, rows: int, signal: Any) -> tuple[Any, Any]:
    y = np.where(random.random(rows) < 0.5, 1.0, -1.0)
    return random.normal(size=(rows, COLUMNS)) + y[:, None] * signal, y


def _fit(x: Any, y: Any) -> Any:
    return np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]


def _accuracy(b: Any, x: Any, y: Any) -> float:
    return float(((x @ b[:-1] + b[-1] > 0.0) == (y > 0.0)).mean())


def _folds(x: Any, y: Any, random: Any) -> Any:
    parts = random.permutation(len(y)) % 5
    return np.array(
        [_accuracy(_fit(x[parts != j], y[parts != j]), x[parts == j], y[parts == j]) for j in range(5)]
    )


def holds(found: dict[str, Any]) -> bool:
    """Wavers less, little bias, and chooses better."""
    return bool(
        found["five"] < 0.7 * found["one"]
        and abs(found["bias"]) < 0.01
        and found["five_right"] > found["one_right"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Errors of the score."""
    edges = np.linspace(-0.2, 0.2, 31)
    for counts, name, colour in zip(
        found["errors"][:2], ("one split", "five folds"), ("#64748b", "#c2410c"), strict=True
    ):
        axes.stairs(counts, edges, color=colour, label=name)
    axes.set(xlabel="score less true accuracy", ylabel="data sets")
    axes.legend(frameon=False)
