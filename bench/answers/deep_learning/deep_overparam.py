"""Why can models with more weights than rows generalise?

Among all perfect fits descent finds the smallest, and with more weights the smallest gets smaller; the worst is where
just one fit is perfect (Belkin et al., 2019; Hastie et al., 2022).
"""

from __future__ import annotations

from typing import Any

import numpy as np

QUICK, STANDARD = 100, 300
CLAIM = "The held-out error peaks where weights equal rows and falls again beyond, and a penalty removes the peak."
ANSWER = """Because the smallest of many perfect fits is smooth: on {rows} rows the error above the noise fell
to {first:.3f} with fewer random features than rows, rose to {peak:,.1f} at as many, and fell to {last:.3f} at
{times} times as many, where the training error is {train:.0e}. The length of the coefficients tells why: it
was {norm_peak:.3g} at the peak and {norm_last:.3g} at the end. With the best ridge penalty at each width
there is no peak, {ridge_peak:.3f} at as many features as rows and {ridge_last:.3f} at the end, and more
features never cost more than {worse:.3f}. The fit beyond the peak is {gap:.3f} {side} the best one before
it: more weights need not be better, they need not be worse. Real labels that are wrong are
still fitted, and where they are many a penalty pays."""
LINKS = ("bench/answers/network.py", "docs/kernel_svm.md")
COLUMNS, NOISE, DRAWS, TIMES = 10, 0.3, 12, 20
SHARES = (0.05, 0.1, 0.2, 0.4, 0.7, 0.9, 1.0, 1.1, 1.4, 2.0, 4.0, 10.0, TIMES)


def measure(rows: int) -> dict[str, Any]:
    """Fit random ReLU features of growing number, the smallest perfect fit and the best ridge."""
    widths = [max(2, round(share * rows)) for share in SHARES]
    errors, lengths, ridge = (np.zeros((DRAWS, len(widths))) for _ in range(3))
    train = 0.0
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        b = random.normal(size=COLUMNS) / np.sqrt(COLUMNS)
        x, new = (random.normal(size=(n, COLUMNS)) for n in (rows, 500))
        y, truth = x @ b + NOISE * random.normal(size=rows), new @ b
        for k, width in enumerate(widths):
            w = random.normal(size=(COLUMNS, width)) / np.sqrt(COLUMNS)
            z, held = (np.maximum(v @ w, 0.0) / np.sqrt(width) for v in (x, new))
            u, s, vt = np.linalg.svd(z, full_matrices=False)
            along = u.T @ y
            fits = [vt.T @ (along / s)] + [vt.T @ (along * s / (s**2 + c)) for c in np.logspace(-3, 2, 11)]
            each = [float(((held @ fit - truth) ** 2).mean()) for fit in fits]
            errors[seed, k], ridge[seed, k] = each[0], min(each)
            lengths[seed, k] = np.linalg.norm(fits[0])
        train = max(train, float(((z @ fits[0] - y) ** 2).mean()))
    error, best = np.median(errors, axis=0), np.median(ridge, axis=0)
    middle = SHARES.index(1.0)
    length = np.median(lengths, axis=0)
    return {
        "rows": rows,
        "times": TIMES,
        "widths": widths,
        "error": error.tolist(),
        "ridge": best.tolist(),
        "first": float(error[:middle].min()),
        "peak": float(error[middle]),
        "peak_at": int(error.argmax()),
        "middle": middle,
        "last": float(error[-1]),
        "train": train,
        "norm_peak": float(length[middle]),
        "norm_last": float(length[-1]),
        "ridge_peak": float(best[middle]),
        "ridge_last": float(best[-1]),
        "worse": float(max(best[k] - best[:k].min() for k in range(1, len(best)))),
        "gap": float(abs(error[:middle].min() - error[-1])),
        "side": "below" if error[-1] < error[:middle].min() else "above",
    }


def holds(found: dict[str, Any]) -> bool:
    """A peak where claimed, a second fall, and none under the penalty."""
    peak = found["peak_at"] == found["middle"] and found["peak"] > 10.0 * found["last"]
    return bool(
        peak
        and found["ridge_peak"] < 0.2 * found["peak"]
        and found["train"] < 1e-8
        and found["norm_last"] < found["norm_peak"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Error by features."""
    axes.loglog(found["widths"], found["error"], "o-", color="#c2410c", label="smallest perfect fit")
    axes.loglog(found["widths"], found["ridge"], "o-", color="#64748b", label="best ridge")
    axes.axvline(found["rows"], color="k", ls=":", lw=1, label="as many features as rows")
    axes.set(xlabel="random features", ylabel="held-out error above the noise")
    axes.legend(frameon=False)
