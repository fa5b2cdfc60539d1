"""A model is good offline and poor online: how does one find out why?

By replaying what was served through the training path and comparing row by row: the score first, then each column
(Zinkevich, 2017, on skew between training and serving).
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pyarrow as pa

from bench.answers.measures import auc
from scalable.data.table import TableSource
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression
from scalable.models.predictors import load_model
from scalable.monitor import learn_profile, monitor, save_profile

QUICK, STANDARD = 20_000, 300_000
CLAIM = (
    "With a planted fault in serving, the monitor names exactly the faulty column where its distribution moved, and "
    "only the comparison row by row names one whose distribution stayed."
)
ANSWER = """By comparing both roads step by step, until one column is left. Offline the model's AUC was
{offline:.3f}, online {unit:.3f} when a service sent one column in cents and the model knew units, and
{stale:.3f} when another came a day old. Scored again from the stored columns the same {rows:,} rows had
{replayed:.3f}, so neither model nor world was to blame: what differed was what it was asked with. The monitor
named {unit_named} for the wrong unit and {stale_named} for the stale column, for a stale value is distributed
as a fresh one. Compared row by row with what was stored, {stale_rows:.0%} of the rows differed in `x1` and
{other_rows:.0%} in any other column, which names it. Repaired one column at a time, `x1` alone brought AUC
back to {repaired:.3f}. It takes the log of what was asked; where only scores are logged this search is not
possible."""
LINKS = ("scalable/monitor/run.py", "scalable/feature_store/check.py", "docs/monitoring.md")
COEF = np.array([1.0, 1.5, 0.8, 0.4])


def measure(rows: int) -> dict[str, Any]:
    """Serve with a wrong unit and with a stale column; look for each."""
    random = np.random.default_rng(0)
    train, held, live = (_rows(random, n) for n in (2 * rows, rows, rows))
    asked = {
        "unit": _with(live, 0, 100.0 * _column(live, 0)),
        "stale": _with(live, 1, _column(_rows(random, rows), 1)),
    }
    found: dict[str, Any] = {"rows": rows}
    with tempfile.TemporaryDirectory() as home:
        place = f"{home}/model"
        LogisticRegression().fit(TableSource(train, "y")).save(place)
        predictor = load_model(place)
        save_profile(
            place,
            learn_profile(predictor, TableSource(train, "y"), Threads(1), held_out=TableSource(held, "y")),
        )
        found |= {"offline": _auc(held, predictor, held), "replayed": _auc(live, predictor, live)}
        for name, table in asked.items():
            found[name] = _auc(table, predictor, live)
            report = monitor(place, TableSource(table.drop(["y"])), executor=Threads(1))
            columns = sorted({a.column for a in report.alarms if a.column in table.column_names})
            found[f"{name}_columns"] = columns
            found[f"{name}_named"] = " and ".join(f"`{c}`" for c in columns) or "no column"
        differing = [float((_column(asked["stale"], j) != _column(live, j)).mean()) for j in range(4)]
        found |= {"stale_rows": differing[1], "other_rows": max(differing[0], *differing[2:])}
        repaired = [_auc(_with(asked["stale"], j, _column(live, j)), predictor, live) for j in range(4)]
        found |= {"repaired": repaired[1], "repairs": repaired}
    return found


def _rows(random: Any, n: int) -> Any:
    x = random.normal(size=(n, 4))
    y = random.random(n) < 1.0 / (1.0 + np.exp(-(x @ COEF)))
    return pa.table({**{f"x{j}": x[:, j] for j in range(4)}, "y": y.astype(np.int64)})


def _column(table: Any, j: int) -> Any:
    return table[f"x{j}"].to_numpy()


def _with(table: Any, j: int, values: Any) -> Any:
    return table.set_column(j, f"x{j}", pa.array(values))


def _auc(asked: Any, predictor: Any, truth: Any) -> float:
    return auc(truth["y"].to_numpy(), predictor.predict(asked))


def holds(found: dict[str, Any]) -> bool:
    """Both faults cost, each is named by its means, and the repair brings it back."""
    costs = max(found["unit"], found["stale"]) < found["offline"] - 0.03
    named = found["unit_columns"] == ["x0"] and found["stale_columns"] == []
    rows = found["stale_rows"] > 0.9 and found["other_rows"] == 0.0
    mended = found["repaired"] == found["replayed"] and abs(found["replayed"] - found["offline"]) < 0.02
    return bool(
        costs and named and rows and mended and sum(r > found["stale"] for r in found["repairs"]) == 1
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """AUC offline, online, and replayed."""
    names = ["offline", "unit", "stale", "replayed", "repaired"]
    axes.bar(
        names, [found[name] for name in names], color=["#64748b", "#c2410c", "#c2410c", "#64748b", "#64748b"]
    )
    axes.set(ylabel="AUC", ylim=(0.5, 1.0))
