"""When should deep learning not be used?

On tables whose columns mean something one by one, with thresholds and columns that say nothing, trees fit the shape of
the problem; networks fit smooth functions of many columns at once (Grinsztajn, Oyallon and Varoquaux, 2022).
"""

from __future__ import annotations

import warnings
from typing import Any

import lightgbm
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from bench.answers.numeric import log_loss

QUICK, STANDARD = 3_000, 4_000
CLAIM = (
    "On a table of thresholds and idle columns boosted trees beat the best network tried, in any units; on a smooth "
    "function of turned columns the network wins."
)
ANSWER = """When columns mean something one by one: on {rows:,} rows of thresholds, with {idle} columns that
say nothing, the best of {tried} boosted models was {trees_table:.3f} above the best possible loss and the
best of {tried} networks {net_table:.3f}. On a smooth function of sums of all columns it was
{trees_smooth:.3f} against {net_smooth:.3f}, in the network's favour. Given the table in its own units, a
column in thousands, the network lost {units:.3f} more and the trees {tree_units:.3f}. The spread between
settings was {net_spread:.3f} for networks and {tree_spread:.3f} for trees. The
trees took columns as they are; the network needed them scaled, and would need categories and gaps encoded.
Networks of today's larger kinds were not tried here, nor equal time; pictures, sound and text are another
matter."""
LINKS = ("scalable/boosting/train.py", "docs/versus.md", "bench/answers/deep_learning/deep_cnn.py")
USED, IDLE = 5, 15
TREES, NETS = ((7, 0.05), (7, 0.15), (31, 0.05), (31, 0.15)), ((32, 1e-4), (32, 1.0), (128, 1e-4), (128, 1.0))


def measure(rows: int) -> dict[str, Any]:
    """Both kinds, tuned, in both worlds."""
    found: dict[str, Any] = {"rows": rows, "idle": IDLE}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for world in ("table", "smooth"):
            (x, y, _), (new, truth, p) = _rows(0, rows, world), _rows(1, 10_000, world)
            best = log_loss(truth, p)
            scale = StandardScaler().fit(x)
            trees = [_trees(x, y, new, truth, *s) for s in TREES]
            nets = [_net(scale.transform(x), y, scale.transform(new), truth, *s) for s in NETS]
            found |= {
                f"trees_{world}": min(trees) - best,
                f"net_{world}": min(nets) - best,
                "tried": len(nets),
            }
            if world == "table":
                found |= {"tree_spread": max(trees) - min(trees), "net_spread": max(nets) - min(nets)}
                units = np.where(np.arange(x.shape[1]) == 0, 1_000.0, 1.0)
                k = int(np.argmin(nets))
                raw = _net(x * units, y, new * units, truth, *NETS[k])
                found["units"] = raw - min(nets)
                j = int(np.argmin(trees))
                again = _trees(x * units, y, new * units, truth, *TREES[j])
                found["tree_units"] = abs(again - min(trees))
    return found


def _trees(x: Any, y: Any, new: Any, truth: Any, leaves: int, rate: float) -> float:
    params = {
        "objective": "binary",
        "num_leaves": leaves,
        "learning_rate": rate,
        "verbosity": -1,
        "num_threads": 1,
    }
    return log_loss(truth, np.asarray(lightgbm.train(params, lightgbm.Dataset(x, y), 80).predict(new)))


def _net(x: Any, y: Any, new: Any, truth: Any, units: int, decay: float) -> float:
    model = MLPClassifier((units,), alpha=decay, max_iter=40, random_state=0, early_stopping=True)
    return log_loss(truth, model.fit(x, y).predict_proba(new)[:, 1])


def _rows(seed: int, rows: int, world: str) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, USED + IDLE))
    if world == "table":
        z = (
            3.0 * (x[:, 0] > 0.5)
            - 2.5 * (x[:, 1] < -0.3) * (x[:, 2] > 0.0)
            + 2.0 * (np.abs(x[:, 3]) > 1.0)
            - 1.0 * (x[:, 4] > 1.0)
        )
        z = z - 1.0
    else:
        turned = x @ np.linalg.qr(np.random.default_rng(5).normal(size=(USED + IDLE, USED + IDLE)))[0]
        z = 3.0 * np.tanh(2.0 * turned[:, 0]) + 2.0 * turned[:, 1]
    p = 1.0 / (1.0 + np.exp(-z))
    return x, (random.random(rows) < p).astype(np.float64), p


def holds(found: dict[str, Any]) -> bool:
    """Each ahead in its world, and units that matter to one."""
    ahead = (
        found["trees_table"] < 0.8 * found["net_table"] and found["net_smooth"] < 0.8 * found["trees_smooth"]
    )
    return bool(ahead and found["units"] > found["tree_units"] + 0.01)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Loss above the best possible."""
    at = np.arange(2)
    axes.bar(
        at - 0.2, [found["trees_table"], found["trees_smooth"]], 0.4, color="#c2410c", label="boosted trees"
    )
    axes.bar(at + 0.2, [found["net_table"], found["net_smooth"]], 0.4, color="#64748b", label="network")
    axes.set_xticks(at, ["table of thresholds", "smooth, columns turned"])
    axes.set(ylabel="log loss above the best possible")
    axes.legend(frameon=False)
