"""``dask.datasets.timeseries``, written by Dask."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from bench.peers.contender import Generator

PARTITIONS = 16


class Timeseries(Generator):
    """Four columns and a time index, on Dask's threads."""

    modules: ClassVar[tuple[str, ...]] = ("dask.dataframe",)
    packages: ClassVar[tuple[str, ...]] = ("dask", "pandas")
    note = "5 columns"

    def write(self, rows: int, out: Path, threads: int) -> None:
        """Make and write partition by partition."""
        import dask
        import pandas as pd

        start, each = pd.Timestamp(2000, 1, 1), -(-rows // PARTITIONS)
        end = start + pd.Timedelta(seconds=each * PARTITIONS)
        frame = dask.datasets.timeseries(start, end, freq="1s", partition_freq=f"{each}s", seed=0)
        with dask.config.set(scheduler="threads", num_workers=threads):
            frame.to_parquet(out, compression=None)
