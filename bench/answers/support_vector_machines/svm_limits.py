"""What are the scaling limits of kernel machines, and the ways around them?

The exact machine needs a number for each pair of rows; a few landmarks, or random features, stand for the kernel and
make the work linear in the rows (Williams and Seeger, 2001; Rahimi and Recht, 2007).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.svm import SVC

from scalable.kernel_approximation import KernelClassifier
from scalable.linear import LogisticRegression

QUICK, STANDARD = 40_000, 1_000_000
CLAIM = (
    "Random features and landmarks come near the exact machine's accuracy on its own rows, and with many more, "
    "at a smaller price a row, pass it; the linear machine, and a kernel of the wrong width, stay behind."
)
ANSWER = """The exact machine is limited by pairs of rows: twice as many, {few:,} instead of {half:,}, took
{growth:.1f} times the processor time, {exact_us:.0f} us a row, and were right on {exact:.3f} of fresh ones. On the
same {few:,} rows {width} random features had {fourier_few:.3f}, structured ones {structured_few:.3f} and {width}
landmarks {nystroem_few:.3f}. On {rows:,} rows these had {fourier:.3f}, {structured:.3f} and {nystroem:.3f} at
{fourier_us:.1f}, {structured_us:.1f} and {nystroem_us:.1f} us a row; the matrix of pairs would hold {pairs:.0e}
numbers. A linear model had {linear:.3f}, where {best:.3f} is possible. More features come nearer: {narrow} had
{narrow_right:.3f}. What no number of them mends is a wrong width of the kernel: {times} times as narrow, {width}
had {wrong:.3f}."""
LINKS = ("scalable/kernel_approximation/__init__.py", "docs/kernel_svm.md")
FEW, WIDTH, NARROW, GAMMA, TIMES = 4_000, 256, 16, 0.5, 8
KINDS = ("fourier", "structured", "nystroem")


def measure(rows: int) -> dict[str, Any]:
    """The exact machine on few rows, and on half of these; what stands for it on few and on all."""
    (x, y, _), (new, truth, best) = _rows(0, rows), _rows(1, 20_000)
    half = FEW // 2

    def right(model: Any, n: int) -> tuple[float, float]:
        begin = time.process_time()
        model.fit(x[:n], y[:n])
        seconds = time.process_time() - begin
        return float((model.predict(new) == truth).mean()), seconds / n * 1e6

    found: dict[str, Any] = {"rows": rows, "few": FEW, "half": half, "width": WIDTH, "narrow": NARROW,
                             "times": TIMES, "pairs": float(rows) ** 2}  # fmt: skip
    half_us = min(right(SVC(gamma=GAMMA), half)[1] for _ in range(3))
    found["exact"], exact_us = right(SVC(gamma=GAMMA), FEW)
    found |= {"exact_us": exact_us, "growth": FEW * exact_us / (half * half_us)}
    for kind in KINDS:
        found[f"{kind}_few"], _ = right(_machine(kind, WIDTH), FEW)
        found[kind], found[f"{kind}_us"] = right(_machine(kind, WIDTH), rows)
    found["narrow_right"], _ = right(_machine("fourier", NARROW), rows)
    found["wrong"], _ = right(_machine("fourier", WIDTH, TIMES**2 * GAMMA), rows)
    found["linear"], _ = right(LogisticRegression(), rows)
    return {**found, "best": float((best == truth).mean())}


def _machine(kind: str, width: int, gamma: float = GAMMA) -> Any:
    return KernelClassifier(kind, width, gamma=gamma, solver="descent", random_state=0)


def _rows(seed: int, rows: int) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    z = 3.0 * np.sin(2.0 * x[:, 0]) + 2.0 * x[:, 1] * x[:, 2]
    return x, (random.random(rows) < 1.0 / (1.0 + np.exp(-z))).astype(np.float64), z > 0.0


def holds(found: dict[str, Any]) -> bool:
    """Near on few rows, past with many and for less; behind: the line, few features, the wrong width."""
    near = min(found[f"{k}_few"] for k in KINDS) > found["exact"] - 0.03
    past = min(found[k] for k in KINDS) > found["exact"] and found["growth"] > 2.5
    cheap = max(found[f"{k}_us"] for k in KINDS) < found["exact_us"]
    behind = max(found[name] for name in ("linear", "narrow_right", "wrong")) < found["exact"] - 0.02
    return bool(near and past and cheap and behind)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Share right."""
    at = np.arange(len(KINDS))
    few = [found[f"{k}_few"] for k in KINDS]
    axes.bar(at - 0.2, few, 0.4, color="#64748b", label=f"on {found['few']:,} rows")
    axes.bar(at + 0.2, [found[k] for k in KINDS], 0.4, color="#c2410c", label=f"on {found['rows']:,} rows")
    axes.axhline(found["exact"], color="k", ls=":", lw=1, label=f"exact, {found['few']:,} rows")
    axes.axhline(found["linear"], color="#7c3aed", ls=":", lw=1, label="linear")
    axes.set_xticks(at, KINDS)
    axes.set(ylabel="share right", ylim=(0.5, 0.95))
    axes.legend(frameon=False, fontsize=7, loc="lower right")
