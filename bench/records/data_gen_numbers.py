"""Measure the generator: kernels, writing beside its peers, the share of computing.

    python -m bench.records.data_gen_numbers --tpchgen PATH/TO/tpchgen-cli --json docs/results/data_gen_speed.json
    python -m bench.records.data_gen_numbers --codecs --json docs/results/data_gen_codecs.json

Work of the generator and of its peers alternates in one run. Wall-clock time is what a user waits;
processor time (user + system, of the process and its children) is what the work costs, and is what
to compare when the machine is busy with something else.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import data_gen
from data_gen.recipe import empty_frame
from data_gen.values.laws import fill_normal, fill_uniform, fill_zipf, zipf_constants
from data_gen.values.random import Stream, fill_bits
from data_gen.writing.request import ROW_GROUP
from scalable.report.document import new_results
from scalable.report.results import write_results

BLOCK = 1 << 13
SWEEPS = 8
LINEITEM_COLUMNS = 16


def cpu_seconds() -> float:
    """Return user and system time of this process, its threads and its finished children."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(p.ru_utime + p.ru_stime for p in parts)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall-clock and processor seconds of a call."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    work()
    return time.perf_counter() - wall, cpu_seconds() - cpu


def kernel_rates() -> dict[str, float]:
    """Return values a second of one core, the best of many rounds of thread time spread over some seconds."""
    stream = Stream.of(0, "bench", "kernel")
    bits, floats, ranks = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.float32), np.empty(BLOCK, np.int32)
    words = np.empty(BLOCK // 2, np.uint64)
    scale, power = zipf_constants(10**7, 1.05)

    def hash_words() -> None:
        fill_bits(stream.key0, stream.key1, np.uint64(0), bits)

    def uniform() -> None:
        fill_bits(stream.key0, stream.key1, np.uint64(0), words)
        fill_uniform(words.view(np.uint32), floats)

    def normal() -> None:
        fill_bits(stream.key0, stream.key1, np.uint64(0), words)
        fill_normal(words.view(np.uint32), floats)

    def zipf() -> None:
        fill_bits(stream.key0, stream.key1, np.uint64(0), bits)
        fill_zipf(bits, scale, power, np.int32(10**7 - 1), ranks)

    works = {"bits64": hash_words, "uniform": uniform, "normal": normal, "zipf": zipf}
    rates = dict.fromkeys(works, 0.0)
    for _ in range(SWEEPS):
        for name, work in works.items():
            work()
            for _ in range(12):
                start = time.thread_time_ns()
                for _ in range(50):
                    work()
                rates[name] = max(rates[name], 50 * BLOCK / (time.thread_time_ns() - start) * 1e9)
        time.sleep(1)  # neighbours on a shared machine slow it down for seconds at a time
    return rates


def computing_share(rows: int = 4 * ROW_GROUP) -> dict[str, float]:
    """Return processor nanoseconds a `fraud` row takes to compute alone, on one thread."""
    from data_gen.datasets import recipe

    bound = recipe("fraud")
    room = empty_frame(bound.columns, ROW_GROUP)
    bound.score(0, ROW_GROUP, bound.columns, room)
    start = time.thread_time_ns()
    for first in range(0, rows, ROW_GROUP):
        bound.score(first, first + ROW_GROUP, bound.columns, room)
    return {"computing_ns_per_row": (time.thread_time_ns() - start) / rows}


def compressions(directory: Path) -> dict[str, dict[str, float]]:
    """Return processor nanoseconds to encode and to decode a `fraud` row, and its bytes, by codec."""
    import pyarrow.parquet as pq

    from data_gen.datasets import recipe
    from data_gen.writing import arrow
    from data_gen.writing.parquet import open_writer
    from data_gen.writing.request import COMPRESSIONS

    bound = recipe("fraud")
    table = arrow.table(bound.columns, bound.compute(0, ROW_GROUP, bound.columns))
    path = directory / "codec.parquet"
    found: dict[str, dict[str, float]] = {}
    for _ in range(5):
        for codec in COMPRESSIONS:
            start = time.thread_time_ns()
            with open_writer(path, bound.columns, codec) as writer:
                writer.write_table(table, row_group_size=ROW_GROUP)
            middle = time.thread_time_ns()
            pq.ParquetFile(path).read_row_group(0, use_threads=False)
            row = found.setdefault(codec, {"encode_ns": 1e9, "decode_ns": 1e9})
            row["encode_ns"] = min(row["encode_ns"], (middle - start) / ROW_GROUP)
            row["decode_ns"] = min(row["decode_ns"], (time.thread_time_ns() - middle) / ROW_GROUP)
            row["bytes"] = path.stat().st_size / ROW_GROUP
    path.unlink()
    return found


def contest(directory: Path, tpchgen: str | None, rounds: int, workers: int) -> list[dict[str, Any]]:
    """Return one record for each competitor and round, alternating."""
    from sklearn.datasets import make_classification

    fraud, physics, dense, scale = 8_000_000, 4_000_000, 200_000, 0.5
    columns = {name: len(d.columns) for name, d in data_gen.datasets().items()}

    def generated(name: str, rows: int) -> Callable[[], object]:
        return lambda: data_gen.generate(
            name, rows=rows, out=directory / name, overwrite=True, workers=workers
        )

    def lineitem() -> object:
        return subprocess.run(
            [str(tpchgen), "parquet", "-s", str(scale), "--tables=lineitem", f"--output-dir={directory / 'tpch'}",
             "--compression=UNCOMPRESSED", f"--num-threads={workers}", "--overwrite"],
            check=True, capture_output=True,
        )  # fmt: skip

    work: list[tuple[str, int, int, Callable[[], object]]] = [
        ("fraud", fraud, columns["fraud"], generated("fraud", fraud)),
        ("physics", physics, columns["physics"], generated("physics", physics)),
        (
            "physics, in memory",
            physics,
            columns["physics"],
            lambda: data_gen.rows("physics", 0, physics, workers=workers),
        ),
        ("make_classification, in memory", dense, 28, lambda: make_classification(dense, 28, random_state=0)),
    ]
    if tpchgen:
        work.insert(1, ("tpchgen-cli lineitem", round(6_001_215 * scale), LINEITEM_COLUMNS, lineitem))
    records = []
    for name in ("fraud", "physics"):
        data_gen.rows(name, 0, 1)  # compiled code is loaded outside of the timing
    for number in range(rounds):
        for name, rows, width, call in work:
            wall, cpu = timed(call)
            size = sum(f.stat().st_size for f in directory.rglob("*.parquet"))
            shutil.rmtree(directory)
            directory.mkdir()
            records.append({"who": name, "round": number, "rows": rows, "columns": width, "seconds": wall,
                            "cpu_seconds": cpu, "bytes_per_row": size / rows, "load": os.getloadavg()[0]})  # fmt: skip
    return records


def summary(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return medians over the rounds: rows and cells a second, cells a processor second, bytes a row."""
    found = []
    for name in dict.fromkeys(r["who"] for r in records):
        mine = [r for r in records if r["who"] == name]
        rows, cells = mine[0]["rows"], mine[0]["rows"] * mine[0]["columns"]
        seconds = [r["seconds"] for r in mine]
        found.append({
            "who": name, "rows": rows, "columns": mine[0]["columns"], "rounds": len(mine),
            "rows_per_second": rows / statistics.median(seconds),
            "best_rows_per_second": rows / min(seconds),
            "cells_per_second": cells / statistics.median(seconds),
            "cells_per_cpu_second": statistics.median(cells / r["cpu_seconds"] for r in mine),
            "cpu_ns_per_row": statistics.median(r["cpu_seconds"] / rows * 1e9 for r in mine),
            "bytes_per_row": mine[0]["bytes_per_row"] or None,
        })  # fmt: skip
    return found


def one_thread(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what one thread does: laws, computing, codecs."""
    return {
        "laws": [{"law": law, "values_per_second": rate} for law, rate in kernel_rates().items()],
        "computing": [{"dataset": "fraud", **computing_share()}],
        "codecs": [{"codec": name, **found} for name, found in compressions(directory).items()],
    }


def _shown(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Run what was asked for and write the results document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tpchgen", help="path of tpchgen-cli (PyPI), left out when not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--codecs", action="store_true", help="measure one thread's work only, no peers")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    sections: dict[str, Any]
    with tempfile.TemporaryDirectory(prefix="data_gen_numbers") as name:
        if options.codecs:
            sections = one_thread(Path(name))
        else:
            records = contest(Path(name), options.tpchgen, options.rounds, options.workers)
            versions = {}
            if options.tpchgen:
                said = subprocess.run(
                    [options.tpchgen, "--version"], check=True, capture_output=True, text=True
                )
                versions["tpchgen-cli"] = said.stdout.strip()
            sections = {"contest": summary(records), "peers": versions, "records": records}
    command = "python -m bench.records.data_gen_numbers " + " ".join(
        Path(a).name if a.startswith("/") else a for a in sys.argv[1:]
    )
    write_results(options.json, new_results("data_gen", sections, command=command))
    for key, value in sections.items():
        rows = value if isinstance(value, list) else [value]
        for row in rows:
            print(key, {k: _shown(v) for k, v in row.items()} if isinstance(row, dict) else row)


if __name__ == "__main__":
    main()
