"""What features with time cost: joins a row of events, the store an entity, a lookup of fifty features."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np

from .median import named, ns_per_row

try:
    import lmdb  # noqa: F401  what the store needs

    from bench.data import directory, scaled
    from bench.records.features_data import START, YEAR, prepare
    from scalable.feature_store import OnlineStore, materialize, point_in_time_join

    missing = ""
except ImportError as error:  # a commit from before these, or without the extra
    missing = str(error)

EVENTS, REPEATS, LOOKUPS = 2_000_000, 3, 5000


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


def _prepared() -> tuple[Path, int, int]:
    """Return a folder of events, keys and definitions, and how many events and entities there are."""
    events = scaled(EVENTS)
    entities = max(1, events // 100)
    return prepare(directory(), events, max(1, events // 10), entities), events, entities


class Join:
    """Keys joined as of their time: five latest values, or five windows of four aggregates."""

    params = (["join", "windows"],)
    param_names = ("definitions",)
    unit = "ns/event"

    def setup(self, definitions: str) -> None:
        self.folder, self.events, _ = _prepared()

    @named("Point-in-time join")
    def track_events(self, definitions: str) -> float:
        out = self.folder / "out"

        def work() -> None:
            shutil.rmtree(out, ignore_errors=True)
            point_in_time_join(
                self.folder / "keys.parquet", self.folder / f"{definitions}.toml", out, time="at"
            )

        return ns_per_row(work, self.events, REPEATS)


class Online:
    """The store filled, and asked."""

    timeout = 600

    def setup(self) -> None:
        self.folder, self.events, self.entities = _prepared()
        self.store = self.folder / "store"
        shutil.rmtree(self.store, ignore_errors=True)
        materialize(self.folder / "online.toml", self.store)

    @named("Fill the online store")
    def track_materialize(self) -> float:
        def work() -> None:
            shutil.rmtree(self.store, ignore_errors=True)
            materialize(self.folder / "online.toml", self.store)

        return ns_per_row(work, self.events, REPEATS)

    track_materialize.unit = "ns/event"  # type: ignore[attr-defined]

    @named("Look up fifty features online")
    def track_lookup(self) -> float:
        asked = np.random.default_rng(0).integers(0, self.entities, LOOKUPS).tolist()
        now, taken = (START + YEAR) * 1000, []
        with OnlineStore(self.folder / "online.toml", self.store) as store:
            (lookup,) = store.lookups()
            for key in asked[:100]:
                lookup.features(key, now)
            for key in asked:
                start = time.perf_counter_ns()
                lookup.features(key, now)
                taken.append(time.perf_counter_ns() - start)
        return float(np.median(taken))

    track_lookup.unit = "ns"  # type: ignore[attr-defined]
