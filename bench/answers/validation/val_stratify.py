"""When is stratified sampling needed?

Where a class is so rare that chance leaves folds with few of it or none; a fixed share in each fold removes that part
of the spread (Kohavi, 1995; Cochran, 1977).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.answers.numeric import log_loss

QUICK, STANDARD = 1_000, 4_000
CLAIM = (
    "Random folds vary more than stratified ones in log loss and not in AUC; with few positives some have hardly any, "
    "with many none."
)
ANSWER = """When a fold expects few positives: with {few} positives in {rows:,} rows and five folds, {empty:.1%}
of the random folds had fewer than two and could not be judged, of the stratified ones {empty_strat:.1%}; with
{many:,} positives {empty_many:.1%} and {empty_many_strat:.1%}. The log loss of a fold varied by {loss:.0%} of
its mean with random folds and by {loss_strat:.0%} with stratified ones; with many positives by {loss_many:.0%}
and {loss_many_strat:.0%}, because the number of positives a fold moves it. The AUC does not see their share: it
varied by {auc:.3f} and {auc_strat:.3f} with few, {auc_many:.3f} and {auc_many_strat:.3f} with many, so
stratifying is no remedy for few positives. It makes folds comparable and says nothing of the base rate of
tomorrow; groups or time, where they matter, come first."""
LINKS = ("scalable/linear/gradient.py", "scalable/evaluate/binary.py")
FEW, REPEATS = 12, 150


def measure(rows: int) -> dict[str, Any]:
    """Judge known probabilities on folds of either kind, with few positives and with a tenth."""
    found: dict[str, Any] = {"rows": rows, "few": FEW, "many": rows // 10}
    for name, count in (("", FEW), ("_many", rows // 10)):
        for kind in ("", "_strat"):
            random = np.random.default_rng(0)
            scores = [_fold_scores(random, rows, count, kind == "_strat") for _ in range(REPEATS)]
            losses = np.array([[loss for loss, _, _ in folds] for folds in scores])
            aucs = np.array([auc for folds in scores for _, auc, _ in folds if auc is not None])
            counts = np.array([[n for _, _, n in folds] for folds in scores])
            found[f"loss{name}{kind}"] = float(np.sqrt(losses.var(axis=1, ddof=1).mean()) / losses.mean())
            found[f"auc{name}{kind}"] = float(aucs.std(ddof=1))
            found[f"empty{name}{kind}"] = float((counts < 2).mean())
            found[f"counts{name}{kind}"] = np.bincount(counts.ravel(), minlength=12)[:12].tolist()
    return found


def _fold_scores(random: Any, rows: int, count: int, stratified: bool) -> list[Any]:
    y = (np.arange(rows) < count).astype(np.float64)
    base = np.log(count / (rows - count))
    z = base + 1.5 * random.normal(size=rows) + 2.25 * y  # the log odds of two normals 1.5 apart
    p = 1.0 / (1.0 + np.exp(-(z - 1.125)))
    fold = random.permutation(rows) % 5
    if stratified:
        fold = np.r_[random.permutation(count) % 5, random.permutation(rows - count) % 5]
    out = []
    for j in range(5):
        held = fold == j
        count = int(y[held].sum())
        pairs = p[held][y[held] == 1.0, None] > p[held][y[held] == 0.0]
        out.append((log_loss(y[held], p[held]), float(pairs.mean()) if count else None, count))
    return out


def holds(found: dict[str, Any]) -> bool:
    """Log loss and not AUC; and the folds without positives."""
    loss = all(found[f"loss{n}"] > 1.2 * found[f"loss{n}_strat"] for n in ("", "_many"))
    auc = all(abs(found[f"auc{n}"] / found[f"auc{n}_strat"] - 1.0) < 0.25 for n in ("", "_many"))
    return bool(loss and auc and found["empty"] > 0.1 and found["empty_strat"] == found["empty_many"] == 0.0)


def draw(found: dict[str, Any], axes: Any) -> None:
    """Positives a fold."""
    at = np.arange(12)
    axes.bar(at - 0.2, found["counts"], 0.4, color="#64748b", label="random folds")
    axes.bar(at + 0.2, found["counts_strat"], 0.4, color="#c2410c", label="stratified folds")
    axes.set(xlabel="positives in a fold", ylabel="folds")
    axes.legend(frameon=False)
