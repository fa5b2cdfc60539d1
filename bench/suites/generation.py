"""What a generated row costs: kernels, assembled blocks and written files, per dataset."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from .gate import found
from .median import named, ns_per_row

try:
    import data_gen
    from bench.data import scaled
    from data_gen.datasets import NAMES as KNOWN
    from data_gen.datasets import recipe
    from data_gen.recipe import empty_frame

    fill_normal, fill_uniform, fill_zipf, zipf_constants = (
        found(f"data_gen.values.laws:{name}", f"data_gen.laws:{name}")
        for name in ("fill_normal", "fill_uniform", "fill_zipf", "zipf_constants")
    )
    stream, fill_bits = (
        found(f"data_gen.values.random:{name}", f"data_gen.random:{name}") for name in ("Stream", "fill_bits")
    )

    missing = ""
except ImportError as error:  # a commit from before these
    missing = str(error)

NAMES = ("fraud", "clicks", "physics", "regression", "mixture")

BLOCK = 1 << 15
REPEATS = 9


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


def _skip_unknown(dataset: str) -> None:
    if dataset not in KNOWN:
        raise NotImplementedError(f"no dataset {dataset!r} yet")


class Kernels:
    """One value of each law, hash included."""

    params = (["bits", "uniform", "normal", "zipf"],)
    param_names = ("law",)
    unit = "ns/value"

    def setup(self, law: str) -> None:
        self.stream = stream.of(0, "bench", law)
        self.wide, self.words = np.empty(BLOCK, np.uint64), np.empty(BLOCK // 2, np.uint64)
        self.floats, self.ranks = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.int32)
        self.constants = zipf_constants(10**7, 1.05)

    def _work(self, law: str) -> None:
        key0, key1, zero = self.stream.key0, self.stream.key1, np.uint64(0)
        if law in ("bits", "zipf"):
            fill_bits(key0, key1, zero, self.wide)
            if law == "zipf":
                fill_zipf(self.wide, *self.constants, np.int32(10**7 - 1), self.ranks)
            return
        fill_bits(key0, key1, zero, self.words)
        (fill_uniform if law == "uniform" else fill_normal)(self.words.view(np.uint32), self.floats)

    @named("Draw a value of a law")
    def track_value(self, law: str) -> float:
        return ns_per_row(lambda: self._work(law), BLOCK, REPEATS)


class Blocks:
    """All columns of a row in memory, with the truth; nothing is encoded."""

    params = (list(NAMES),)
    param_names = ("dataset",)
    unit = "ns/row"

    def setup(self, dataset: str) -> None:
        _skip_unknown(dataset)
        self.recipe = recipe(dataset)
        self.room = empty_frame(self.recipe.columns, 2 * BLOCK)
        try:
            self._score()
        except TypeError as error:  # a commit from before frames were reused
            raise NotImplementedError(str(error)) from error

    def _score(self) -> object:
        return self.recipe.score(0, 2 * BLOCK, self.recipe.columns, self.room)

    @named("Generate a row in memory")
    def track_row(self, dataset: str) -> float:
        return ns_per_row(self._score, 2 * BLOCK, REPEATS)


class Writing:
    """Whole datasets on two threads, files and manifest on disk."""

    params = (list(NAMES),)
    param_names = ("dataset",)
    timeout = 600
    unit = "ns/row"

    def setup(self, dataset: str) -> None:
        _skip_unknown(dataset)
        self.rows = scaled(200_000)
        self.directory = Path(tempfile.mkdtemp(prefix="generation"))
        self._write(dataset, 1)

    def teardown(self, dataset: str) -> None:
        if hasattr(self, "directory"):  # not where it was skipped
            shutil.rmtree(self.directory, ignore_errors=True)

    def _write(self, dataset: str, rows: int) -> data_gen.Manifest:
        return data_gen.generate(dataset, rows=rows, out=self.directory / "data", overwrite=True, workers=2)

    @named("Generate and write a row")
    def track_row(self, dataset: str) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter_ns()
            self._write(dataset, self.rows)
            times.append(time.perf_counter_ns() - start)
        return statistics.median(times) / self.rows

    @named("Bytes a row on disk")
    def track_bytes_per_row(self, dataset: str) -> float:
        return self._write(dataset, self.rows).bytes / self.rows

    track_bytes_per_row.unit = "bytes"  # type: ignore[attr-defined]  # how asv learns a unit

    @named("Peak memory of generating")
    def peakmem_write(self, dataset: str) -> None:
        self._write(dataset, self.rows)
