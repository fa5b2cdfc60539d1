"""What reading costs: decoding by layout of the file, encoding for a learner, shuffled batches, and planning."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .gate import found
from .median import named, ns_per_row

try:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bench.data import directory, scaled
    from scalable import ParquetSource

    encoder = found(
        "scalable.features.linear_encoder:LinearEncoder", "scalable.data.encoders.linear:LinearEncoder"
    )
    profile_source = found(
        "scalable.features.profile:profile_source", "scalable.execution.rounds:profile_source"
    )
    try:
        from scalable import batches
    except ImportError:
        batches = None  # type: ignore[assignment]
    missing = ""
except ImportError as error:  # a commit from before these
    missing = str(error)

COLUMNS, REPEATS = 28, 5
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {"compression": "none"},
    "lz4": {"compression": "lz4"},
    "snappy": {"compression": "snappy"},
    "zstd": {"compression": "zstd", "compression_level": 1},
    "pandas": {
        "compression": "snappy",
        "use_dictionary": True,
    },  # falls back from dictionaries within a column
    "pages2": {"compression": "snappy", "use_dictionary": True, "data_page_version": "2.0"},
    "split": {"compression": "lz4", "use_byte_stream_split": True},
    "coded": {
        "compression": "none"
    },  # text and small integers in dictionaries, growing ones as differences, nulls
}


def setup(*params: object) -> None:
    """Skip what an old commit lacks; asv calls this before each benchmark of the file."""
    if missing:
        raise NotImplementedError(missing)


def _file(layout: str, rows: int) -> Path:
    """Return a file of noise and a label, written when it is not there yet; float32, but where it is "coded"."""
    path = directory() / f"reading-{layout}-{rows}.parquet"
    if not path.is_file():
        random = np.random.default_rng(0)
        columns: dict[str, Any] = {f"x{j}": random.random(rows, np.float32) for j in range(COLUMNS)}
        label = (columns["x0"] > 0.5).astype(np.int8)
        options = {"use_dictionary": False, **LAYOUTS[layout]}
        if layout == "coded":
            columns, coding = _coded_columns(random, rows)
            options |= coding
        partial = path.with_suffix(".partial")
        pq.write_table(pa.table({**columns, "y": label}), partial, row_group_size=2**17, **options)
        partial.rename(path)
    return path


def _coded_columns(random: np.random.Generator, rows: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return columns that are not kept as plain values, and how they are to be written."""
    words = np.array([f"word {k}" for k in range(40)])
    columns: dict[str, Any] = {}
    for j in range(COLUMNS // 4):
        few = random.integers(0, 40, rows)
        columns[f"text{j}"] = words[few]
        columns[f"few{j}"] = pa.array(few.astype(np.int16), mask=random.random(rows) < 0.1)
        columns[f"null{j}"] = pa.array(random.random(rows, np.float32), mask=random.random(rows) < 0.4)
        columns[f"grow{j}"] = np.cumsum(random.integers(0, 100, rows))
    dictionary = [name for name in columns if name.startswith(("text", "few"))]
    growing = {name: "DELTA_BINARY_PACKED" for name in columns if name.startswith("grow")}
    return columns, {"use_dictionary": dictionary, "column_encoding": growing}


class Decode:
    """All columns of a file in the page cache, one thread, nothing learned."""

    params = (list(LAYOUTS),)
    param_names = ("layout",)
    unit = "ns/row"
    timeout = 600

    def setup(self, layout: str) -> None:
        self.source = ParquetSource(_file(layout, scaled(500_000)), target="y")

    def _scan(self) -> int:
        return sum(raw.n_rows for shard in self.source.shards for raw in self.source.raw_blocks(shard))

    @named("Decode a row of Parquet")
    def track_row(self, layout: str) -> float:
        return ns_per_row(self._scan, self.source.n_rows, REPEATS)

    @named("Peak memory of a scan")
    def peakmem_scan(self, layout: str) -> None:
        self._scan()


class Encode:
    """One decoded block to the columns of a linear learner."""

    unit = "ns/row"

    def setup(self) -> None:
        source = ParquetSource(_file("plain", scaled(500_000)), target="y")
        try:
            self.encoder = encoder.learn(profile_source(source), source)
        except TypeError:  # a commit whose encoder took names
            self.encoder = encoder.learn(profile_source(source), source.feature_names)
        self.raw = next(source.raw_blocks(source.shards[0]))

    @named("Encode a decoded row")
    def track_row(self) -> float:
        return ns_per_row(lambda: self.encoder.encode(self.raw), self.raw.n_rows, REPEATS)


class Shuffle:
    """Shuffled mini-batches of a file in the page cache, by threads, and steps of a perceptron over rows in memory."""

    unit = "ns/row"
    timeout = 300

    def setup(self) -> None:
        if batches is None:
            raise NotImplementedError("a commit from before mini-batches")
        self.loader = batches(ParquetSource(_file("plain", scaled(500_000)), target="y"), 4096)
        random = np.random.default_rng(0)
        X = random.random((scaled(100_000), COLUMNS), np.float32)
        self.rows = X, X[:, 0] > X[:, 1]

    @named("Shuffle a row into mini-batches")
    def track_row(self) -> float:
        return ns_per_row(lambda: sum(len(b.X) for b in self.loader), self.loader.n_rows, REPEATS)

    @named("Learn a row by a perceptron")
    def track_perceptron(self) -> float:
        from scalable.neural import MLPClassifier

        model = MLPClassifier(batch_size=1024, max_iter=1)

        def fit() -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(*self.rows)

        return ns_per_row(fit, len(self.rows[0]), 3)


class Plan:
    """What comes before the first row."""

    unit = "ns/row"

    def setup(self) -> None:
        self.path = _file("plain", scaled(500_000))
        self.source = ParquetSource(self.path, target="y")

    @named("Plan the shards of a dataset")
    def time_open(self) -> None:
        ParquetSource(self.path, target="y")

    @named("Profile the columns")
    def track_profile(self) -> float:
        return ns_per_row(lambda: profile_source(self.source), self.source.n_rows, REPEATS)
