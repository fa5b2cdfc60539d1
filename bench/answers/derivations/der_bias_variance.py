"""How does one derive the division of error into bias, variance and noise, step by step?

Add and take away the noiseless target and the mean prediction: the cross terms are zero in the mean, and three squares
are left (Geman, Bienenstock and Doursat, 1992).
"""

from __future__ import annotations

from typing import Any

import numpy as np

QUICK, STANDARD = 30, 100
CLAIM = "Both cross terms vanish within their sampling error, and the three parts follow from formulas without a draw."
ANSWER = """Write the error as the noise, less how far the prediction is from its mean, less the bias; of the
six terms of its square three are squares and three are products. Over {draws:,} draws of {rows} rows both
products, with the noise and with the spread, were {cross:.1e} and {other:.1e}, within {errors:.1f} sampling
errors of zero. What was left summed to {sum:.4f} where {total:.4f} was measured: noise {noise:.4f}, variance
{variance:.4f}, squared bias {bias:.4f}. For a line fitted to a curve, variance and bias also follow without a
draw: H being the matrix from targets to predictions, variance is noise times the mean of the squares of H,
{variance_by:.4f}, and bias is H f - f, squared {bias_by:.4f}. With as many coefficients as the curve needs bias
was {bias_right:.0e} and variance {variance_right:.4f}. The division is that of squared error; other losses have
no such sum."""
LINKS = ("bench/answers/linear_models/reg_bias_variance.py", "bench/answers/trees/forest_variance.py")
DRAWS, NOISE = 20_000, 0.5


def measure(rows: int) -> dict[str, Any]:
    """Each term of the expansion, by draws and by formula."""
    random = np.random.default_rng(0)
    t = np.linspace(-1.0, 1.0, rows)
    new = np.linspace(-0.9, 0.9, 50)
    f, g = (1.0 + v + 2.0 * v**2 for v in (t, new))
    found: dict[str, Any] = {"rows": rows, "draws": DRAWS}
    for name, degree in (("", 1), ("_right", 2)):
        hat = np.vander(new, degree + 1) @ np.linalg.pinv(np.vander(t, degree + 1))
        y = f + NOISE * random.normal(size=(DRAWS, rows))
        fresh = NOISE * random.normal(size=(DRAWS, len(new)))
        p = y @ hat.T
        middle = p.mean(axis=0)
        spread, off = p - middle, middle - g
        found[f"variance{name}"] = float((spread**2).mean())
        found[f"bias{name}"] = float((off**2).mean())
        if not name:
            crosses = [-2.0 * (fresh * (spread + off)).mean(axis=1), 2.0 * (spread * off).mean(axis=1)]
            found["noise"] = float((fresh**2).mean())
            found["cross"], found["other"] = (float(abs(each.mean())) for each in crosses)
            found["errors"] = float(max(abs(e.mean()) / (e.std() / np.sqrt(DRAWS)) for e in crosses))
            found["total"] = float(((g + fresh - p) ** 2).mean())
            found["sum"] = found["noise"] + found["variance"] + found["bias"]
            found["variance_by"] = float(NOISE**2 * (hat**2).sum(axis=1).mean())
            found["bias_by"] = float(((hat @ f - g) ** 2).mean())
            found["curves"] = [new.tolist(), g.tolist(), middle.tolist(), spread.std(axis=0).tolist()]
    return found


def holds(found: dict[str, Any]) -> bool:
    """No cross terms, the sum, and both formulas."""
    formulas = [found["variance"] / found["variance_by"], found["bias"] / found["bias_by"]]
    close = abs(found["sum"] / found["total"] - 1.0) < 0.01 and np.abs(np.array(formulas) - 1.0).max() < 0.02
    return bool(close and found["errors"] < 4.0 and found["bias_right"] < 1e-4)


def draw(found: dict[str, Any], axes: Any) -> None:
    """The curve, the mean line, and its spread."""
    new, g, middle, spread = (np.array(each) for each in found["curves"])
    axes.plot(new, g, color="k", lw=1, label="target without noise")
    axes.plot(new, middle, color="#c2410c", label="mean of the lines fitted")
    axes.fill_between(new, middle - spread, middle + spread, color="#c2410c", alpha=0.2, label="their spread")
    axes.set(xlabel="column", ylabel="target")
    axes.legend(frameon=False)
