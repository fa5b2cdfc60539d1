"""What does an offline evaluation not tell of an online one?

Logged rows are of another time, their latest labels are not in yet, and what the old policy refused has none at all
(Bottou et al., 2013).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.measures import auc
from scalable.data.table import TableSource
from scalable.evaluate import evaluate_predictions, folds, time_folds
from scalable.linear import LogisticRegression

QUICK, STANDARD = 12_000, 200_000
CLAIM = (
    "Random folds flatter a model of a drifting world more than folds ahead in time; labels that come late make fresh "
    "rows look safe; rows that a policy let pass overstate what the next policy catches."
)
ANSWER = """It does not tell of tomorrow, of late labels and of rows that were refused. In a world that turns, random
folds of {rows:,} rows gave an AUC of {random:.3f}, folds that learn from the past {ahead:.3f}, and the stretch
that came after {online:.3f}: the honest folds average over stretches in which less had changed. With labels
that take up to some {late:.0%} of the logged time to come, {fresh:.1%} of the latest fifth were positive by
then and {mature:.1%} in the end; one fifth earlier it was {waited:.1%} and {waited_mature:.1%}. Where the old
model refused the {refused:.0%} it feared most, the logged rows said that a new one would catch
{caught_logged:.0%} of the positives; of all rows it caught {caught:.0%}. Its AUC was {passed:.3f} on them and
{everyone:.3f} on all, {explored:.3f} with {share:.0%} let through at random and weighted. How people and fraudsters
answer to the new model is in no log; that takes an experiment."""
LINKS = ("scalable/evaluate/cross_validation.py", "scalable/monitor/labels.py", "bench/desk/replay.py")
COLUMNS, LATE, REFUSED, EXPLORED = 6, 0.2, 0.4, 0.2


def measure(rows: int) -> dict[str, Any]:
    """Judge a model offline in several ways, then online."""
    import pyarrow as pa

    random = np.random.default_rng(0)
    n = rows * 6 // 5
    when, x = np.arange(n), random.normal(size=(n, COLUMNS))
    a, b = np.eye(COLUMNS)[:2]
    # Each row's coefficients wander on from a to b and past it.
    turn = 0.7 * np.pi * when / n
    z = np.cos(turn) * (x @ a) + np.sin(turn) * (x @ b)
    y = (random.random(n) < 1.0 / (1.0 + np.exp(1.0 - 2.0 * z))).astype(float)
    names = [f"x{j}" for j in range(COLUMNS)]
    columns = dict(zip(names, x.T, strict=True))
    source = TableSource(pa.table({**columns, "when": when, "y": y}).slice(0, rows), "y", names, time="when")
    found: dict[str, Any] = {"rows": rows, "late": LATE, "refused": REFUSED, "share": EXPLORED}
    # The last part of all rows, of the size of a fold, is the online stretch.
    for name, pairs in (("random", folds(source, 5)), ("ahead", time_folds(source, 5))):
        scores = [auc(*_judged(train, held)) for train, held in pairs]
        found[name] = float(np.mean(scores[1:] if name == "ahead" else scores))
    model = LogisticRegression().fit(source)
    found["online"] = auc(y[rows:], model.predict_proba(pa.table(columns).slice(rows))[:, 1])

    delay = random.exponential(LATE / 2.0, rows) * rows  # of a positive's label
    seen = y[:rows] * (when[:rows] + delay < rows)
    latest, waiting = slice(rows * 4 // 5, rows), slice(rows * 3 // 5, rows * 4 // 5)
    found |= {"fresh": float(seen[latest].mean()), "mature": float(y[latest].mean())}
    found |= {"waited": float(seen[waiting].mean()), "waited_mature": float(y[waiting].mean())}

    x, y = random.normal(size=(rows, COLUMNS)), np.empty(0)
    y = (random.random(rows) < 1.0 / (1.0 + np.exp(1.5 - 2.0 * (x @ (a + b))))).astype(float)
    old, new = x @ a, x @ (a + 0.4 * b)  # two models that both know part of it
    asked = random.random(rows) < EXPLORED
    passed = old < np.quantile(old, 1.0 - REFUSED)
    found |= {"everyone": auc(y, _p(new)), "passed": auc(y[passed], _p(new[passed]))}
    shown = passed | asked
    weight = np.where(passed, 1.0, 1.0 / EXPLORED)[shown]
    found["explored"] = float(evaluate_predictions(y[shown], _p(new[shown]), weight)["auc"])
    found["caught"] = _caught(y, new)
    found["caught_logged"] = _caught(y[passed], new[passed])
    return found


def _judged(train: Any, held: Any) -> tuple[Any, Any]:
    blocks = [raw.arrays["y"].to_numpy() for shard in held.shards for raw in held.raw_blocks(shard, ["y"])]
    return np.concatenate(blocks), LogisticRegression().fit(train).predict_proba(held.without_target())[:, 1]


def _p(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-z))


def _caught(y: Any, score: Any) -> float:
    return float(y[score >= np.quantile(score, 1.0 - REFUSED)].sum() / y.sum())


def holds(found: dict[str, Any]) -> bool:
    """Three ways to be wrong, and what mends each."""
    time = found["random"] > found["ahead"] + 0.02 > found["online"] + 0.04
    labels = found["fresh"] < 0.8 * found["mature"] and found["waited"] > 0.8 * found["waited_mature"]
    off = {name: abs(found[name] - found["everyone"]) for name in ("passed", "explored")}
    return bool(
        time
        and labels
        and found["caught_logged"] > found["caught"] + 0.03
        and off["explored"] < off["passed"]
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """AUC, offline and online."""
    names = ["random", "ahead", "online", "passed", "explored", "everyone"]
    colours = ["#64748b", "#64748b", "#c2410c"] * 2
    axes.bar(names, [found[name] for name in names], color=colours)
    axes.set(ylabel="AUC", ylim=(0.5, 1.0))
