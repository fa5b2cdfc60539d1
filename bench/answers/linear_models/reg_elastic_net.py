"""When does a mix of both penalties beat each of them?

Among correlated columns that act together the lasso keeps one by chance; the squared part makes them share their
coefficient, the absolute part still drops the idle ones (Zou and Hastie, 2005).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.linear import ElasticNet, Lasso, Ridge

QUICK, STANDARD = 60, 60
CLAIM = (
    "On groups of correlated columns and few rows the mix finds the coefficients better than the lasso and "
    "ridge at their best."
)
ANSWER = """A mix wins where columns come in correlated groups and most are idle. With {groups} groups of {size}
columns that act, {idle} idle ones and {rows} rows, the squared error of the coefficients over {draws} draws, each
penalty at its best strength, was {mix:.1f} for the mix, {lasso:.1f} for the lasso and {ridge:.1f} for ridge. Of
the {acting} acting columns the lasso kept {kept_lasso:.1f} on average, the mix {kept_mix:.1f}. With independent
columns instead the mix had {alone_mix:.1f} and the lasso {alone_lasso:.1f}. The best strengths were chosen on the
truth, which nobody has; cross-validation costs each of them some of this."""
LINKS = ("scalable/linear/elastic_net.py",)
GROUPS, SIZE, IDLE, DRAWS = 3, 5, 25, 10
STRENGTHS = tuple(np.geomspace(0.1, 6.0, 9).tolist())


def measure(rows: int) -> dict[str, Any]:
    """Fit the three at many strengths, on correlated and on independent columns."""
    grouped, alone = _errors(rows, 0.99), _errors(rows, 0.0)
    return {
        "rows": rows,
        "groups": GROUPS,
        "size": SIZE,
        "idle": IDLE,
        "acting": GROUPS * SIZE,
        "draws": DRAWS,
        "strengths": list(STRENGTHS),
        **{name: min(curve) for name, curve in grouped["curves"].items()},
        "curves": grouped["curves"],
        "kept_lasso": grouped["kept"]["lasso"],
        "kept_mix": grouped["kept"]["mix"],
        "alone_mix": min(alone["curves"]["mix"]),
        "alone_lasso": min(alone["curves"]["lasso"]),
    }


def _errors(rows: int, correlation: float) -> dict[str, Any]:
    errors: dict[str, Any] = {name: np.zeros(len(STRENGTHS)) for name in ("lasso", "mix", "ridge")}
    kept: dict[str, list[float]] = {"lasso": [], "mix": []}
    truth = np.r_[np.full(GROUPS * SIZE, 3.0), np.zeros(IDLE)]
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        x = _columns(random, rows, correlation)
        y = x @ truth + 15.0 * random.normal(size=rows)
        for k, alpha in enumerate(STRENGTHS):
            fits = {
                "lasso": Lasso(alpha=alpha, tol=1e-7),
                "mix": ElasticNet(alpha=alpha, l1_ratio=0.5, tol=1e-7),
                "ridge": Ridge(alpha=alpha * rows),
            }
            for name, model in fits.items():
                model.fit(x, y)
                errors[name][k] += float(((model.coef_ - truth) ** 2).sum()) / DRAWS
                if name in kept and k == 5:
                    kept[name].append(float((model.coef_[: GROUPS * SIZE] != 0.0).sum()))
    return {
        "curves": {n: e.tolist() for n, e in errors.items()},
        "kept": {n: float(np.mean(v)) for n, v in kept.items()},
    }


def _columns(random: Any, rows: int, correlation: float) -> Any:
    common = np.repeat(random.normal(size=(rows, GROUPS)), SIZE, axis=1)
    own = random.normal(size=(rows, GROUPS * SIZE))
    acting = np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * own
    return np.hstack([acting, random.normal(size=(rows, IDLE))])


def holds(found: dict[str, Any]) -> bool:
    """The mix before both on groups."""
    lead = found["mix"] < min(found["lasso"], found["ridge"])
    return bool(lead and found["kept_mix"] > found["kept_lasso"])


def draw(found: dict[str, Any], axes: Any) -> None:
    """Error by strength."""
    for name, color in (("lasso", "#64748b"), ("mix", "#c2410c"), ("ridge", "#0f766e")):
        axes.loglog(found["strengths"], found["curves"][name], "o-", ms=3, color=color, label=name)
    axes.set(xlabel="strength of the penalty", ylabel="squared error of the coefficients")
    axes.legend(frameon=False)
