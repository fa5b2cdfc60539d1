"""Random events and keys with everything that goes wrong in them, and definitions that use every function."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable.errors import DataError
from scalable.execution.executors import Dask
from scalable.execution.threads import Threads
from scalable.feature_store import point_in_time_join, stages

DEFINITIONS = """
[views.pay]
source = "events"
entity = "customer"
event_time = "at"
created_time = "created"
time_to_live = "9h"
values = ["amount", "country", "n", "flag", "day"]
time_since_last = true

[[views.pay.aggregates]]
column = "amount"
functions = ["count", "sum", "mean", "min", "max", "distinct"]
windows = ["2h", "30m", "7h"]
decimals = 2

[[views.pay.aggregates]]
column = "n"
functions = ["sum", "mean", "min", "max"]
windows = ["3h"]

[[views.pay.aggregates]]
column = "country"
functions = ["count", "distinct"]
windows = ["5h"]

[[views.pay.aggregates]]
functions = ["count"]
windows = ["1h", "400d"]
"""
LATEST = DEFINITIONS[: DEFINITIONS.index("[[views")]  # latest values alone: another road through the join
WITHOUT_CREATED = LATEST.replace('created_time = "created"\n', "")
AGE_ALONE = WITHOUT_CREATED.replace("values = ", "# ")
MINUTE = 60 * 10**9


def random_events(rng, n, n_entities, texts=False):
    """A table of events: times collide, many are late, some created before they happened, values are missing."""
    event = rng.integers(0, 60 * 12, n)
    created = event + rng.choice([0, 0, 0, 5, 60, -3, 400], n)
    zero = rng.choice([0.0, -0.0], n)  # one number
    amount = np.where(rng.random(n) < 0.1, zero, np.round(rng.normal(0, 50, n), 2))
    country = rng.choice(["de", "fr", "", "é"], n).tolist()
    entity = rng.integers(0, n_entities, n)
    return pa.table(
        {
            "customer": [f"c{i}" for i in entity] if texts else pa.array(entity, mask=rng.random(n) < 0.02),
            "at": pa.array(event * MINUTE // 1000, pa.timestamp("us")),
            "created": pa.array(created * MINUTE, pa.timestamp("ns")),
            "amount": pa.array(np.where(rng.random(n) < 0.1, np.nan, amount), mask=rng.random(n) < 0.1),
            "country": pa.array(country, pa.string(), mask=rng.random(n) < 0.1),
            "n": pa.array(rng.integers(-5, 5, n), pa.int32(), mask=rng.random(n) < 0.1),
            "flag": pa.array(rng.random(n) < 0.5, mask=rng.random(n) < 0.1),
            "day": pa.array(rng.integers(0, 9, n).astype("i4"), pa.date32(), mask=rng.random(n) < 0.1),
        }
    )


def random_keys(rng, n, n_entities, texts=False):
    """A table of keys in no order, some of unknown entities."""
    entity = rng.integers(0, n_entities + 2, n)
    return pa.table(
        {
            "label": rng.random(n),
            "customer": [f"c{i}" for i in entity] if texts else entity.astype("i2"),
            "time": pa.array(rng.integers(-30, 60 * 13, n) * MINUTE // 1000, pa.timestamp("us")),
        }
    )


def plain_events(table):
    """The events as dicts for the reference; times in nanoseconds."""
    rows = table.to_pylist()
    event = table.column("at").cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist()
    created = table.column("created").cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist()
    return [
        {**row, "entity": row["customer"], "event": e, "created": c}
        for row, e, c in zip(rows, event, created, strict=True)
    ]


def write(folder, events, n_files=3, rows=50, text=DEFINITIONS):
    """Events in several files, small row groups, and definitions."""
    (folder / "events").mkdir()
    edges = np.linspace(0, len(events), n_files + 1).astype(int)
    for k in range(n_files):
        pq.write_table(
            events.slice(edges[k], edges[k + 1] - edges[k]),
            folder / "events" / f"{k}.parquet",
            row_group_size=rows,
        )
    (folder / "features.toml").write_text(text)
    return folder / "features.toml"


def written_by_each(tmp_path, keys, definitions, client):
    """Return the files that one thread, two threads and Dask's workers join, by name."""
    pq.write_table(keys, tmp_path / "keys.parquet")
    found = []
    for name, executor in (("one", Threads(1)), ("two", Threads(2)), ("dask", Dask(client))):
        point_in_time_join(tmp_path / "keys.parquet", definitions, tmp_path / name, executor=executor)
        found.append({path.name: path.read_bytes() for path in (tmp_path / name).glob("*.parquet")})
    return found


def damaging(run_missing, kind):
    """Return what does the work of `run_missing` and then changes a byte of each new file of one kind."""
    damaged = set()

    def run(executor, task, reader, groups, paths, label):
        found = run_missing(executor, task, reader, groups, paths, label)
        for path in set(paths[0].parent.glob(f"{kind}*.spill")) - damaged if paths else ():
            damaged.add(path)
            data = bytearray(path.read_bytes())
            data[8] ^= 1
            path.write_bytes(data)
        return found

    return run


def check_damage(tmp_path, monkeypatch, kind, modules, definitions, keys):
    """Check that a join whose files of one kind are damaged names each, and goes on when they are removed."""
    run, out = damaging(stages.run_missing, kind), tmp_path / "out"
    with monkeypatch.context() as patched:
        for module in modules:
            patched.setattr(module, "run_missing", run)
        with pytest.raises(DataError, match="is damaged; remove it, then --resume") as raised:
            point_in_time_join(keys, definitions, out)
    named = raised.value
    while named is not None:
        Path(str(named).partition(":")[0]).unlink()
        try:
            point_in_time_join(keys, definitions, out, resume=True)
            named = None
        except DataError as another:
            named = another
    point_in_time_join(keys, definitions, tmp_path / "whole")
    for path in (tmp_path / "whole").glob("*.parquet"):
        assert path.read_bytes() == (out / path.name).read_bytes()
