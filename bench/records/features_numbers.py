"""What features with time cost: the join and windows beside polars and DuckDB, lookups beside SQLite, in one run.

    python -m bench.records.features_numbers join --out docs/results/features_join.json
    python -m bench.records.features_numbers windows --out docs/results/features_windows.json
    python -m bench.records.features_numbers lookup --out docs/results/features_lookup.json

Each join runs in a process of its own, started cold but with compiled kernels and files in the page cache; seconds are
those of the whole process, with its imports; memory is the most it held. The others run at `--shared` events only, a
size that they survive; outputs are compared there, value by value.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.held_files import in_memory
from bench.records.features_contenders import CONTENDERS
from bench.records.features_data import COLUMNS, START, YEAR, prepare
from scalable.report.document import new_results
from scalable.report.results import write_results

REPEATS = 3


def run_alone(job: str, name: str, folder: Path, out: Path) -> dict[str, Any]:
    """Return seconds, processor seconds and the peak of memory of one contender's process."""
    shutil.rmtree(out, ignore_errors=True)
    program = [sys.executable, "-m", "bench.records.features_contenders", job, name, str(folder), str(out)]
    start = time.perf_counter()
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    said, printed = process.stderr.read(), process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = said.strip().splitlines()[-1:] or ["killed"]
        return {"failed": f"{process.returncode}: {last[0][:200]}"}
    return {
        "seconds": seconds,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "peak_mib": int(printed.split()[-1]) / 2**20,  # `ru_maxrss` begins with this process's own
    }


def differing(ours: Path, theirs: Path) -> int:
    """Return how many values of two outputs differ; missing ones are equal."""
    one, other = (pl.read_parquet(place / "*.parquet") for place in (ours, theirs))
    if one.columns != other.columns or len(one) != len(other):
        return max(len(one), len(other))
    return sum(int(one[name].ne_missing(other[name].cast(one[name].dtype)).sum()) for name in one.columns)


def compare(job: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row a contender at the shared size, and ours at the full one."""
    sizes = [(options.shared, list(CONTENDERS[job])), (options.events, ["ours"])]
    found = []
    for events, names in sizes[: 1 if options.events == options.shared else 2]:
        folder = prepare(options.scratch, events, events // 10, max(1, events // 100), options.shuffled)
        outs = {name: options.scratch / f"out-{name}" for name in names}
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        run_alone(job, names[0], folder, outs[names[0]])  # compiles, and reads the files once
        with in_memory(*folder.rglob("*.parquet")) as kept:
            for _ in range(REPEATS):
                for name in names:
                    rows[name].append(run_alone(job, name, folder, outs[name]))
        own = min(row["seconds"] for row in rows["ours"])
        for name in names:
            good = [row for row in rows[name] if "seconds" in row]
            best = min(good, key=lambda row: row["seconds"]) if good else rows[name][0]
            row = {"who": name, "events": events, "keys": events // 10, "held_in_memory": kept, **best}
            if good:
                row |= {"events_per_second": events / best["seconds"], "times_ours": best["seconds"] / own}
                row["differing"] = differing(outs["ours"], outs[name])
            found.append(row)
            print(row, flush=True)
        for out in outs.values():
            shutil.rmtree(out, ignore_errors=True)
    return found


def look_up(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what materializing and lookups cost, in microseconds, ours and in SQLite."""
    from scalable.feature_store import OnlineStore, materialize

    n = options.entities
    folder, store = prepare(options.scratch, 3 * n, 1000, n), options.scratch / "store"
    small = prepare(options.scratch, 3000, 1000, 1000)
    shutil.rmtree(store, ignore_errors=True)
    materialize(small / "online.toml", store)  # compiles
    shutil.rmtree(store, ignore_errors=True)
    start = time.perf_counter()
    done = materialize(folder / "online.toml", store)["e"]
    seconds = time.perf_counter() - start
    rows = [
        {
            "what": "materialize",
            "entities": done.entities,
            "entities_per_second": done.entities / seconds,
            "mib": (store / "data.mdb").stat().st_size / 2**20,
        }
    ]
    asked = np.random.default_rng(2).integers(0, n, options.lookups).tolist()
    now = (START + YEAR) * 1000
    with OnlineStore(folder / "online.toml", store) as opened, in_memory(store / "data.mdb") as kept:
        lookup = opened.lookups()[0]
        names = [feature.name for feature in opened.definitions.features]
        for key in asked:  # brings the pages in
            lookup.features(key, now)
        ours = _timed("ours, 50 features", lambda key: lookup.features(key, now), asked)
        rows.append({**ours, "kept_in_memory": kept})
        values = [[key, *lookup.features(key, now).values()] for key in sorted(set(asked))]
    peer = options.scratch / "features.sqlite"
    peer.unlink(missing_ok=True)
    connection = sqlite3.connect(peer)
    fields = ", ".join(f"f{i} real" for i in range(len(names)))
    connection.execute(f"create table f (customer integer primary key, {fields})")
    connection.executemany(f"insert into f values ({', '.join('?' * (len(names) + 1))})", values)
    connection.commit()
    query = "select * from f where customer = ?"
    cursor = connection.cursor()
    with in_memory(peer) as kept:
        ready = _timed(
            "SQLite, 50 features ready", lambda key: cursor.execute(query, (key,)).fetchone(), asked
        )
    rows.append({**ready, "kept_in_memory": kept})
    connection.close()
    assert len(names) == COLUMNS + COLUMNS * 9
    for row in rows:
        print(row)
    return rows


def _timed(what: str, call: Any, asked: list[int]) -> dict[str, Any]:
    taken = np.empty(len(asked))
    for k, key in enumerate(asked):
        start = time.perf_counter_ns()
        call(key)
        taken[k] = (time.perf_counter_ns() - start) / 1e3
    p50, p99 = np.percentile(taken, [50, 99])
    return {"what": what, "p50_us": float(p50), "p99_us": float(p99)}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", choices=["join", "windows", "lookup"])
    parser.add_argument("--events", type=lambda text: int(float(text)), default=10**8)
    parser.add_argument("--shared", type=lambda text: int(float(text)), default=2 * 10**7)
    parser.add_argument("--entities", type=lambda text: int(float(text)), default=10**7)
    parser.add_argument("--lookups", type=lambda text: int(float(text)), default=10**5)
    parser.add_argument("--shuffled", action="store_true", help="events in no order of time")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/features-numbers"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.scratch.mkdir(parents=True, exist_ok=True)
    found = look_up(options) if options.job == "lookup" else compare(options.job, options)
    write_results(options.out, new_results("features", {options.job: found}))


if __name__ == "__main__":
    main()
