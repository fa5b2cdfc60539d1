"""What does a leak do to a score, by example?

A column that is known only after the target makes cross-validation lie: every fold has it (Kaufman et al., 2012).
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pyarrow as pa

import data_gen
from bench.answers.measures import auc
from scalable import ParquetSource
from scalable.data.table import TableSource
from scalable.evaluate import find_leaks
from scalable.linear import LogisticRegression

QUICK, STANDARD = 60_000, 1_000_000
CLAIM = (
    "With a leaked column held-out AUC is above the best possible without it, and no better than the honest "
    "model's once the column is not there yet; looked at alone, it is the only suspect."
)
ANSWER = """A leak makes every held-out score a lie of the same size. With a column that copies the target in part,
AUC on held-out rows of {rows:,} was {leaked:.3f} where {honest:.3f} is honest and {bayes:.3f} is the best possible
without it. Used where the column is still empty, the same model scored {empty:.3f}. No split of the rows shows
this: the column is in all of them. What shows it is a score above what can be, and a look at each column alone:
of {columns} columns the detector called {suspects} suspect, of an AUC of {alone:.3f} and explaining {explained:.0%}
where the next one explains {next:.1%}. Only knowledge of when each column is written proves a leak."""
CHECKED = 300_000  # rows that the detector sees
LINKS = (
    "scalable/evaluate/leaks.py",
    "data_gen/datasets/fraud/chunk.py",
    "scalable/feature_store/__init__.py",
)


def measure(rows: int) -> dict[str, Any]:
    """Train with and without a column written after the target."""
    with tempfile.TemporaryDirectory() as home:
        data_gen.generate("fraud", rows=rows, out=f"{home}/rows", prevalence=0.02)
        names = list(ParquetSource(f"{home}/rows", target="is_fraud").feature_names)
        table = data_gen.rows("fraud", 0, rows, prevalence=0.02)
        held = data_gen.rows("fraud", rows, 2 * rows, prevalence=0.02)
        y, truth = (t["is_fraud"].to_numpy().astype(np.float64) for t in (table, held))
        best = data_gen.truth("fraud", rows, 2 * rows, prevalence=0.02)
    x, new = (_numbers(t, names) for t in (table, held))
    random = np.random.default_rng(0)
    leak, known = (np.where(random.random(len(t)) < 0.7, t, 0.0) for t in (y, truth))
    honest = LogisticRegression().fit(x, y)
    leaked = LogisticRegression().fit(np.column_stack([x, leak]), y)

    return {
        "rows": rows,
        "honest": auc(truth, honest.predict_proba(new)[:, 1]),
        "leaked": auc(truth, leaked.predict_proba(np.column_stack([new, known]))[:, 1]),
        "empty": auc(truth, leaked.predict_proba(np.column_stack([new, 0.0 * known]))[:, 1]),
        **_suspects(x[:CHECKED], leak[:CHECKED], y[:CHECKED]),
        "bayes": auc(truth, best),
    }


def _suspects(x: Any, leak: Any, y: Any) -> dict[str, Any]:
    """Look at each column alone."""
    table = {f"{j}": column for j, column in enumerate(x.T)}
    found = find_leaks(TableSource(pa.table({**table, "leak": leak, "y": y.astype(np.int64)}), "y"))
    suspects = [each.column for each in found if each.suspect]
    told = {"suspects": " and ".join(f"`{name}`" for name in suspects) or "none", "columns": len(found)}
    return {**told, "alone": found[0].auc, "explained": found[0].explained, "next": found[1].explained}


def _numbers(table: Any, names: list[str]) -> Any:
    return np.column_stack([
        table[name].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in names
        if str(table.schema.field(name).type) in ("float", "double", "int8", "int16")
    ])  # fmt: skip


def holds(found: dict[str, Any]) -> bool:
    """Above the best possible with the leak, no better than honest without."""
    scores = (
        found["leaked"] > found["bayes"] + 0.01 and found["empty"] < found["honest"] + 0.002 < found["bayes"]
    )
    return bool(scores and found["suspects"] == "`leak`")


def draw(found: dict[str, Any], axes: Any) -> None:
    """The four scores."""
    names = ["honest", "bayes", "leaked", "empty"]
    axes.bar(names, [found[name] for name in names], color="#c2410c")
    axes.set(ylabel="held-out AUC", ylim=(0.4, 1.0))
