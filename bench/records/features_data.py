"""Events, keys and definitions that the records of features are measured on, written once for a size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

YEAR = 365 * 86_400 * 10**6  # microseconds
START = 1_700_000_000_000_000
COLUMNS, WINDOWS = 5, ("1h", "1d", "7d", "30d", "90d")
FUNCTIONS = ("count", "sum", "min", "max")
BLOCK = 2**20
SHUFFLED = "-shuffled"  # ends the name of a folder whose events are in no order

JOIN = """[views.e]
source = "events.parquet"
entity = "customer"
event_time = "at"
values = [{values}]
"""
WINDOWED = """[views.e]
source = "events.parquet"
entity = "customer"
event_time = "at"
[[views.e.aggregates]]
column = "v0"
functions = ["count", "sum", "min", "max"]
windows = ["1h", "1d", "7d", "30d", "90d"]
decimals = 2
"""
ONLINE = """[views.e]
source = "events.parquet"
entity = "customer"
event_time = "at"
values = [{values}]
{aggregates}
"""


def write_events(folder: Path, n_events: int, n_entities: int, shuffled: bool, seed: int = 0) -> None:
    """Write events in order of time, or in none: entity, time and values of two decimals."""
    rng = np.random.default_rng(seed)
    path = folder / "events.parquet"
    if path.exists():
        return
    schema = pa.schema(
        [
            ("customer", pa.int64()),
            ("at", pa.timestamp("us")),
            *((f"v{k}", pa.float64()) for k in range(COLUMNS)),
        ]
    )
    scratch = folder / "events.writing"
    with pq.ParquetWriter(scratch, schema, compression="lz4", use_dictionary=False) as writer:
        for first in range(0, n_events, BLOCK):
            n = min(BLOCK, n_events - first)
            low, high = (START + YEAR * (first + k) // n_events for k in (0, n))
            low, high = (START, START + YEAR) if shuffled else (low, high)
            columns = [rng.integers(0, n_entities, n), rng.integers(low, max(high, low + 1), n)]
            columns[1] = columns[1] if shuffled else np.sort(columns[1])
            columns += [np.round(rng.normal(100, 20, n), 2) for _ in range(COLUMNS)]
            arrays = [pa.array(column).cast(kind) for column, kind in zip(columns, schema.types, strict=True)]
            writer.write_table(pa.table(arrays, schema=schema), row_group_size=2**18)
    scratch.rename(path)


def write_keys(folder: Path, n_keys: int, n_entities: int, seed: int = 1) -> None:
    """Write keys in no order, a tenth of them of one entity."""
    rng = np.random.default_rng(seed)
    keys = {
        "customer": np.where(rng.random(n_keys) < 0.1, 0, rng.integers(0, n_entities, n_keys)),
        "at": pa.array(rng.integers(START, START + YEAR, n_keys), pa.timestamp("us")),
    }
    if not (folder / "keys.parquet").exists():
        pq.write_table(pa.table(keys), folder / "keys.parquet", row_group_size=2**18)


def write_definitions(folder: Path) -> None:
    """Write what is joined, windowed, and looked up (50 features in one row)."""
    values = ", ".join(f'"v{k}"' for k in range(COLUMNS))
    (folder / "join.toml").write_text(JOIN.format(values=values))
    (folder / "windows.toml").write_text(WINDOWED)
    tables = [
        f'[[views.e.aggregates]]\ncolumn = "v{k}"\nfunctions = ["count", "sum", "max"]\nwindows = ["1d", "7d", "90d"]'
        for k in range(COLUMNS)
    ]
    (folder / "online.toml").write_text(ONLINE.format(values=values, aggregates="\n".join(tables)))


def prepare(folder: Path, n_events: int, n_keys: int, n_entities: int, shuffled: bool = False) -> Path:
    """Return a folder with all of it."""
    place = folder / f"features-hot-{n_events}-{n_keys}-{n_entities}{SHUFFLED if shuffled else ''}"
    place.mkdir(parents=True, exist_ok=True)
    write_events(place, n_events, n_entities, shuffled)
    write_keys(place, n_keys, n_entities)
    write_definitions(place)
    return place
