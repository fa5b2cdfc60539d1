"""Is it better to select columns or to penalise them?

Choosing a subset is a yes or no that a few rows turn over; a penalty moves coefficients a little at a time
(Breiman, 1996).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LassoCV, RidgeCV

QUICK, STANDARD = 60, 60
CLAIM = (
    "On correlated columns with few rows, forward selection keeps other columns on every draw and predicts worse than "
    "the lasso and ridge do."
)
ANSWER = """Penalising was better and steadier: over {draws} draws of {rows} rows with {columns} correlated
columns, of which {true} matter, the error above the noise was {select:.3f} for forward selection by
cross-validation, {lasso:.3f} for the lasso and {ridge:.3f} for ridge. Two draws shared {select_same:.0%} of
the columns that selection kept and {lasso_same:.0%} of the lasso's. Selection kept {kept:.1f} columns,
{right:.0%} of them truly needed; the lasso {lasso_kept:.1f}, {lasso_right:.0%} of them. With {many:,} rows
{right_many:.0%} of what selection kept was needed and its error was {select_many:.4f} against
{lasso_many:.4f}, so with rows enough the order can turn. Which columns a model keeps is thus no proof of what
matters; columns that cost money to collect are a reason to select all the same."""
LINKS = ("scalable/linear/elastic_net.py",)
COLUMNS, TRUE, DRAWS, MANY = 30, 5, 15, 1_000


def measure(rows: int) -> dict[str, Any]:
    """Let each choose on many draws."""
    few, many = _compare(rows, DRAWS), _compare(MANY, 4)
    return {
        "rows": rows,
        "draws": DRAWS,
        "columns": COLUMNS,
        "true": TRUE,
        "many": MANY,
        **few,
        **{f"{name}_many": many[name] for name in ("select", "lasso", "right")},
    }


def _compare(rows: int, draws: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    truth = np.zeros(COLUMNS)
    truth[: 3 * TRUE : 3] = [1.0, -0.7, 0.5, 0.5, 0.4]
    shape = 0.7 ** np.abs(np.subtract.outer(np.arange(COLUMNS), np.arange(COLUMNS)))
    half = np.linalg.cholesky(shape)
    errors, kept = np.zeros((3, draws)), np.zeros((2, draws, COLUMNS), bool)
    for k in range(draws):
        x = random.normal(size=(rows, COLUMNS)) @ half.T
        y = x @ truth + 1.5 * random.normal(size=rows)
        fits = [
            _forward(x, y),
            LassoCV(cv=5, alphas=15, fit_intercept=False).fit(x, y).coef_,
            RidgeCV(np.logspace(-2, 3, 20), fit_intercept=False).fit(x, y).coef_,
        ]
        errors[:, k] = [(fit - truth) @ shape @ (fit - truth) for fit in fits]
        kept[:, k] = [fit != 0.0 for fit in fits[:2]]
    names = [("", "select_same"), ("lasso_", "lasso_same")]
    out: dict[str, Any] = dict(zip(("select", "lasso", "ridge"), errors.mean(axis=1).tolist(), strict=True))
    for (prefix, same), each in zip(names, kept, strict=True):
        pairs = [(a & b).sum() / max((a | b).sum(), 1) for i, a in enumerate(each) for b in each[:i]]
        out[same] = float(np.mean(pairs))
        out[f"{prefix}kept"] = float(each.sum(axis=1).mean())
        out[f"{prefix}right"] = float((each & (truth != 0.0)).sum() / each.sum())
        out[f"{prefix}shares"] = each.mean(axis=0).tolist()
    return out


def _forward(x: Any, y: Any) -> Any:
    parts = np.arange(len(y)) % 5
    paths = np.array([_path(x[parts != j], y[parts != j]) for j in range(5)])
    errors = [[((y[parts == j] - x[parts == j] @ fit) ** 2).sum() for fit in paths[j]] for j in range(5)]
    return _path(x, y)[int(np.sum(errors, axis=0).argmin())]


def _path(x: Any, y: Any, most: int = 12) -> Any:
    chosen: list[int] = []
    fits, rest = [np.zeros(x.shape[1])], y
    for _ in range(most):
        gain = np.abs(x.T @ rest) / np.linalg.norm(x, axis=0)
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
        fit = np.zeros(x.shape[1])
        fit[chosen] = np.linalg.lstsq(x[:, chosen], y, rcond=None)[0]
        rest = y - x @ fit
        fits.append(fit)
    return np.array(fits)


def holds(found: dict[str, Any]) -> bool:
    """Worse and less steady."""
    return bool(found["select"] > 1.1 * max(found["lasso"], found["ridge"]) and found["select_same"] < 0.6)


def draw(found: dict[str, Any], axes: Any) -> None:
    """How often each column was kept."""
    at = np.arange(found["columns"])
    axes.bar(at - 0.2, found["shares"], 0.4, color="#c2410c", label="forward selection")
    axes.bar(at + 0.2, found["lasso_shares"], 0.4, color="#64748b", label="lasso")
    axes.set(xlabel="column (0, 3, 6, 9 and 12 matter)", ylabel="share of draws that kept it")
    axes.legend(frameon=False)
