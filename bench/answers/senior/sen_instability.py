"""What makes models unstable?

A prediction can move with the seed, with the rows drawn, with a few rows in a leaf, and with the world; each is
measured by changing it alone (Breiman, 1996).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

from scalable.linear import LinearRegression

QUICK, STANDARD = 1_500, 6_000
CLAIM = "Fresh rows move predictions more than seeds, small leaves make both worse, averages mend both and not drift."
ANSWER = """Mostly few rows behind each number: with another seed alone a boosted model's predictions moved by
{seed:.3f} (root mean square), with another draw of {rows:,} rows by {draw:.3f}, and with leaves of one row
instead of {leaf} by {small_seed:.3f} and {small_draw:.3f}. The mean of {many} models with other seeds moved by
{mean_seed:.3f} from seed to seed, and {mean_draw:.3f} from draw to draw: averaging mends the seed and a part of
the rest. Two columns with a correlation of {correlation} moved a linear model's coefficients by {coef:.2f} from
draw to draw and its predictions by {line:.3f}. When the world changed, so that a slope had the other sign, all
these models moved together: their error rose from {before:.2f} to {after:.2f} while the spread between seeds
stayed at {after_seed:.3f}. So a small spread between seeds is no sign that a model is right."""
LINKS = ("scalable/linear/solvers/diagnostics.py", "scalable/boosting/train.py")
LEAF, MANY, DRAWS, CORRELATION = 50, 5, 6, 0.999


def measure(rows: int) -> dict[str, Any]:
    """Change one thing at a time and look at the same fresh rows."""
    new, _ = _rows(999, 2_000)
    sets = [_rows(seed, rows) for seed in range(DRAWS)]
    found: dict[str, Any] = {"rows": rows, "leaf": LEAF, "many": MANY, "correlation": CORRELATION}
    for name, leaf in (("", LEAF), ("small_", 1)):
        found[f"{name}seed"] = _spread([_fit(*sets[0], seed, leaf).predict(new) for seed in range(DRAWS)])
        found[f"{name}draw"] = _spread([_fit(*each, 0, leaf).predict(new) for each in sets])
    found["mean_seed"] = _spread([_mean(*sets[0], k, new) for k in range(4)])
    found["mean_draw"] = _spread([_mean(*each, 0, new) for each in sets[:4]])
    coefficients, lines = [], []
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        x = random.normal(size=(rows, 2))
        x[:, 1] = CORRELATION * x[:, 0] + np.sqrt(1.0 - CORRELATION**2) * x[:, 1]
        held = np.random.default_rng(999).normal(size=2_000)
        model = LinearRegression().fit(x, x.sum(axis=1) + random.normal(size=rows))
        coefficients.append(np.ravel(model.coef_))
        lines.append(model.predict(np.column_stack([held, CORRELATION * held])))
    found["coef"], found["line"] = _spread(coefficients), _spread(lines)
    models = [_fit(*sets[0], seed, LEAF) for seed in range(3)]
    shifted, truth = _rows(5, 2_000, turned=True)
    same, target = _rows(6, 2_000)
    found["before"], found["after"] = (
        float(np.sqrt(np.mean([(m.predict(x) - y) ** 2 for m in models])))
        for x, y in ((same, target), (shifted, truth))
    )
    found["after_seed"] = _spread([m.predict(shifted) for m in models])
    return found


def _rows(seed: int, rows: int, turned: bool = False) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 5))
    return x, np.sin(2.0 * x[:, 0]) + (-1.0 if turned else 1.0) * x[:, 1] + 0.5 * random.normal(size=rows)


def _fit(x: Any, y: Any, seed: int, leaf: int) -> Any:
    params = {
        "objective": "regression",
        "num_leaves": 31,
        "min_data_in_leaf": leaf,
        "verbosity": -1,
        "num_threads": 1,
    }
    params |= {"bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.6, "seed": seed}
    return lightgbm.train(params, lightgbm.Dataset(x, y), 60)


def _mean(x: Any, y: Any, block: int, new: Any) -> Any:
    return np.mean([_fit(x, y, 1_000 + MANY * block + k, LEAF).predict(new) for k in range(MANY)], axis=0)


def _spread(each: Any) -> float:
    return float(np.sqrt(np.var(each, axis=0, ddof=1).mean()))


def holds(found: dict[str, Any]) -> bool:
    """Each of the claims."""
    more = (
        found["draw"] > found["seed"]
        and found["small_draw"] > found["draw"]
        and found["small_seed"] > found["seed"]
    )
    mended = found["mean_seed"] < 0.6 * found["seed"] and found["mean_draw"] < found["draw"]
    return bool(
        more and mended and found["coef"] > 5.0 * found["line"] and found["after"] > 2.0 * found["before"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Spread by cause."""
    names = ["mean_seed", "seed", "small_seed", "mean_draw", "draw", "small_draw"]
    labels = ["seed, averaged", "seed", "seed, small leaves", "rows, averaged", "rows", "rows, small leaves"]
    axes.barh(labels, [found[name] for name in names], color="#c2410c")
    axes.invert_yaxis()
    axes.set(xlabel="spread of a prediction")
