"""Why do kernel machines struggle with many rows?

The kernel matrix has a number for each pair of rows, and the machine keeps every row within its margin: training,
memory and each prediction grow with the rows (Bottou and Lin, 2007; Steinwart, 2003).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.svm import SVC

from scalable.linear import LinearSVC

QUICK, STANDARD = 2_000, 8_000
CLAIM = (
    "An exact machine's kernel evaluations grow much faster than the rows, and its support as fast as they."
)
ANSWER = """Their work grows as the rows to the power of {power:.2f}: {first:.1e} kernel evaluations at {few:,}
rows, {last:.1e} at {rows:,}. The kernel matrix would hold {matrix:.2f} GiB there and {billion:.0e} GiB for a
billion rows. {support:,} of {rows:,} rows became support vectors, and {share_least:.0%} to {share_most:.0%} at
every size, because classes overlap; so each prediction costs {support:,} kernel evaluations where the linear
machine takes one product. The linear machine read all rows {passes} times and keeps {numbers} numbers. On these
rows, which no line separates, it was right on {linear:.3f} of fresh ones and the kernel on {kernel:.3f}.
Evaluations are counted, not timed; seconds are in the page on kernel machines."""
LINKS = ("docs/kernel_svm.md", "scalable/linear/svc.py")


def measure(rows: int) -> dict[str, Any]:
    """Count what the exact machine computes as rows double, and ask the linear one beside it."""
    (x, y), (new, truth) = _rows(rows, 0), _rows(10_000, 1)
    sizes = [rows // 8, rows // 4, rows // 2, rows]
    work, support = [], []
    for n in sizes:
        machine = SVC(cache_size=1, random_state=0).fit(x[:n], y[:n])
        work.append(2.0 * n * int(machine.n_iter_.sum()))  # two columns of the matrix a step
        support.append(int(machine.n_support_.sum()))
    linear = LinearSVC().fit(x, y)
    return {
        "rows": rows,
        "few": sizes[0],
        "sizes": sizes,
        "work": work,
        "supports": support,
        "power": float(np.polyfit(np.log(sizes), np.log(work), 1)[0]),
        "first": work[0],
        "last": work[-1],
        "matrix": rows**2 * 8 / 2**30,
        "billion": 1e18 * 8 / 2**30,
        "support": support[-1],
        "share": support[-1] / rows,
        "share_least": min(s / n for s, n in zip(support, sizes, strict=True)),
        "share_most": max(s / n for s, n in zip(support, sizes, strict=True)),
        "passes": int(np.max(linear.n_iter_)),
        "numbers": int(np.size(linear.coef_) + 1),
        "linear": float((linear.predict(new) == truth).mean()),
        "kernel": float((machine.predict(new) == truth).mean()),
    }


def _rows(rows: int, seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    p = 1.0 / (1.0 + np.exp(-2.0 * (x[:, 0] * x[:, 1] + x[:, 2])))
    return x, (random.random(rows) < p).astype(np.float64)


def holds(found: dict[str, Any]) -> bool:
    """Faster than the rows, support a steady share, and the kernel better where it is needed."""
    grows = 1.4 < found["power"] < 2.6 and found["share_least"] > 0.5 * found["share"] > 0.1
    return bool(grows and found["kernel"] > found["linear"])


def draw(found: dict[str, Any], axes: Any) -> None:
    """Work and support by rows."""
    axes.loglog(found["sizes"], found["work"], "o-", color="#c2410c", label="kernel evaluations to train")
    axes.loglog(
        found["sizes"],
        found["supports"],
        "o-",
        color="#64748b",
        label="support vectors (kernels a prediction)",
    )
    axes.set(xlabel="rows")
    axes.legend(frameon=False)
