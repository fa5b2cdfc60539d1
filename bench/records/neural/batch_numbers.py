"""Shuffled mini-batches of 28 float32 columns: rows a second, beside what bounds them and torch's own loader.

    python -m bench.records.neural.batch_numbers --rows 4e6 --out docs/results/batches.json

The limit is a copy of the rows (each value read once and written once) and the bare scan of the files. torch, where it
is installed, loads the same files through pyarrow in two ways: whole batches made by two worker processes, the quickest
it offers, and the rows of a dataset collated by the loader, which is how it is commonly used (over fewer rows).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import data_gen
from scalable import ParquetSource, batches
from scalable.report.document import new_results
from scalable.report.results import write_results

SIZE = 4096
FEW = 100_000  # rows of the loader that collates


def measure(work: Callable[[], int], repeats: int = 3) -> dict[str, float]:
    """Return the best of some runs of what returns its number of rows."""
    best, cpu, rows = np.inf, np.inf, 0
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        rows = work()
        best = min(best, time.perf_counter() - start)
        cpu = min(cpu, time.process_time() - used)
    return {"million_rows_per_second": rows / best / 1e6, "processor_ns_per_row": cpu / rows * 1e9}


def ours(source: ParquetSource, n_workers: int) -> dict[str, Any]:
    """Return the rate of `batches`, after an epoch that compiles."""
    loader = batches(source, SIZE, classify=True, n_workers=n_workers)

    def epoch() -> int:
        return sum(len(batch.X) for batch in loader)

    epoch()
    quality = loader.quality()
    return {
        **measure(epoch),
        "mixes": quality.mixes,
        "runs": quality.slices,
        "deviation": quality.deviation,
        "neighbours": quality.neighbours,
    }


def copied(rows: int, n_columns: int) -> dict[str, float]:
    """Return the rate of NumPy's copy of as many rows."""
    x = np.ones((rows, n_columns), np.float32)
    to = np.ones_like(x)

    def copy() -> int:
        np.copyto(to, x)
        return rows

    return measure(copy)


def scanned(source: ParquetSource) -> dict[str, float]:
    """Return the rate of decoding alone, on one thread."""
    return measure(lambda: sum(block.n_rows for shard in source.shards for block in source.raw_blocks(shard)))


def torch_batches(paths: list[str], target: str, *, collated: bool) -> dict[str, float]:
    """Return the rate of torch's DataLoader over pyarrow."""
    import torch
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info

    class Rows(IterableDataset):
        """Rows of shuffled row groups, shuffled within each."""

        def __iter__(self) -> Iterator[Any]:
            info = get_worker_info()
            mine = paths if info is None else paths[info.id :: info.num_workers]
            random = np.random.default_rng(0)
            for path in random.permutation(mine):
                file = pq.ParquetFile(path)
                for group in random.permutation(file.num_row_groups):
                    table = file.read_row_group(int(group), use_threads=False)
                    names = [name for name in table.column_names if name != target]
                    x = np.stack([table[name].to_numpy() for name in names], axis=1)
                    y = table[target].to_numpy()
                    order = random.permutation(len(y))
                    if collated:
                        for i in order:
                            yield x[i], y[i]
                    else:
                        for start in range(0, len(order), SIZE):
                            some = order[start : start + SIZE]
                            yield torch.from_numpy(x[some]), torch.from_numpy(y[some])

    def epoch() -> int:
        loader = DataLoader(Rows(), batch_size=SIZE if collated else None, num_workers=2)
        rows = 0
        for x, _ in loader:
            rows += len(x)
            if collated and rows >= FEW:
                break
        return rows

    return measure(epoch, 1 if collated else 3)


def main() -> None:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=float, default=4e6)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = int(given.rows)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "physics"
        data_gen.generate("physics", rows=rows, out=place, seed=0)
        source = ParquetSource(str(place), target="signal")
        found: dict[str, Any] = {"rows": rows, "columns": len(source.feature_names), "size": SIZE}
        found["copy"] = copied(min(rows, 2_000_000), len(source.feature_names))
        found["scan, one thread"] = scanned(source)
        for n in (1, 2):
            found[f"batches, {n} threads"] = ours(source, n)
        if importlib.util.find_spec("torch") is not None:
            for collated in (False, True):
                name = "torch, rows collated" if collated else "torch, whole batches"
                found[name] = torch_batches(source.paths, "signal", collated=collated)
        else:
            found["torch"] = "not installed"
    print(json.dumps(found, indent=1))
    write_results(given.out, new_results("batches", {"batches": found}, seed=0))


if __name__ == "__main__":
    main()
