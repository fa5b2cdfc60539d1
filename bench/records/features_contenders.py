"""Those who join features: ours, polars and DuckDB, each reading Parquet and writing Parquet.

python -m bench.records.features_contenders NAME FOLDER OUT    # one, in a process of its own
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench.records.features_data import COLUMNS, FUNCTIONS, SHUFFLED, WINDOWS
from scalable.boosting.workers.life import peak_rss

_MICROSECONDS = {"h": 3600 * 10**6, "d": 86_400 * 10**6}
_VALUES = [f"v{k}" for k in range(COLUMNS)]


def ours(name: str) -> Callable[[Path, Path], None]:
    """Return our join of ``name.toml``."""

    def run(folder: Path, out: Path) -> None:
        from scalable.feature_store import point_in_time_join

        shutil.rmtree(out, ignore_errors=True)
        point_in_time_join(folder / "keys.parquet", folder / f"{name}.toml", out, time="at")

    return run


def polars_join(folder: Path, out: Path) -> None:
    """Join with ``join_asof``, which wants both sides sorted by time; events that are in order are said to be."""
    import polars as pl

    events = pl.read_parquet(folder / "events.parquet").rename({name: f"e_{name}" for name in _VALUES})
    events = events.sort("at") if folder.name.endswith(SHUFFLED) else events.set_sorted("at")
    keys = pl.read_parquet(folder / "keys.parquet").with_row_index("row").sort("at")
    found = keys.join_asof(events, on="at", by="customer", check_sortedness=False)
    out.mkdir(parents=True, exist_ok=True)
    found.sort("row").drop("row").write_parquet(out / "all.parquet")


def _duckdb(folder: Path, query: str, out: Path) -> None:
    import duckdb

    out.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(config={"temp_directory": str(out / "spill")})
    con.execute("set threads = 2")
    con.execute(f"create view events as from '{folder / 'events.parquet'}'")
    keys = f"read_parquet('{folder / 'keys.parquet'}', file_row_number = true)"
    con.execute(f"create view keys as select *, file_row_number as row from {keys}")
    con.execute(f"copy ({query}) to '{out / 'all.parquet'}'")


def duckdb_join(folder: Path, out: Path) -> None:
    """Join with ``ASOF LEFT JOIN``, put in the order of the keys."""
    values = ", ".join(f"e.{name} as e_{name}" for name in _VALUES)
    _duckdb(
        folder,
        f'select k.customer, k."at", {values} from keys as k asof left join events as e '
        'on k.customer = e.customer and k."at" >= e."at" order by k.row',
        out,
    )


def duckdb_windows(folder: Path, out: Path) -> None:
    """Take windows over events and keys in one column, as SQL has them; a key's own row adds nothing."""
    frames, columns = [], []
    for window in WINDOWS:
        width = int(window[:-1]) * _MICROSECONDS[window[-1]] - 1  # (t - w, t] in whole microseconds
        span = f"range between interval '{width} microseconds' preceding and current row"
        frames.append(f'w{window} as (partition by customer order by "at" {span})')
        for function in FUNCTIONS:
            what = f"{function}(v) over w{window}"
            if function == "sum":  # in whole cents, as ours
                what = f"coalesce(sum(c) over w{window}, 0) / 100"
            columns.append(f"{what} as e_v0_{function}_{window}")
    both = (
        'select customer, "at", v0 as v, round(v0 * 100)::bigint as c, null::bigint as row from events union all '
        'select customer, "at", null, null, row from keys'
    )
    _duckdb(
        folder,
        f"select * exclude(v, c, row) from (select *, {', '.join(columns)} from ({both}) window {', '.join(frames)}) "
        "where row is not null order by row",
        out,
    )


CONTENDERS = {
    "join": {"ours": ours("join"), "polars": polars_join, "duckdb": duckdb_join},
    "windows": {"ours": ours("windows"), "duckdb": duckdb_windows},
}

if __name__ == "__main__":
    job, contender, folder, out = sys.argv[1:]
    CONTENDERS[job][contender](Path(folder), Path(out))
    print(peak_rss())
