"""What are the scaling limits of kernel machines, and the ways around them?

The exact machine needs a number for each pair of rows; a few landmarks, or random features, stand for the kernel and
make the work linear in the rows (Williams and Seeger, 2001; Rahimi and Recht, 2007).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.svm import SVC

from scalable.kernel_approximation import KernelClassifier
from scalable.linear import LogisticRegression

QUICK, STANDARD = 3_000, 6_000
CLAIM = (
    "Random features and landmarks come near the exact machine's accuracy on its own rows, and with more rows than "
    "it can hold pass it; the linear machine stays behind."
)
ANSWER = """The exact machine is limited by pairs of rows: with the {few:,} it was given it was right on
{exact:.3f} of fresh ones, its kernel matrix holding {pairs:,} numbers; all {rows:,} rows would make
{all_pairs:.0e}. On the same {few:,} rows {width} random features had {fourier_few:.3f}, structured ones
{structured_few:.3f} and {width} landmarks {nystroem_few:.3f}. On all {rows:,}, one pass a step and
{numbers:,} numbers kept whatever the rows, they had {fourier:.3f}, {structured:.3f} and {nystroem:.3f}. A
linear model had {linear:.3f}, where {best:.3f} is possible. More features come nearer: {narrow} had
{fourier_narrow:.3f}. The price of features is the square of their number for each row in a step; and what no
number of them mends is a wrong width of the kernel."""
LINKS = ("scalable/kernel_approximation/__init__.py", "docs/kernel_svm.md")
FEW, WIDTH, NARROW, GAMMA = 600, 128, 16, 0.5


def measure(rows: int) -> dict[str, Any]:
    """The exact machine on few rows; what stands for it on few and on all."""
    (x, y, _), (new, truth, best) = _rows(0, rows), _rows(1, 6_000)

    def right(model: Any, n: int) -> float:
        return float((model.fit(x[:n], y[:n]).predict(new) == truth).mean())

    found: dict[str, Any] = {"rows": rows, "few": FEW, "width": WIDTH, "narrow": NARROW, "pairs": FEW**2,
                             "all_pairs": float(rows) ** 2, "numbers": WIDTH**2 + 2 * WIDTH}  # fmt: skip
    found["exact"] = right(SVC(gamma=GAMMA), FEW)
    for kind in ("fourier", "structured", "nystroem"):
        for name, n in (("_few", FEW), ("", rows)):
            found[f"{kind}{name}"] = right(_machine(kind, WIDTH), n)
    found["fourier_narrow"] = right(_machine("fourier", NARROW), rows)
    found["linear"] = right(LogisticRegression(), rows)
    return {**found, "best": float((best == truth).mean())}


def _machine(kind: str, width: int) -> Any:
    return KernelClassifier(kind=kind, n_components=width, gamma=GAMMA, random_state=0)


def _rows(seed: int, rows: int) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    z = 3.0 * np.sin(2.0 * x[:, 0]) + 2.0 * x[:, 1] * x[:, 2]
    return x, (random.random(rows) < 1.0 / (1.0 + np.exp(-z))).astype(np.float64), z > 0.0


def holds(found: dict[str, Any]) -> bool:
    """Near on few rows, past with many, and the line behind."""
    near = min(found[f"{k}_few"] for k in ("fourier", "structured", "nystroem")) > found["exact"] - 0.05
    past = min(found[k] for k in ("fourier", "structured", "nystroem")) > found["exact"]
    return bool(
        near
        and past
        and found["linear"] < found["exact"] - 0.05
        and found["fourier_narrow"] < found["fourier"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Share right."""
    kinds = ["fourier", "structured", "nystroem"]
    at = np.arange(3)
    axes.bar(
        at - 0.2, [found[f"{k}_few"] for k in kinds], 0.4, color="#64748b", label=f"on {found['few']:,} rows"
    )
    axes.bar(at + 0.2, [found[k] for k in kinds], 0.4, color="#c2410c", label=f"on {found['rows']:,} rows")
    axes.axhline(found["exact"], color="k", ls=":", lw=1, label=f"exact, {found['few']:,} rows")
    axes.axhline(found["linear"], color="#7c3aed", ls=":", lw=1, label="linear")
    axes.set_xticks(at, kinds)
    axes.set(ylabel="share right", ylim=(0.5, 0.95))
    axes.legend(frameon=False, fontsize=7, loc="lower right")
