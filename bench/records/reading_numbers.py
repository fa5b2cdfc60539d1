"""Measure reading: rows/s of each reader by encoding and row group size, against the bare scan.

Run ``python -m bench.records.reading_numbers --out docs/results/reading.json``; docs/reading.md explains the
numbers. Files are written to a temporary directory one at a time and stay in the page cache.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from bench.reductions import CountRows
from scalable import ParquetSource
from scalable.data.block import Block, RawBlock
from scalable.data.readers.arrow import open_with_arrow
from scalable.data.readers.cursor import Cursor
from scalable.data.readers.pages import CODED, open_with_pages
from scalable.data.values import numbers
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.execution.threads import Threads
from scalable.linear import LogisticRegression
from scalable.report.document import new_results
from scalable.report.results import write_results

BLOCK = 2**17
LAYOUTS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "plain 2^15": ("floats", 2**15, {"compression": "none"}),
    "plain 2^17": ("floats", 2**17, {"compression": "none"}),
    "plain 2^20": ("floats", 2**20, {"compression": "none"}),
    "plain one group": ("floats", 2**30, {"compression": "none"}),
    "lz4 2^17": ("floats", 2**17, {"compression": "lz4"}),
    "snappy 2^17": ("floats", 2**17, {"compression": "snappy"}),
    "zstd-1 2^17": ("floats", 2**17, {"compression": "zstd", "compression_level": 1}),
    "with 8 dictionary ints, plain 2^17": ("ints", 2**17, {"compression": "none"}),
    "with nulls, differences, text, plain 2^17": ("mixed", 2**17, {"compression": "none"}),
    "byte-stream-split lz4 2^17": ("floats", 2**17, {"compression": "lz4", "use_byte_stream_split": True}),
    "with 8 dictionary ints, lz4 2^17": ("ints", 2**17, {"compression": "lz4"}),
    "with 4 text columns, lz4 2^17": ("text", 2**17, {"compression": "lz4"}),
}


@dataclass(frozen=True)
class Matrix:
    """An encoder that lays numeric columns out as a learner does: one contiguous float32 row each."""

    needed: tuple[str, ...]

    def encode(self, raw: RawBlock) -> Block:
        """Return the columns as a block without label or weight."""
        columns = np.empty((len(self.needed), raw.n_rows), np.float32)
        for j, name in enumerate(self.needed):
            columns[j] = numbers(raw.arrays[name])
        return Block(columns, np.empty((0, raw.n_rows), np.int32), None, None, raw.first_row)


def make_table(kind: str, rows: int) -> pa.Table:
    """Return columns of float32 noise, with dictionary integers, text, or a bit of everything if asked for."""
    rng = np.random.default_rng(0)
    n_floats = {"floats": 28, "mixed": 8}.get(kind, 16)
    columns: dict[str, Any] = {f"f{j}": rng.random(rows, dtype=np.float32) for j in range(n_floats)}
    if kind == "ints":
        columns.update({f"i{j}": rng.integers(0, 200, rows, dtype=np.int32) for j in range(8)})
    if kind == "mixed":
        columns = {name: pa.array(x, mask=rng.random(rows) < 0.3) for name, x in columns.items()}
        columns.update({f"d{j}": np.cumsum(rng.integers(0, 100, rows)) for j in range(8)})
    if kind in ("text", "mixed"):
        words = np.array([f"word {k}" for k in range(500)])
        columns.update({f"t{j}": words[rng.integers(0, 500, rows)] for j in range(4)})
    return pa.table(columns)


def write(path: Path, table: pa.Table, group: int, options: dict[str, Any]) -> None:
    """Write a file whose integer and text columns are dictionary-encoded, growing integers kept as differences."""
    dictionary = [name for name in table.schema.names if name[0] not in "fd"]
    options = dict(options)
    growing = [name for name in table.schema.names if name.startswith("d")]
    if growing:
        options["column_encoding"] = dict.fromkeys(growing, "DELTA_BINARY_PACKED")
    floats = [name for name in table.schema.names if name.startswith("f")]
    if options.pop("use_byte_stream_split", False):
        options["column_encoding"] = dict.fromkeys(floats, "BYTE_STREAM_SPLIT")
    pq.write_table(table, path, row_group_size=group, use_dictionary=dictionary or False, **options)


def rates(runs: dict[str, Callable[[], int]], repeat: int) -> dict[str, dict[str, float]]:
    """Return the best of `repeat` interleaved runs: wall-clock rate, and processor time of all threads.

    Processor time is what to compare on a machine with other work: it counts the same instructions,
    whoever else runs.
    """
    wall, processor = dict.fromkeys(runs, float("inf")), dict.fromkeys(runs, float("inf"))
    for _ in range(repeat):
        for name, run in runs.items():
            gc.collect()
            start, used = time.perf_counter(), time.process_time()
            rows = run()
            processor[name] = min(processor[name], (time.process_time() - used) / rows)
            wall[name] = min(wall[name], (time.perf_counter() - start) / rows)
    return {
        name: {
            "million_rows_per_second": round(1e-6 / wall[name], 2),
            "processor_ns_per_row": round(1e9 * processor[name], 1),
        }
        for name in runs
    }


def measurements(path: Path) -> dict[str, Callable[[], int]]:
    """Return what is timed on one file, each reading all rows of all columns."""
    source = ParquetSource(path)
    footer, names = source.footers[0], source.feature_names

    def cursor(opener: Any) -> int:
        opened = opener(footer, source.full_schema, names, 0, footer.n_rows, BLOCK)
        rows = 0
        while rows < footer.n_rows:
            rows += len(opened.read(min(BLOCK, footer.n_rows - rows))[0])
        opened.close()
        return rows

    def bare() -> int:
        scan = pl.scan_parquet(path, cache=False, glob=False)
        return sum(frame.height for frame in scan.collect_batches(chunk_size=BLOCK, maintain_order=True))

    def counted(threads: int, encoder: Matrix | None = None, block_rows: int = BLOCK) -> int:
        reader = BlockReader(source, encoder, block_rows=block_rows)
        return run_reduction(Threads(threads), CountRows(), reader)

    runs: dict[str, Callable[[], int]] = {
        "bare polars scan": bare,
        "pyarrow": lambda: cursor(open_with_arrow),
        "source, 1 thread": lambda: counted(1),
        "source, 2 threads": lambda: counted(2),
    }
    if not any(name.startswith("t") for name in names):
        matrix = Matrix(tuple(names))
        runs["source to float32 matrix, 2 threads"] = lambda: counted(2, matrix)
    return runs


def chosen_reader(source: ParquetSource) -> str:
    """Return who decodes a file of one layout."""
    footer, names = source.footers[0], source.feature_names
    where = (footer, source.full_schema, names, 0, footer.n_rows)
    others: list[str] = []

    def rest(names: list[str]) -> Cursor:
        others.extend(names)
        return Cursor(iter(()), 0, lambda: None)

    ours = open_with_pages(*where, BLOCK, rest)
    if ours is not None:
        ours.close()
        if not others:
            return "ours"
    return "pyarrow"


def by_layout(directory: Path, rows: int, repeat: int) -> Iterator[dict[str, Any]]:
    """Measure every layout of ``LAYOUTS``."""
    for name, (kind, group, options) in LAYOUTS.items():
        path = directory / "data.parquet"
        write(path, make_table(kind, rows), group, options)
        source = ParquetSource(path)
        yield {
            "layout": name,
            "bytes_per_row": round(path.stat().st_size / rows, 1),
            "shards": len(source.shards),
            "chosen": chosen_reader(source),
            "rates": rates(measurements(path), repeat),
        }
        path.unlink()


def by_block_size(directory: Path, rows: int, repeat: int) -> dict[str, dict[str, float]]:
    """Measure the way to a float32 matrix for several block sizes."""
    path = directory / "data.parquet"
    write(path, make_table("floats", rows), 2**17, {"compression": "none"})
    source = ParquetSource(path)
    matrix = Matrix(tuple(source.feature_names))

    def run(block_rows: int) -> Callable[[], int]:
        reader = BlockReader(source, matrix, block_rows=block_rows)
        return lambda: run_reduction(Threads(2), CountRows(), reader)

    found = rates({f"2^{k}": run(2**k) for k in range(13, 20)}, repeat)
    path.unlink()
    return found


def by_row_group(directory: Path, rows: int, repeat: int) -> dict[str, dict[str, float]]:
    """Measure fits of the same rows as pandas writes them: its row groups of 2^20, and 2^17."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"f{j}": rng.normal(size=rows).round(3).astype(np.float32) for j in range(28)}
    columns["y"] = (columns["f0"] + rng.normal(size=rows) > 0).astype(np.int8)
    frame = pd.DataFrame(columns)
    runs: dict[str, Callable[[], int]] = {}
    for group in (20, 17):
        path = directory / f"pandas-{group}.parquet"
        frame.to_parquet(path, row_group_size=2**group)
        source = ParquetSource(path, target="y")
        for threads in (2, 1):

            def fit(source: ParquetSource = source, threads: int = threads) -> int:
                LogisticRegression(solver="sgd", n_workers=threads).fit(source)
                return rows

            runs[f"row groups of 2^{group}, threads: {threads}"] = fit
    return rates(runs, repeat)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2**21)
    parser.add_argument("--repeat", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    CODED.patience = 0  # as in a process that has read more
    with tempfile.TemporaryDirectory() as name:
        layouts = []
        for result in by_layout(Path(name), options.rows, options.repeat):
            print(json.dumps(result), flush=True)
            layouts.append(result)
        blocks = by_block_size(Path(name), options.rows, options.repeat)
        groups = by_row_group(Path(name), options.rows, options.repeat)
    section = {
        "rows": options.rows,
        "layouts": layouts,
        "by_block_rows": blocks,
        "fits_by_row_group": groups,
    }
    command = (
        f"python -m bench.records.reading_numbers --rows {options.rows} --repeat {options.repeat} --out FILE"
    )
    write_results(options.out, new_results("reading", {"reading": section}, command=command))


if __name__ == "__main__":
    main()
