"""Rows on disk, sorted by partition: each file one group of shards, each column of a partition a stretch of it.

A file is whole or not there. Readers check what they read by the sum of its words.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scalable.data.values import read_only
from scalable.errors import DataError
from scalable.kernels.timeline.group import divide_rows, gather, group_rows
from scalable.kernels.timeline.stretches import read_stretch, sum_stretches
from scalable.kernels.timeline.words import checksum
from scalable.storage.files import Version
from scalable.storage.local import version
from scalable.storage.replace import explained, replacing

REMEDY = "give it room, then run it again (a join with --resume)"
_TAIL = 4  # words at the end: columns, partitions, sum of what is before them, magic
_MAGIC = 0x5350494C4C303100


def partition_of(hashes: NDArray[np.int64], n_partitions: int) -> NDArray[np.int32]:
    """Return the partition of each hash: ranges of the hash as an unsigned number, in order."""
    high = hashes.view(np.uint64) >> np.uint64(40)
    return ((high * np.uint64(n_partitions)) >> np.uint64(24)).astype(np.int32)


def partition_by_time(times: NDArray[np.int64], from_when: Sequence[int]) -> NDArray[np.int32]:
    """Return the partition of each time: the last that begins by then; those that begin at one time share it."""
    begins, found = np.array(from_when, np.int64), np.empty(len(times), np.int32)
    divide_rows(read_only(np.ascontiguousarray(times)), begins, found, np.empty(0, np.int64))
    np.maximum(found, 0, out=found)
    if (begins[1:] == begins[:-1]).any():
        shared = np.maximum(found - np.searchsorted(begins, times, side="left"), 0) + 1
        found -= (np.arange(len(times)) % shared).astype(np.int32)
    return found


def write_spill(
    path: Path, columns: Sequence[NDArray[np.int64]], partitions: NDArray[np.int32], n_partitions: int
) -> None:
    """Write rows sorted by partition, those of a partition in their order.

    Parameters
    ----------
    path : Path
    columns : sequence of arrays of shape (n,), int64
    partitions : array of shape (n,), int32
        Of each row; negative ones are left out.
    n_partitions : int

    Raises
    ------
    DataError
        The disk is full, or the place cannot be written.
    """
    write_parted(path, columns, len(columns), partitions, n_partitions)


def write_parted(
    path: Path,
    columns: Iterable[NDArray[np.int64]],
    n_columns: int,
    partitions: NDArray[np.int32],
    n_partitions: int,
) -> None:
    """Write as `write_spill` does `n_columns` that are asked for one after another."""
    starts, order = np.zeros(n_partitions + 2, np.int64), np.empty(len(partitions), np.int64)
    group_rows(partitions, starts, order)
    starts = starts[:-1]
    order = order[: starts[-1]]
    ordered = np.empty(len(order), np.int64)

    def each() -> Iterator[NDArray[np.int64]]:
        for column in columns:
            gather(column, order, ordered)
            yield ordered

    write_ordered(path, each(), n_columns, starts)


def write_ordered(
    path: Path, columns: Iterable[NDArray[np.int64]], n_columns: int, starts: NDArray[np.int64]
) -> None:
    """Write rows that are sorted by partition; see `write_spill`.

    Parameters
    ----------
    path : Path
    columns : iterable of `n_columns` arrays of shape (n,), int64
    starts : array of shape (n_partitions + 1,), int64
        Where partitions start, and the end of the last.
    """
    n_partitions = len(starts) - 1
    sums = np.empty((n_columns, n_partitions), np.int64)
    with explained(DataError, path, REMEDY), replacing(path, durable=False) as file:
        for row, column in zip(sums, columns, strict=True):
            sum_stretches(column, starts, row)
            file.write(column.data)
        index = np.concatenate([starts, sums.ravel(), [n_columns, n_partitions]]).astype(np.int64)
        file.write(np.append(index, [checksum(index), _MAGIC]).astype(np.int64).data)


class SpillFile:
    """A file that `write_spill` wrote.

    Raises
    ------
    DataError
        It is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 8 * _TAIL))
            tail = np.frombuffer(file.read() if size % 8 == 0 else b"", np.int64)
            good = len(tail) == _TAIL and tail[3] == _MAGIC and 0 < tail[0] < 10**6 and 0 < tail[1] < 10**6
            n_columns, n_partitions = (int(tail[0]), int(tail[1])) if good else (0, 0)
            length = n_partitions + 1 + n_columns * n_partitions + 2
            good = good and size >= 8 * (length + 2)
            if good:
                file.seek(size - 8 * (length + 2))
                index = np.frombuffer(file.read(8 * length), np.int64)
                good = checksum(index) == tail[2] and _in_order(index[: n_partitions + 1])
                # the sums say that it is whole, not who wrote it: nothing is read, nor room made, by what it says
                good = good and 8 * (int(index[n_partitions]) * n_columns + length + 2) == size
            if not good:
                raise self._damaged()
        index = index.copy()  # may be written to, as kernels like it
        self.starts = index[: n_partitions + 1]
        self.sums = index[n_partitions + 1 : -2].reshape(n_columns, n_partitions)
        self.sizes = np.diff(self.starts).tolist()

    def read(self, partition: int, into: NDArray[np.int64], at: int) -> None:
        """Read the columns of a partition to ``into[:, at : at + rows]``."""
        if not self.sizes[partition]:
            return
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            good = read_stretch(descriptor, self.starts, self.sums, partition, into, at)
        finally:
            os.close(descriptor)
        if not good:
            raise self._damaged()

    def column(self, c: int) -> NDArray[np.int64]:
        """Return a column of all partitions, one behind the other."""
        found, sums = np.empty(int(self.starts[-1]), np.int64), np.empty(len(self.sizes), np.int64)
        with open(self.path, "rb", buffering=0) as file:
            file.seek(8 * c * len(found))
            if file.readinto(found.data) != found.nbytes:
                raise self._damaged()
        sum_stretches(found, self.starts, sums)
        if not np.array_equal(sums, self.sums[c]):
            raise self._damaged()
        return found

    def _damaged(self) -> DataError:
        return DataError(f"{self.path}: is damaged; remove it, then --resume")


def _in_order(starts: NDArray[np.int64]) -> bool:
    """Return whether partitions begin one behind the other, the first at 0."""
    return bool(starts[0] == 0 and (starts[1:] >= starts[:-1]).all() and starts[-1] < 2**50)


def open_spills(paths: Sequence[str]) -> list[SpillFile]:
    """Return spilled files, checked; their indices are read once a process, not once a partition."""
    return [_opened(path, version(path)) for path in paths]


@functools.lru_cache(1024)
def _opened(path: str, _version: Version) -> SpillFile:
    return SpillFile(Path(path))


def remove_spills(paths: Iterable[str | Path]) -> None:
    """Remove files, on threads: of gigabytes in the page cache it takes a tenth of a second.

    What is not read again is removed at once: the files that follow are written to the same memory, which is cheaper
    than other memory, by far where a virtual machine has given free memory back.
    """
    with suppress(OSError), ThreadPoolExecutor() as pool:
        list(pool.map(partial(Path.unlink, missing_ok=True), map(Path, paths)))


def read_partition(files: Sequence[SpillFile], partition: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all rows of a partition, file by file, and where the rows of each file start."""
    sizes = [file.sizes[partition] for file in files]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    columns = np.empty((len(files[0].sums), int(starts[-1])), np.int64)
    for file, at in zip(files, starts, strict=False):
        file.read(partition, columns, int(at))
    return columns, starts
