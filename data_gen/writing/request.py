"""What a generation job will write: the request, and how its rows fall into files and row groups."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from data_gen.errors import RequestError

ROW_GROUP = 1 << 18  # rows; decodes at full speed and keeps a worker's memory under 100 MB
SMALLEST_GROUP = 1 << 13  # rows
SMALLEST_FILE, LARGEST_FILE = 1 << 19, 1 << 24  # rows
COMPRESSIONS = ("none", "lz4", "snappy", "zstd")


def default_rows_per_file(rows: int) -> int:
    """Return a power of two between 2**19 and 2**24 that makes at most 64 files, if any does."""
    size = SMALLEST_FILE
    while size < LARGEST_FILE and rows > 64 * size:
        size *= 2
    return size


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the dataset.

    Parameters
    ----------
    index : int
    start, stop : int
        Rows of the dataset in this file.
    """

    index: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        """File name."""
        return f"part-{self.index:06d}.parquet"

    @property
    def rows(self) -> int:
        """Rows in the file."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that decides the bytes of a dataset.

    Parameters
    ----------
    dataset : str
    knobs : dict
        Complete.
    seed, rows, rows_per_file, row_group_rows : int
    compression : str
        One of `COMPRESSIONS`.
    """

    dataset: str
    knobs: dict[str, Any]
    seed: int
    rows: int
    rows_per_file: int
    row_group_rows: int
    compression: str

    @property
    def n_files(self) -> int:
        """Files of the whole dataset."""
        return -(-self.rows // self.rows_per_file)

    def part(self, index: int) -> Part:
        """Return file `index`."""
        start = index * self.rows_per_file
        return Part(index, start, min(start + self.rows_per_file, self.rows))

    def parts(self, shards_of: tuple[int, int] | None = None) -> list[Part]:
        """Return the files of share ``i`` of ``n`` (counted from 0; None: all of them)."""
        i, n = shards_of or (0, 1)
        first, last = self.n_files * i // n, self.n_files * (i + 1) // n
        return [self.part(index) for index in range(first, last)]

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RequestError(f"{name}={value!r}: expected a whole number from {low:,} to {high:,}")
    return value


def default_row_group(row_bytes: int) -> int:
    """Return 2**18 rows, or fewer (at least 2**13) where a row group would exceed 64 MB."""
    rows = ROW_GROUP
    while rows > SMALLEST_GROUP and rows * row_bytes > 1 << 26:
        rows //= 2
    return rows


def make_request(dataset: str, knobs: dict[str, Any], seed: int, rows: Any, rows_per_file: Any,
                 row_group_rows: Any, compression: str, row_bytes: int) -> Request:  # fmt: skip
    """Return a checked request with defaults filled in.

    `knobs` are checked already; `row_bytes` is the size of a generated row in memory.

    Raises
    ------
    RequestError
        On numbers out of range or an unknown compression.
    """
    rows = _whole("rows", rows, 1, 2**63 - 1)
    per_file = _whole("rows_per_file", rows_per_file or default_rows_per_file(rows), 1, 2**31)
    group = _whole("row_group_rows", row_group_rows or default_row_group(row_bytes), 1, 2**24)
    if compression not in COMPRESSIONS:
        raise RequestError(f"compression={compression!r}: expected one of {', '.join(COMPRESSIONS)}")
    return Request(dataset, knobs, seed, rows, per_file, group, compression)


def check_share(shards_of: tuple[int, int] | None) -> None:
    """Raise `RequestError` unless ``(i, n)`` is a share: 0 <= i < n."""
    if shards_of is None:
        return
    i, n = (_whole("shards_of", v, 0, 10**6) for v in shards_of)
    if i >= n:
        raise RequestError(f"shards_of={i}/{n}: the share is counted from 0/{n} to {n - 1}/{n}")
