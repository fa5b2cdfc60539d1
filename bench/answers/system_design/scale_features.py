"""What must a feature store decide?

Which moment a value belongs to: what a training row may hold, what a request gets, and that both are the same
(Orr et al., 2021).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.answers.measures import auc
from scalable.feature_store import OnlineStore, check_leaks, materialize, point_in_time_join
from scalable.linear import LogisticRegression

QUICK, STANDARD = 20_000, 300_000
CLAIM = (
    "A join by the latest value scores better offline than it can online; the join as of each row's time scores the "
    "same, and its values are those of the store to the bit."
)
ANSWER = """When each value was known, for each row. With {rows:,} payments a feature joined by the latest
value a card has gave a held-out AUC of {latest:.3f}, and {latest_online:.3f} once each request gets what is
known at its time; joined as of each row's time it gave {right:.3f} offline. A leak check of the first training
set found {leaked:.0%} of its rows to hold what was not known. The same definition, materialized and asked one
request at a time at the end, gave {same:.0%} of {asked} values with the same bits as the join as of then. What
else it must decide are windows and their ends, how late an event may come, when a value is too old, and what a
card without events gets: each is a line of the definition. Whether reads are fast enough is not measured
here."""
LINKS = ("scalable/feature_store/join.py", "scalable/feature_store/check.py", "docs/feature_store.md")
DAY, ASKED = 86_400, 200
DEFINITIONS = """[views.card]
source = "events.parquet"
entity = "card"
event_time = "time"

[[views.card.aggregates]]
column = "fraud"
functions = ["sum"]
windows = ["30d"]
"""
FEATURE = "card_fraud_sum_30d"


def measure(rows: int) -> dict[str, Any]:
    """Join frauds of a card as of each payment and as of the end; ask the store the same."""
    random = np.random.default_rng(0)
    cards = random.integers(0, max(50, rows // 20), rows)
    time = np.sort(random.integers(0, 60 * DAY, rows))
    risk = random.gamma(0.3, 1.0, cards.max() + 1)[cards]  # some cards are bad for long
    fraud = (random.random(rows) < np.minimum(0.5, 0.05 * risk)).astype(np.int64)
    moments = pa.array(time.astype("datetime64[s]").astype("datetime64[ms]"))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        pq.write_table(pa.table({"card": cards, "time": moments, "fraud": fraud}), home / "events.parquet")
        (home / "features.toml").write_text(DEFINITIONS)
        # A payment's own label is not known when it is asked about.
        asked = pc.subtract(moments, pa.scalar(1, pa.duration("ms")))
        end = pa.array(np.full(rows, 60 * DAY).astype("datetime64[s]").astype("datetime64[ms]"))
        right, latest = (_joined(home, name, cards, at) for name, at in (("right", asked), ("latest", end)))
        pq.write_table(pa.table({"card": cards, "time": asked, FEATURE: latest}), home / "training.parquet")
        finding = check_leaks(home / "training.parquet", home / "features.toml", time="time")[0]
        materialize(home / "features.toml", home / "store")
        last = slice(rows - ASKED, rows)
        with OnlineStore(home / "features.toml", home / "store") as store:
            now = 60 * DAY * 10**9
            online = [store.lookup({"card": int(card)}, at=now)[FEATURE] for card in cards[last]]
    held = random.random(rows) < 0.3
    found: dict[str, Any] = {"rows": rows, "asked": ASKED, "leaked": finding.different / rows}
    found["same"] = float(np.mean([a == b for a, b in zip(online, latest.to_pylist()[-ASKED:], strict=True)]))
    x = {
        name: np.log1p(values.to_numpy().astype(float))[:, None]
        for name, values in (("right", right), ("latest", latest))
    }
    for name, column in x.items():
        model = LogisticRegression().fit(column[~held], fraud[~held])
        found[name] = auc(fraud[held], model.predict_proba(column[held])[:, 1])
        found[f"{name}_online"] = auc(fraud[held], model.predict_proba(x["right"][held])[:, 1])
    return found


def _joined(home: Path, name: str, cards: Any, at: Any) -> Any:
    pq.write_table(pa.table({"card": cards, "at": at}), home / f"{name}.parquet")
    point_in_time_join(home / f"{name}.parquet", home / "features.toml", home / name, time="at")
    return pq.read_table(home / name)[FEATURE].combine_chunks()


def holds(found: dict[str, Any]) -> bool:
    """The latest value flatters, the right one does not, and the store agrees."""
    return bool(
        found["latest"] > found["latest_online"] + 0.03
        and found["right"] == found["right_online"]
        and found["leaked"] > 0.1
        and found["same"] == 1.0
    )


def draw(found: dict[str, Any], axes: Any) -> None:
    """Offline and online AUC of both joins."""
    at = np.arange(2)
    axes.bar(at - 0.2, [found["latest"], found["right"]], 0.4, color="#64748b", label="offline")
    axes.bar(at + 0.2, [found["latest_online"], found["right_online"]], 0.4, color="#c2410c", label="online")
    axes.set_xticks(at, ["latest value", "as of the row's time"])
    axes.set(ylabel="AUC", ylim=(0.5, 1.0))
    axes.legend(frameon=False)
