"""What separates a causal effect from a correlation?

What makes rows take a treatment may itself move the outcome; comparing like with like removes what is seen of it, by
weights, by a model of the outcome, or by both (Robins, Rotnitzky and Zhao, 1994; Chernozhukov et al., 2018).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.linear import LinearRegression, LogisticRegression

QUICK, STANDARD = 4_000, 20_000
CLAIM = (
    "The plain difference misses the planted effect by many standard errors; weights come near, "
    "weights and a model of the outcome together find it; "
    "with a cause that is not seen none does."
)
ANSWER = """The way rows came to be treated: with a true effect of {effect} the plain difference of means was
{plain:.3f} on {rows:,} rows, because those who would do well anyway were treated more. Weighting by one over
the chance of treatment gave {weighted:.3f}, the doubly robust estimate {robust:.3f} with a standard error of
{error:.3f}. Over {draws} draws its 95% interval held the truth in {cover:.0%}. With a wrong model of the
outcome it was {wrong_outcome:.3f} and with a wrong model of treatment {wrong_treatment:.3f}: one right model
is enough, with both wrong it was {both_wrong:.3f}. With the main cause left out of the columns it was
{hidden:.3f}, and nothing in the rows told so. Treated by coin, the plain difference was {coin:.3f}. A model
that predicts well is no help here: its coefficient of treatment, without the causes, was {plain:.3f} too."""
LINKS = ("scalable/linear/logistic.py", "scalable/linear/least_squares.py")
EFFECT, DRAWS, FOLDS = 1.0, 40, 2


def measure(rows: int) -> dict[str, Any]:
    """Estimate a planted effect in several ways."""
    found: dict[str, Any] = {"rows": rows, "effect": EFFECT, "draws": DRAWS}
    x, treated, y = _rows(0, rows)
    found["plain"] = float(y[treated].mean() - y[~treated].mean())
    right = x**2
    p = _propensity(right, treated, right)
    weights = np.where(treated, 1.0 / p, 1.0 / (1.0 - p))
    means = [np.average(y[arm], weights=weights[arm]) for arm in (treated, ~treated)]
    found["weighted"] = float(means[0] - means[1])
    found["robust"], found["error"] = _robust(right, right, treated, y)
    nothing = x[:, 3:]
    found["wrong_outcome"] = _robust(right, nothing, treated, y)[0]
    found["wrong_treatment"] = _robust(nothing, right, treated, y)[0]
    found["both_wrong"] = _robust(nothing, nothing, treated, y)[0]
    found["hidden"] = _robust(right[:, 1:], right[:, 1:], treated, y)[0]
    coin = np.random.default_rng(1).random(rows) < 0.5
    outcome = y + EFFECT * (coin.astype(float) - treated)
    found["coin"] = float(outcome[coin].mean() - outcome[~coin].mean())
    inside, estimates = 0, []
    for seed in range(DRAWS):
        x, treated, y = _rows(100 + seed, 1_000)
        estimate, error = _robust(x**2, x**2, treated, y)
        inside += abs(estimate - EFFECT) < 1.96 * error
        estimates.append([float(y[treated].mean() - y[~treated].mean()), estimate])
    return {**found, "cover": inside / DRAWS, "estimates": estimates}


def _rows(seed: int, rows: int) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 5))
    cause = x[:, 0] ** 2 - 1.0
    treated = random.random(rows) < 1.0 / (1.0 + np.exp(-0.7 * cause))
    return x, treated, EFFECT * treated + 1.5 * cause + 0.5 * x[:, 1] ** 2 + random.normal(size=rows)


def _propensity(x: Any, treated: Any, new: Any) -> Any:
    model = LogisticRegression().fit(x, treated.astype(float))
    return np.clip(model.predict_proba(new)[:, 1], 0.01, 0.99)


def _robust(for_treatment: Any, for_outcome: Any, treated: Any, y: Any) -> tuple[float, float]:
    """Return the cross-fitted doubly robust estimate and its standard error."""
    fold, score = np.arange(len(y)) % FOLDS, np.empty(len(y))
    for k in range(FOLDS):
        train, held = fold != k, fold == k
        p = _propensity(for_treatment[train], treated[train], for_treatment[held])
        arms = [
            LinearRegression().fit(for_outcome[train & arm], y[train & arm]) for arm in (treated, ~treated)
        ]
        one, zero = (model.predict(for_outcome[held]) for model in arms)
        t, outcome = treated[held], y[held]
        score[held] = one - zero + t * (outcome - one) / p - (~t) * (outcome - zero) / (1.0 - p)
    return float(score.mean()), float(score.std(ddof=1) / np.sqrt(len(y)))


def holds(found: dict[str, Any]) -> bool:
    """Missed by the difference, found by the others, missed by all without the cause."""
    off = {
        name: abs(found[name] - EFFECT)
        for name in ("plain", "weighted", "robust", "wrong_outcome", "hidden", "both_wrong")
    }
    error = found["error"]
    hits = off["robust"] < 4.0 * error and off["weighted"] < 0.25 and off["wrong_outcome"] < 0.25
    return bool(
        hits
        and off["plain"] > 10.0 * error
        and min(off["hidden"], off["both_wrong"]) > 10.0 * error
        and found["cover"] > 0.8
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Estimates over draws."""
    for values, name, colour in zip(
        np.array(found["estimates"]).T,
        ("plain difference", "doubly robust"),
        ("#64748b", "#c2410c"),
        strict=True,
    ):
        axes.hist(values, 15, color=colour, alpha=0.7, label=name)
    axes.axvline(found["effect"], color="k", lw=1, label="true effect")
    axes.set(xlabel="estimate", ylabel="draws")
    axes.legend(frameon=False)
