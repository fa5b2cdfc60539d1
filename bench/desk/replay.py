"""The replay: events and requests of each day, labels that come late, the verdict, and what is done about it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.desk.server import Served
from bench.desk.versions import better, record, train
from bench.desk.world import TARGET, World, labelled
from scalable.evaluate.binary import BinaryMetrics
from scalable.execution.threads import Threads
from scalable.feature_store import OnlineStore, materialize, push
from scalable.models.predictors import load_model
from scalable.monitor import Thresholds, monitor
from scalable.registry import Registry

ASKED = 40  # payments of a day that are sent as requests; all are scored
LATE = 2  # days until labels are there
MEMORY = 4  # days that a retraining learns from, at most
EVIDENCE = 2  # days of labels that the monitor looks at together
LIMITS = Thresholds(alpha=1e-3)  # two days have some thousand frauds: at 1e-4 slices take twice as long


@dataclass
class Story:
    """What happened, day by day."""

    days: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    store_seconds: list[float] = field(default_factory=list)
    differing: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    bad: dict[str, Any] = field(default_factory=dict)

    def tell(self, date: str, what: str) -> None:
        """Add a line."""
        self.events.append({"date": date, "what": what})


def replay(world: World, registry: Registry, start: int, story: Story, *, bad_day: int | None) -> None:
    """Run the desk from day `start` to the last.

    Parameters
    ----------
    world : World
    registry : Registry
        Whose production model answers from the first day on.
    start : int
    story : Story
        Filled.
    bad_day : int, optional
        When a bad version is put into production by mistake, and rolled back as the server's monitor says so.
    """
    known, store = world.home / "known", world.home / "store"
    known.mkdir()
    for day in range(start):
        (known / f"{day:03d}.parquet").symlink_to(world.events(day).resolve())
    first = pq.read_table(world.events(start), columns=["time"])["time"][0].value * 10**6
    materialize(world.home / "known.toml", store, horizon=first - 3 * 86_400 * 10**9)
    served = Served(registry.path, world.home / "known.toml", store)
    desk = _Desk(world, registry, story, start)
    try:
        for day in range(start, world.days):
            _live(world, registry, served, day, story)
            if day == bad_day:
                _bad(world, registry, served, day, story)
            story.days.append({"date": world.date(day), **_quality(world, registry, day), **desk.decide(day)})
    finally:
        served.stop()


@dataclass
class _Desk:
    """Who looks at labels as they come, and decides."""

    world: World
    registry: Registry
    story: Story
    start: int
    challenger: int | None = None
    told: bool = False

    def decide(self, day: int) -> dict[str, Any]:
        """Look at the day whose labels came; return the version that answers tomorrow, and the alarms."""
        lit = day - LATE
        alarms = None
        if self.challenger is not None:
            self._compare(day, lit)
        if self.challenger is None and lit >= self.start + EVIDENCE - 1:
            alarms = self._look(day, lit)
        return {"version": self.registry.number_of("fraud", "production"), "alarms": alarms}

    def _look(self, day: int, lit: int) -> int:
        world, date = self.world, self.world.date(day)
        model = f"registry:{self.registry.path}/fraud@production"
        rows = world.rows(range(lit - EVIDENCE + 1, lit + 1))
        report = monitor(model, rows, thresholds=LIMITS, executor=Threads())
        self.story.findings += [{**f._asdict(), "period": world.date(lit)} for f in report.findings]
        if report.alarms:
            worst = report.alarms[0]
            if not self.told:
                self.story.tell(
                    date,
                    f"alarm about {world.date(lit)}: {worst.column} {worst.statistic} {worst.value:.3g}, reference "
                    f"{worst.reference or 0:.3g}",
                )
            self.told = True
            self._train(day, lit)
        return len(report.alarms)

    def _train(self, day: int, lit: int) -> None:
        days, champion = range(lit - MEMORY, lit), self.registry.number_of("fraud", "production")
        date = self.world.date(day)
        self.challenger = train(
            self.registry, self.world, days, [lit], f"retrained {date}", f"fraud@{champion}"
        )
        self.story.tell(
            date, f"version {self.challenger} is trained on {len(days)} days up to {self.world.date(lit - 1)}"
        )

    def _compare(self, day: int, lit: int) -> None:
        """Hold the challenger against the champion on traffic that neither learned from; promote or train anew."""
        champion, challenger = self.registry.number_of("fraud", "production"), self.challenger
        assert challenger is not None
        row = better(self.registry, champion, challenger, self.world, lit)
        said = f"on shadow traffic of {self.world.date(lit)}: log loss {row['difference']:+.2g} ({row['verdict']})"
        if row["verdict"] == "better":
            self.registry.promote("fraud", str(challenger), "production")
            self.story.tell(self.world.date(day), f"version {challenger} replaces {champion}, {said}")
            self.challenger = None
        else:
            self.story.tell(self.world.date(day), f"version {challenger} does not replace {champion}, {said}")
            self._train(day, lit)


def _live(world: World, registry: Registry, served: Served, day: int, story: Story) -> None:
    """Push a day's events as they happen, ask about some, compare the answers with the offline road."""
    events = pq.read_table(world.events(day))
    offline = pq.read_table(world.day(day))
    at = (np.arange(ASKED) * 2 + 1) * world.per_day // (2 * ASKED)
    predictor = load_model(f"registry:{registry.path}/fraud@production")
    served.until(registry.number_of("fraud", "production"), _request(events, 0))
    expected = predictor.predict(offline.take(pa.array(at)))
    earliest = int(events["time"][0].value) * 10**6 - 3 * 86_400 * 10**9
    before = 0
    with OnlineStore(world.home / "known.toml", world.home / "store", create=True) as store:
        for k, row in enumerate(at.tolist()):
            begun = time.perf_counter()
            push(store, "card", events.slice(before, row - before), now=earliest)
            story.store_seconds.append(time.perf_counter() - begun)
            found, _, seconds = served.ask(_request(events, row))
            story.seconds.append(seconds)
            story.differing += found != expected[k]
            before = row
        push(store, "card", events.slice(before), now=earliest)


