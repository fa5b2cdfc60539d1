"""Why does boosting lower bias?

Every round adds a tree that fits the residuals, so the sum of weak trees approaches functions none of them can be;
the variance grows slowly meanwhile (Bühlmann and Hothorn, 2007).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

from bench.answers.trees.tree_overfit import rows_of

QUICK, STANDARD = 500, 5_000
CLAIM = "Over the rounds squared bias falls to a fraction of where it began while variance rises."
ANSWER = """Each round takes away a part of what is still wrong on average. Over {draws} training sets of {rows:,}
rows, trees of {leaves} leaves added one by one brought squared bias from {bias[0]:.3f} after {at[0]} round to
{bias[5]:.3f} after {at[5]}, while variance rose from {variance[0]:.3f} to {variance[5]:.3f}. Their sum was least
after {best} rounds. So weak learners suffice, and the number of rounds is what trades bias for variance. With
noise in the target the turn comes earlier; the sum of both parts, not the loss on training rows, tells when."""
LINKS = ("scalable/boosting/training/loop.py", "scalable/boosting/native/boost.py")
DRAWS, LEAVES, AT = 25, 4, (1, 5, 20, 60, 200, 600)


def measure(rows: int) -> dict[str, Any]:
    """Boost on each of many training sets."""
    points, _ = rows_of(400, 999)
    truth = np.sin(2.0 * points[:, 0]) + points[:, 1] * points[:, 2]
    each = np.empty((DRAWS, len(AT), len(points)))
    params = {
        "objective": "regression",
        "num_leaves": LEAVES,
        "verbosity": -1,
        "num_threads": 1,
        "min_data_in_leaf": 10,
    }
    for seed in range(DRAWS):
        x, y = rows_of(rows, seed)
        booster = lightgbm.train(params, lightgbm.Dataset(x, y), max(AT))
        each[seed] = [booster.predict(points, num_iteration=k) for k in AT]
    variance = each.var(axis=0, ddof=1).mean(axis=1)
    bias = ((each.mean(axis=0) - truth) ** 2).mean(axis=1) - variance / DRAWS
    return {
        "rows": rows,
        "draws": DRAWS,
        "leaves": LEAVES,
        "at": list(AT),
        "bias": bias.tolist(),
        "variance": variance.tolist(),
        "best": AT[int((bias + variance).argmin())],
    }


def holds(found: dict[str, Any]) -> bool:
    """Bias down to a fifth, variance up several times."""
    return bool(
        found["bias"][-1] < 0.2 * found["bias"][0] and found["variance"][-1] > 5.0 * found["variance"][0]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Both parts by rounds."""
    axes.semilogx(found["at"], found["bias"], "o-", color="#64748b", label="squared bias")
    axes.semilogx(found["at"], found["variance"], "o-", color="#c2410c", label="variance")
    axes.set(xlabel="rounds", ylabel="squared error")
    axes.legend(frameon=False)
