"""How does one notice that a model degrades?

Columns and predictions can be watched at once, performance only once labels come; each sees what the other cannot
(Breck et al., 2017).
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

QUICK, STANDARD = 20_000, 200_000
CLAIM = (
    "A moved column raises an alarm without labels and without harm; a turned relation harms and raises none until "
    "labels come; quiet periods raise none."
)
ANSWER = """By watching both sides of the model, for each is blind to the other. On {periods} quiet periods of
{rows:,} rows {quiet} of {figures:,} figures were alarms. When a column that hardly counts moved by one standard
deviation, {moved} figures were alarms without a single label, among them of column `{moved_column}`, and AUC
stayed at {auc_moved:.3f} ({auc_quiet:.3f} when quiet). When the sign of a column that counts turned, AUC fell
to {auc_turned:.3f} and without labels {turned_blind} figures were alarms, for columns and scores look as
before; with labels {turned} were, the first of them {turned_first}. When a column came empty in a tenth of the
rows, its share of missing values was an alarm and AUC was {auc_empty:.3f}. So an alarm says where to look and
not how bad it is, and silence before labels is no proof; a change too slow for each period is not shown here."""
LINKS = ("scalable/monitor/run.py", "scalable/monitor/thresholds.py", "docs/monitoring.md")
PERIODS = 5
COEF = np.array([1.5, 1.0, -0.7, 0.0])


def measure(rows: int) -> dict[str, Any]:
    """Hold quiet and changed periods against the reference, without labels and with."""
    random = np.random.default_rng(0)
    train, held = _rows(random, 2 * rows), _rows(random, 2 * rows)
    with tempfile.TemporaryDirectory() as home:
        place = f"{home}/model"
        LogisticRegression().fit(TableSource(train, "y")).save(place)
        predictor = load_model(place)
        profile = learn_profile(
            predictor, TableSource(train, "y"), Threads(1), held_out=TableSource(held, "y")
        )
        save_profile(place, profile)

        def watched(table: Any, labels: bool) -> Any:
            source = TableSource(table if labels else table.drop(["y"]), "y" if labels else None)
            return monitor(place, source, executor=Threads(1))

        reports = [watched(_rows(random, rows), True) for _ in range(PERIODS)]
        found: dict[str, Any] = {"rows": rows, "periods": PERIODS}
        found["quiet"] = sum(len(report.alarms) for report in reports)
        found["figures"] = sum(len(report.findings) for report in reports)
        tables = {
            "quiet": _rows(random, rows),
            "moved": _rows(random, rows, move=1.0),
            "turned": _rows(random, rows, turn=True),
            "empty": _rows(random, rows, empty=0.1),
        }
        found |= {f"auc_{name}": _auc(table, predictor) for name, table in tables.items()}
        blind = {name: watched(table, False).alarms for name, table in tables.items()}
        found |= {"moved": len(blind["moved"]), "turned_blind": len(blind["turned"])}
        found["moved_column"] = next((a.column for a in blind["moved"] if a.column == "x3"), "none")
        found["empty"] = [f"{a.column} {a.statistic}" for a in blind["empty"]]
        seen = watched(tables["turned"], True).alarms
        found |= {"turned": len(seen), "turned_first": f"{seen[0].statistic}" if seen else "none"}
    return found


def _rows(random: Any, n: int, move: float = 0.0, turn: bool = False, empty: float = 0.0) -> Any:
    x = random.normal(size=(n, 4))
    x[:, 3] += move
    coef = COEF * [1.0, -1.0 if turn else 1.0, 1.0, 1.0]
    y = random.random(n) < 1.0 / (1.0 + np.exp(-(x @ coef)))
    columns = {f"x{j}": pa.array(x[:, j]) for j in range(4)}
    gone = random.random(n) < empty
    columns["x0"] = pa.array(x[:, 0], mask=gone)
    return pa.table({**columns, "y": y.astype(np.int64)})


def _auc(table: Any, predictor: Any) -> float:
    return auc(table["y"].to_numpy(), predictor.predict(table))


def holds(found: dict[str, Any]) -> bool:
    """Alarm without harm, harm without alarm, and labels tell."""
    return bool(
        found["quiet"] == 0
        and found["moved"] > 0
        and found["moved_column"] == "x3"
        and abs(found["auc_moved"] - found["auc_quiet"]) < 0.02
        and found["auc_turned"] < found["auc_quiet"] - 0.05
        and found["turned_blind"] == 0
        and found["turned"] > 0
        and any(each.startswith("x0") for each in found["empty"])
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """AUC, and whether an alarm came without labels."""
    names = ["quiet", "moved", "turned", "empty"]
    counts = {
        "quiet": 0,
        "moved": found["moved"],
        "turned": found["turned_blind"],
        "empty": len(found["empty"]),
    }
    bars = axes.bar(names, [found[f"auc_{n}"] for n in names], color="#c2410c")
    axes.bar_label(bars, [f"{counts[n]} alarms\nwithout labels" for n in names])
    axes.set(ylabel="AUC", ylim=(0.5, 1.0))