def _request(events: pa.Table, row: int) -> dict[str, Any]:
    """Return a payment as it is sent: without its label, its time in milliseconds."""
    found: dict[str, Any] = events.slice(row, 1).drop([TARGET]).to_pylist()[0]
    return {**found, "time": events["time"][row].value}


def _quality(world: World, registry: Registry, day: int) -> dict[str, Any]:
    """Return the AUC of the production model on a day, and that of the best score there is."""
    table = pq.read_table(world.day(day))
    y = table[TARGET].to_numpy().astype(float)
    predictor = load_model(f"registry:{registry.path}/fraud@production")
    found = {}
    for name, p in (("auc", predictor.predict(table)), ("best_auc", world.truth(day))):
        metrics = BinaryMetrics()
        found[name] = metrics.finish(metrics.step(metrics.init(), y, p)).auc
    return found


def _bad(world: World, registry: Registry, served: Served, day: int, story: Story) -> None:
    """Put a version into production that learned amounts in euros; watch the server's monitor; roll back."""
    date = world.date(day)
    place = world.home / "euros.parquet"
    table = pq.read_table(world.day(day - LATE - 1))
    column = table.schema.get_field_index("amount_cents")
    euros = pa.array(table["amount_cents"].to_numpy() // 100, table["amount_cents"].type)
    pq.write_table(table.set_column(column, "amount_cents", euros), place, row_group_size=2**15)
    wrong = labelled([place])
    good = registry.number_of("fraud", "production")
    number = record(registry, wrong, wrong, world.home / "model", "planted: amounts in euros")
    registry.promote("fraud", str(number), "production")
    events = pq.read_table(world.events(day))
    served.until(number, _request(events, 0))
    asked, alarms = 0, list[str]()
    while not alarms and asked < 2000:
        for _ in range(50):
            served.ask(_request(events, asked))
            asked += 1
        alarms = [alarm for alarm in served.alarms() if alarm.startswith("amount_cents")]
    registry.rollback("fraud", "production")
    back = served.until(good, _request(events, 0))
    story.bad = {
        "version": number,
        "requests_until_alarm": asked,
        "alarm": alarms[:1],
        "seconds_to_roll_back": back,
    }
    said = alarms[0] if alarms else "nothing"
    story.tell(
        date,
        f"version {number} (amounts in euros) is promoted by mistake; after {asked} requests the server's monitor says "
        f"{said}; rolled back in {back:.2f} s",
    )
