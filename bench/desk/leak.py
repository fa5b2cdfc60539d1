"""A planted fault: a feature computed with tomorrow's data. The leak checker and the monitor have to name it."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.desk.versions import record
from bench.desk.world import STORED, World, labelled
from scalable.execution.threads import Threads
from scalable.feature_store import check_leaks, point_in_time_join
from scalable.monitor import monitor
from scalable.registry import Registry

FEATURE = STORED[1]
DAY_MS = 86_400_000


def plant(world: World, registry: Registry, day: int) -> dict[str, Any]:
    """Train on a day whose sum holds tomorrow's payments too; return what the checker and the monitor say.

    Returns
    -------
    dict
        ``checker``: the feature it names with its rows and hours of lead; ``monitor``: columns with an alarm.
    """
    home = world.home / "leak"
    home.mkdir()
    table = pq.read_table(world.day(day))
    moments = pc.add(table["asked"].cast("int64"), DAY_MS).cast(table["asked"].type)
    keys = table.select(["card_id"]).append_column("asked", moments)
    pq.write_table(keys, home / "keys.parquet")
    point_in_time_join(home / "keys.parquet", world.home / "all.toml", home / "later", time="asked")
    tomorrow = pq.read_table(home / "later")[FEATURE]
    both = pc.add(table[FEATURE], tomorrow)  # from 24 hours before to 24 hours after
    leaky = table.set_column(table.schema.get_field_index(FEATURE), FEATURE, both)
    pq.write_table(leaky, home / "training.parquet", row_group_size=2**15)
    findings = check_leaks(home / "training.parquet", world.home / "all.toml", time="asked")
    named = [f for f in findings if f.different]
    source = labelled([home / "training.parquet"])
    number = record(registry, source, source, world.home / "model", "planted: tomorrow's data")
    place = registry.model("fraud", str(number))[1]
    report = monitor(place, world.rows([day + 1]), executor=Threads())
    return {
        "version": number,
        "checker": [
            {"feature": f.feature, "rows": f.different, "leaked": f.leaked, "hours": f.furthest / 3.6e12}
            for f in named
        ],
        "monitor": sorted({f.column for f in report.alarms if f.column in source.feature_names}),
    }
