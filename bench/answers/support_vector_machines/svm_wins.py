"""When does a support vector machine beat a neural network?

With few rows and many columns a wide margin is nearly all there is to learn; with many rows and products of columns to
be found, a network finds what a line cannot (Cortes and Vapnik, 1995).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

QUICK, STANDARD = 4_000, 10_000
CLAIM = "On few rows of many columns the linear machine is ahead, on many rows of products of columns the network."
ANSWER = """With few rows and many columns: on {few} rows of {wide} columns the linear machine was right on
{svm_few:.3f} of fresh rows and a network of {hidden} units on {net_few:.3f}, averaged over {draws} draws,
where {best_few:.3f} is possible. The network's answers also differed from themselves on {wavers:.1%} of the
rows when only its seed changed; the machine's cannot, its problem has one solution. On {rows:,} rows where
products of {narrow} columns decide, the network was right on {net_many:.3f} and the line on {svm_many:.3f},
where {best_many:.3f} is possible. Columns that hold the products would have helped the line as much. A
network with weight decay tuned for the few rows comes nearer."""
LINKS = ("scalable/linear/svc.py", "docs/kernel_svm.md")
FEW, WIDE, NARROW, HIDDEN, DRAWS = 60, 400, 8, 32, 8


def measure(rows: int) -> dict[str, Any]:
    """Both learners in both worlds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        few, wavers = np.zeros((DRAWS, 3)), 0.0
        for k in range(DRAWS):
            random = np.random.default_rng(k)
            x, y, _ = _wide(random, FEW)
            new, truth, best = _wide(random, 2_000)
            net = _network(0).fit(x, y)
            few[k] = [_right(m.predict(new), truth) for m in (_line().fit(x, y), net)] + [_right(best, truth)]
            wavers += float((net.predict(new) != _network(1).fit(x, y).predict(new)).mean()) / DRAWS
        random = np.random.default_rng(0)
        (x, y, _), (new, truth, best) = _products(random, rows), _products(random, 10_000)
        svm, net = (_right(m.fit(x, y).predict(new), truth) for m in (_line(), _network(0)))
    return {
        "rows": rows,
        "few": FEW,
        "wide": WIDE,
        "narrow": NARROW,
        "hidden": HIDDEN,
        "draws": DRAWS,
        "svm_few": float(few[:, 0].mean()),
        "net_few": float(few[:, 1].mean()),
        "best_few": float(few[:, 2].mean()),
        "wavers": wavers,
        "svm_many": svm,
        "net_many": net,
        "best_many": _right(best, truth),
    }


def _line() -> Any:
    return LinearSVC(C=0.01, random_state=0)


def _network(seed: int) -> Any:
    return MLPClassifier((HIDDEN,), max_iter=60, random_state=seed)


def _wide(random: Any, rows: int) -> tuple[Any, Any, Any]:
    y = random.random(rows) < 0.5
    mean = np.where(np.arange(WIDE) % 4 == 0, 0.25, 0.0)
    x = random.normal(size=(rows, WIDE)) + np.where(y, 1.0, -1.0)[:, None] * mean
    return x, y, x @ mean > 0.0


def _products(random: Any, rows: int) -> tuple[Any, Any, Any]:
    x = random.normal(size=(rows, NARROW))
    z = 3.0 * (x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3]) + x[:, 4]
    return x, random.random(rows) < 1.0 / (1.0 + np.exp(-z)), z > 0.0


def _right(guess: Any, truth: Any) -> float:
    return float((guess == truth).mean())


def holds(found: dict[str, Any]) -> bool:
    """Each ahead where it is claimed."""
    return bool(
        found["svm_few"] > found["net_few"] + 0.005
        and found["net_many"] > found["svm_many"] + 0.1
        and found["wavers"] > 0.005
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Both worlds."""
    at = np.arange(2)
    axes.bar(at - 0.25, [found["svm_few"], found["svm_many"]], 0.25, color="#c2410c", label="linear machine")
    axes.bar(at, [found["net_few"], found["net_many"]], 0.25, color="#64748b", label="network")
    axes.bar(at + 0.25, [found["best_few"], found["best_many"]], 0.25, color="#d6d3d1", label="best possible")
    axes.set_xticks(at, ["few rows, many columns", "many rows, products"])
    axes.set(ylabel="share right", ylim=(0.4, 1.0))
    axes.legend(frameon=False)
