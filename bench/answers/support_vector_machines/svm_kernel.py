"""Why can a kernel stand for a feature space?

A positive definite function of two rows is the inner product of their images, and a learner that needs inner products
alone never has to make the images (Aizerman et al., 1964; Rahimi and Recht, 2007).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

QUICK, STANDARD = 500, 1_500
CLAIM = (
    "Learning with (x'z + 1)^2 is learning on all products of two columns, and products of D random cosines come "
    "near the Gaussian kernel as 1 / sqrt(D)."
)
ANSWER = """Because only inner products are needed: kernel ridge with (x'z + 1)^2 and plain ridge on all
{columns} products of its {raw} columns predicted the same within {same:.0e}. The Gaussian kernel's images
have no end, yet cosines along random directions give its inner products on average: with {few} of them the
error of a product was {error_few:.3f}, with {many:,} {error_many:.4f}, falling as D to the power of
{power:.2f}. No eigenvalue of the kernel matrix of fresh rows was below {least:.0e}; the negative distance,
which is no kernel, has one of {bad:.0f}. Ridge on {many:,} cosines predicted within {apart:.3f} of the exact
kernel's answer (root mean square). So a kernel trades columns for rows: it pays when the space is wide and
the rows are few."""
LINKS = ("scalable/linear/svc.py", "docs/kernel_svm.md")
RAW, WIDTHS, GAMMA, PENALTY = 6, (16, 64, 256, 1_024, 4_096), 0.2, 1e-2


def measure(rows: int) -> dict[str, Any]:
    """Compare kernels with the features they stand for."""
    random = np.random.default_rng(0)
    x, new = random.normal(size=(rows, RAW)), random.normal(size=(500, RAW))
    y = np.sin(2.0 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.1 * random.normal(size=rows)
    kernel = KernelRidge(alpha=PENALTY, kernel=lambda a, b: (a @ b + 1.0) ** 2).fit(x, y)
    plain = Ridge(PENALTY, fit_intercept=False, solver="cholesky").fit(_products(x), y)
    gram = _gaussian(new, new)
    errors = []
    for width in WIDTHS:
        z = _cosines(new, width, 1)
        errors.append(float(np.sqrt(((z @ z.T - gram) ** 2).mean())))
    exact = _gaussian(new, x) @ np.linalg.solve(_gaussian(x, x) + PENALTY * rows * np.eye(rows), y)
    wide = Ridge(PENALTY * rows, fit_intercept=False, solver="cholesky").fit(_cosines(x, WIDTHS[-1], 1), y)
    distance = -np.sqrt(np.maximum(_squares(new, new), 0.0))
    return {
        "rows": rows,
        "raw": RAW,
        "columns": _products(x[:1]).shape[1],
        "same": float(np.abs(kernel.predict(new) - plain.predict(_products(new))).max()),
        "widths": list(WIDTHS),
        "errors": errors,
        "few": WIDTHS[0],
        "many": WIDTHS[-1],
        "error_few": errors[0],
        "error_many": errors[-1],
        "power": float(np.polyfit(np.log(WIDTHS), np.log(errors), 1)[0]),
        "least": float(np.linalg.eigvalsh(gram).min()),
        "bad": float(np.linalg.eigvalsh(distance).min()),
        "apart": float(np.sqrt(((wide.predict(_cosines(new, WIDTHS[-1], 1)) - exact) ** 2).mean())),
        "spread": float(exact.std()),
    }


def _products(x: Any) -> Any:
    i, j = np.triu_indices(x.shape[1])
    scale = np.where(i == j, 1.0, np.sqrt(2.0))
    return np.column_stack([np.ones(len(x)), np.sqrt(2.0) * x, scale * x[:, i] * x[:, j]])


def _squares(a: Any, b: Any) -> Any:
    return (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * a @ b.T


def _gaussian(a: Any, b: Any) -> Any:
    return np.exp(-GAMMA * _squares(a, b))


def _cosines(x: Any, width: int, seed: int) -> Any:
    random = np.random.default_rng(seed)
    w = np.sqrt(2.0 * GAMMA) * random.normal(size=(x.shape[1], width))
    return np.sqrt(2.0 / width) * np.cos(x @ w + random.uniform(0.0, 2.0 * np.pi, width))


def holds(found: dict[str, Any]) -> bool:
    """Same predictions, error as 1 / sqrt(D), and near the exact answer."""
    near = found["apart"] < 0.25 * found["spread"] and found["bad"] < -1.0 and found["least"] > -1e-9
    return bool(found["same"] < 1e-5 and abs(found["power"] + 0.5) < 0.1 and near)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Error of inner products by their number."""
    axes.loglog(found["widths"], found["errors"], "o-", color="#c2410c", label="measured")
    d = np.array(found["widths"])
    axes.loglog(d, found["errors"][0] * np.sqrt(d[0] / d), "k:", lw=1, label="1 / sqrt(D)")
    axes.set(xlabel="random cosines D", ylabel="error of the kernel")
    axes.legend(frameon=False)
