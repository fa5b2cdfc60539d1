"""When are principal components useful, and when harmful?

They keep what varies most, which is the signal only where the signal varies most (Jolliffe, 1982).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

from scalable.decomposition import PCA
from scalable.linear import LinearRegression

QUICK, STANDARD = 3_000, 30_000
CLAIM = (
    "Components help least squares on few rows of columns made by few factors, and harm where the signal varies little "
    "and before trees."
)
ANSWER = """They help where few factors make the columns and the target: with {few} rows of {columns} such columns the
error above the noise was {factor_pca:.3f} on {kept} components and {factor_raw:.3f} on all columns. They harm where
the signal varies little: with it in the last direction, {variance:.1%} of the variance, the same components left an
error of {low_pca:.2f} and the columns {low_raw:.3f}. They harm trees, which cut along columns: boosted trees on
{rows:,} rows of a target of two thresholds had {tree_raw:.3f} on the columns and {tree_pca:.3f} on all components,
though these hold the same numbers turned. Components never see the target, so only held-out error tells which case it
is; a ridge penalty keeps every direction and is the safer choice."""
LINKS = ("scalable/decomposition/pca.py",)
COLUMNS, KEPT, FEW, DRAWS = 40, 3, 60, 20


def measure(rows: int) -> dict[str, Any]:
    """Three kinds of truth, each with and without components; errors are above the noise, of variance 1."""
    random = np.random.default_rng(0)
    loadings = random.normal(size=(KEPT, COLUMNS))
    found: dict[str, Any] = {"rows": rows, "few": FEW, "columns": COLUMNS, "kept": KEPT}
    sums = dict.fromkeys(("factor_raw", "factor_pca", "low_raw", "low_pca"), 0.0)
    variance = 0.0
    for _ in range(DRAWS):
        factors = random.normal(size=(FEW + 2_000, KEPT))
        x = factors @ loadings + 0.3 * random.normal(size=(len(factors), COLUMNS))
        _add(sums, "factor", x, factors @ np.ones(KEPT), random)
        x = x[:, :8].copy()
        x[:, 7] = 0.3 * random.normal(size=len(x))
        variance += float(x[:, 7].var() / x.var(axis=0).sum()) / DRAWS
        _add(sums, "low", x, x[:, 7] / 0.3, random)
    x, new = random.normal(size=(2, rows, 6))
    effect, truth = ((v[:, 0] > 0.0) * 2.0 + (v[:, 1] > 0.5) * 2.0 for v in (x, new))
    y = effect + random.normal(size=rows)
    mixed = np.linalg.qr(random.normal(size=(6, 6)))[0] * [3.0, 2.5, 2.0, 1.5, 1.2, 1.0]
    turned = PCA().fit(x @ mixed.T)
    pairs = {
        "tree_raw": (x, new),
        "tree_pca": (turned.transform(x @ mixed.T), turned.transform(new @ mixed.T)),
    }
    for name, (train, held) in pairs.items():
        trees = lightgbm.LGBMRegressor(n_estimators=60, verbosity=-1, n_jobs=1, random_state=0).fit(train, y)
        found[name] = float(((np.asarray(trees.predict(held)) - truth) ** 2).mean())
    return {**found, **{name: value / DRAWS for name, value in sums.items()}, "variance": variance}


def _add(sums: dict[str, float], name: str, x: Any, truth: Any, random: Any) -> None:
    y = truth[:FEW] + random.normal(size=FEW)
    pca = PCA(KEPT).fit(x[:FEW])
    for way, mapped in (("raw", x), ("pca", pca.transform(x))):
        model = LinearRegression().fit(mapped[:FEW], y)
        sums[f"{name}_{way}"] += float(((model.predict(mapped[FEW:]) - truth[FEW:]) ** 2).mean())


def holds(found: dict[str, Any]) -> bool:
    """Help in the first case, harm in the others."""
    helps = found["factor_pca"] < 0.5 * found["factor_raw"]
    harms = found["low_pca"] > 2.0 * found["low_raw"] and found["tree_pca"] > 1.5 * found["tree_raw"]
    return bool(helps and harms)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Errors of the three cases."""
    names = ["factor", "low", "tree"]
    at = np.arange(3)
    axes.bar(at - 0.2, [found[f"{n}_raw"] for n in names], 0.4, color="#64748b", label="columns")
    axes.bar(at + 0.2, [found[f"{n}_pca"] for n in names], 0.4, color="#c2410c", label="components")
    axes.set_xticks(at, ["few factors", "signal varies little", "trees"])
    axes.set(ylabel="error above the noise", yscale="log")
    axes.legend(frameon=False)
