"""The fraud desk: a sudden and a gradual drift, from events to recovery, through the package's own parts.

python -m bench.desk --home desk
python -m bench.desk --home desk --per-day 20000 --days 18 --drifts sudden
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.desk.leak import plant
from bench.desk.replay import LATE, Story, replay
from bench.desk.versions import train
from bench.desk.world import World
from scalable.registry import Registry
from scalable.report import render
from scalable.report.document import new_results
from scalable.report.results import write_results, write_text
from scalable.storage.replace import foreign_name

START, DRIFT = 9, 13  # days: the first that the desk answers, and the middle of the drift
WARM = 3  # days until the windows of the stored features are full
PLOTTED = ("auc", "best_auc", "auc_lost")  # of each day
RECOVERED = 0.02  # of AUC below what the first model kept from the best before the drift


def desk(home: Path, drift: str, days: int, per_day: int) -> dict[str, Any]:
    """Run one world; return what happened and what it took."""
    begun, before = time.perf_counter(), _processor()
    home.mkdir(parents=True)
    world, registry, story = World(home, days, per_day, drift, DRIFT), Registry(home / "registry"), Story()
    world.make()
    first = train(registry, world, range(WARM, START - 3), range(START - 3, START - 1), "the first")
    registry.promote("fraud", str(first), "production")
    replay(world, registry, START, story, bad_day=START + 1)
    planted = plant(world, registry, START - 2) if drift == "sudden" else {}
    facts = measured(world, story)
    facts |= {"seconds": time.perf_counter() - begun, "processor_seconds": _processor() - before}
    return {"drift": drift, "facts": facts, "story": story, "leak": planted, "per_day": per_day}


def measured(world: World, story: Story) -> dict[str, Any]:
    """Return latencies, days to alarm and to recovery, and the AUC lost beside the best score."""
    lost = {row["date"]: row["best_auc"] - row["auc"] for row in story.days}
    begins = world.date(DRIFT if world.drift == "sudden" else DRIFT - 2)
    usual = float(np.mean([gap for date, gap in lost.items() if date < begins]))
    after = [(date, gap) for date, gap in lost.items() if date >= begins]
    alarm = next((row["date"] for row in story.days if row["date"] >= begins and row["alarms"]), None)
    promoted = [event["date"] for event in story.events if " replaces " in event["what"]]
    recovered = next(
        (d for d, gap in after if promoted and d > promoted[0] and gap < usual + RECOVERED), None
    )
    us = np.array(story.seconds) * 1e6
    pushed = np.array(story.store_seconds) * 1e6
    return {
        "requests": len(us),
        "request_p50_us": float(np.quantile(us, 0.5)),
        "request_p99_us": float(np.quantile(us, 0.99)),
        "push_p50_us": float(np.quantile(pushed, 0.5)),
        "online_differs_from_offline": story.differing,
        "drift_begins": begins,
        "first_alarm": alarm,
        "days_to_alarm": None if alarm is None else _days(begins, alarm),
        "days_to_recovery": None if recovered is None else _days(begins, recovered),
        "label_delay_days": LATE,
        "false_alarms": sum(bool(row["alarms"]) for row in story.days if row["date"] < begins),
        "auc_lost_before": usual,
        "auc_lost_at_worst": max(gap for _, gap in after),
        "auc_lost_at_last": after[-1][1],
        **{f"bad_version_{key}": value for key, value in story.bad.items()},
    }


def _days(one: str, other: str) -> int:
    return int((np.datetime64(other) - np.datetime64(one)).astype(int))


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _by_day(row: dict[str, Any]) -> dict[str, float]:
    return dict(zip(PLOTTED, (row["auc"], row["best_auc"], row["best_auc"] - row["auc"]), strict=True))


def sections(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sections of the page: facts, the days, the timeline of what the monitor saw."""
    rows = [{"drift": one["drift"], **row} for one in found for row in one["story"].days]
    events = [{"drift": one["drift"], **event} for one in found for event in one["story"].events]
    shown = [
        {
            "period": row["date"],
            "column": f"{one['drift']} drift",
            "statistic": name,
            "value": value,
            "alarm": False,
        }
        for one in found
        for row in one["story"].days
        for name, value in _by_day(row).items()
    ]
    for one in found:
        shown += [{**f, "column": f"{one['drift']} drift, {f['column']}"} for f in one["story"].findings]
    monitor = {
        "rows": [
            {"period": date, "rows": sum(one["per_day"] for one in found)}
            for date in sorted({row["date"] for row in rows})
        ],
        "findings": shown,
        "alarms": [row for row in shown if row["alarm"]],
        "first": [[f"{one['drift']} drift", name] for one in found for name in PLOTTED],
    }
    facts = [{"drift": one["drift"], **one["facts"]} for one in found]
    leaks = [one["leak"] for one in found if one["leak"]]
    return {
        "what happened": events,
        "measured": facts,
        "planted skew": leaks,
        "monitor": monitor,
        "days": rows,
    }


def brief(whole: dict[str, Any]) -> dict[str, Any]:
    """Return sections without the figures that raised no alarm, of which there are tens of thousands."""
    watched = whole["monitor"]
    kept = [row for row in watched["findings"] if row["alarm"] or row["statistic"] in PLOTTED]
    return {**whole, "monitor": {**watched, "findings": kept}}


def main() -> None:
    """Run the desk and write its page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, default=Path("desk"), help="directory to make anew")
    parser.add_argument("--days", type=int, default=22)
    parser.add_argument("--per-day", type=int, default=100_000)
    parser.add_argument("--drifts", default="sudden,gradual")
    parser.add_argument(
        "--out", type=Path, help="also write the results here, of the monitor's figures the alarms"
    )
    given = parser.parse_args()
    if given.days <= DRIFT + 1:
        parser.error(f"--days {given.days}: the drift comes on day {DRIFT}; give {DRIFT + 2} or more")
    if (other := foreign_name(given.home, ("sudden", "gradual", "results.json", "desk.html"))) is not None:
        parser.error(f"--home {given.home}: {other!r} there is none of the desk's; give another")
    shutil.rmtree(given.home, ignore_errors=True)
    found = []
    for drift in given.drifts.split(","):
        found.append(desk(given.home / drift, drift, given.days, given.per_day))
        for event in found[-1]["story"].events:
            print(f"{drift}: {event['date']}  {event['what']}", flush=True)
        for key, value in found[-1]["facts"].items():
            print(f"{drift}: {key} {value}", flush=True)
        if found[-1]["leak"]:
            print(f"{drift}: planted skew: {found[-1]['leak']}", flush=True)
    results = new_results("fraud desk", sections(found), 3)
    write_results(given.home / "results.json", results)
    if given.out is not None:
        write_results(given.out, {**results, "sections": brief(results["sections"])})
    write_text(given.home / "desk.html", render([results], "The fraud desk"))
    print(f"{given.home / 'desk.html'} tells the story")


if __name__ == "__main__":
    main()
