"""How would one design a system against fraud?

From the decision backwards: few cases can be looked at, each saves what it would have cost, labels come late and the
world turns; the model is the small part (Bolton and Hand, 2002; Dal Pozzolo et al., 2015).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

import data_gen
from bench.answers.measures import auc

QUICK, STANDARD = 60_000, 120_000
CLAIM = (
    "At equal reviews a ranking by expected loss saves more money than one by probability or by amount, although it "
    "finds fewer frauds, and more reviews save more."
)
ANSWER = """Begin with the decision and what each mistake costs: with {share:.0%} of the payments looked at, a
ranking by expected loss (probability times amount) saved {expected:.0%} of the money at stake on later
payments, by probability alone {probability:.0%}, by the rule of the largest amounts {rule:.0%}; the true
probabilities would save {best:.0%}. By number of frauds the order is {found_expected:.0%} and
{found_probability:.0%}: what is counted is a choice. With {most:.0%} looked at it saved {expected_most:.0%},
with {least:.1%} {expected_least:.0%}: capacity decides more than the model does. Its best AUC would be
{auc_best:.3f}, it had {auc:.3f}; a model of {few:,} rows instead of {many:,} had {auc_few:.3f} and saved
{expected_few:.0%}. So the order of work is: cost of a miss and of a review, when each column and label is
known, a split by time, a model, a threshold by capacity, an alarm on drift. Fraudsters who adapt to the model
are not in these rows."""
LINKS = ("data_gen/datasets/fraud/chunk.py", "scalable/serve/__init__.py", "docs/serving.md")
SHARES, SHARE, FEW = (0.002, 0.005, 0.01, 0.02, 0.05), 0.01, 4_000


def measure(rows: int) -> dict[str, Any]:
    """Learn from the first two thirds in time, and rank the last third in several ways."""
    knobs = {"prevalence": 0.02, "rows_per_day": max(24, rows // 60), "cards": 20_000, "merchants": 2_000}
    x, y, amount, p = _rows(rows, knobs)
    many = rows * 2 // 3
    past, later = slice(0, many), slice(many, rows)
    guess = _fit(x[past], y[past]).predict(x[later])
    weak = _fit(x[many - FEW : many], y[many - FEW : many]).predict(x[later])
    truth, money, chance = y[later], amount[later], p[later]
    found: dict[str, Any] = {
        "rows": rows,
        "share": SHARE,
        "shares": list(SHARES),
        "least": SHARES[0],
        "most": SHARES[-1],
    }
    scores = {"expected": guess * money, "probability": guess, "rule": money, "best": chance * money}
    found["curves"] = {n: [_saved(truth, money, score, c)[0] for c in SHARES] for n, score in scores.items()}
    for name, score in scores.items():
        found[name], found[f"found_{name}"] = _saved(truth, money, score, SHARE)
    found |= {
        "expected_least": found["curves"]["expected"][0],
        "expected_most": found["curves"]["expected"][-1],
    }
    found |= {"few": FEW, "many": many, "expected_few": _saved(truth, money, weak * money, SHARE)[0]}
    return {**found, "auc": auc(truth, guess), "auc_few": auc(truth, weak), "auc_best": auc(truth, chance)}


def _rows(rows: int, knobs: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    table = data_gen.rows("fraud", 0, rows, **knobs)
    names = [f.name for f in table.schema if str(f.type) in ("float", "int8", "int16", "int32") and f.name != "is_fraud"
             and not f.name.endswith("_id")]  # fmt: skip
    x = np.column_stack([table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names])
    y, amount = (table[name].to_numpy().astype(np.float64) for name in ("is_fraud", "amount_cents"))
    return x, y, amount, data_gen.truth("fraud", 0, rows, **knobs)


def _fit(x: Any, y: Any) -> Any:
    params = {
        "objective": "binary",
        "num_leaves": 15,
        "learning_rate": 0.1,
        "verbosity": -1,
        "num_threads": 1,
    }
    return lightgbm.train(params, lightgbm.Dataset(x, y), 80)


def _saved(y: Any, amount: Any, score: Any, share: float) -> tuple[float, float]:
    """Return the shares of the stolen money and of the frauds among the rows that are looked at."""
    top = np.argsort(-score)[: int(share * len(y))]
    return float((y * amount)[top].sum() / (y * amount).sum()), float(y[top].sum() / y.sum())


def holds(found: dict[str, Any]) -> bool:
    """More money saved, fewer frauds found, and more with more reviews."""
    money = (
        found["expected"] > max(found["probability"], found["rule"])
        and found["expected"] <= found["best"] + 0.03
    )
    fewer = found["found_probability"] > found["found_expected"]
    capacity = found["expected_most"] - found["expected_least"] > found["best"] - found["expected_few"]
    return bool(money and fewer and capacity and (np.diff(found["curves"]["expected"]) > 0.0).all())


def draw(found: dict[str, Any], axes: Any) -> None:
    """Money saved by capacity."""
    looks = {"best": "k", "expected": "#c2410c", "probability": "#64748b", "rule": "#7c3aed"}
    labels = {
        "best": "true expected loss",
        "expected": "expected loss",
        "probability": "probability",
        "rule": "amount",
    }
    for name, colour in looks.items():
        axes.semilogx(
            found["shares"], found["curves"][name], "o-", color=colour, lw=1, ms=3, label=labels[name]
        )
    axes.set(xlabel="share of payments looked at", ylabel="share of the money saved")
    axes.legend(frameon=False)
