"""All rows of a worker in binned pieces on disk: each a checksummed file, mapped when it is its turn.

Scores change with every tree. They lie in a file beside the pieces that has no name, so that it ends with the process.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import Bins
from scalable.boosting.native.rows import NO_WEIGHT, Rows, blocks_of
from scalable.data.fingerprint import Fingerprint
from scalable.kernels.histogram.teamwork import Plane
from scalable.storage.arrays import ArraysError, map_arrays, write_arrays
from scalable.storage.documents import SHAPELESS
from scalable.storage.files import store_of

KIND = "binned rows 1"
PIECE_ROWS = 2**18
_NO_COLUMNS = {np.dtype(kind): np.empty((0, 0), kind) for kind in (np.uint8, np.uint16)}


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that lie together among a worker's.

    Attributes
    ----------
    narrow, wide : Plane
        Bins of one byte and of two, by row only.
    label, weight : float32 arrays (n_rows,), or (0,) without weights
    starts, first_rows : int64 arrays
        As for `scalable.boosting.native.rows.Part`.
    """

    narrow: Plane
    wide: Plane
    label: NDArray[np.float32]
    weight: NDArray[np.float32]
    starts: NDArray[np.int64]
    first_rows: NDArray[np.int64]

    @property
    def n_rows(self) -> int:
        """Rows."""
        return len(self.label)


@dataclass(slots=True)
class _Open:
    """A piece that is being filled."""

    rows: Rows
    filled: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Pieces:
    """The pieces in order; filled by any thread in any order, a piece is written once it is whole.

    Parameters
    ----------
    bins : Bins
        Of the features.
    stretches : sequence of (first row, rows)
        Where the rows lie in the dataset, in order.
    directory : str
        On a local disk.
    fingerprint : Fingerprint
        All that decides what the pieces hold.
    weighted : bool
        Whether rows have weights.
    """

    def __init__(
        self,
        bins: Bins,
        stretches: Sequence[tuple[int, int]],
        directory: str,
        fingerprint: Fingerprint,
        *,
        weighted: bool,
    ) -> None:
        self.bins, self.weighted, self._directory = bins.by_row(), weighted, Path(directory)
        self._of = fingerprint
        self._stretches = [_cut(stretches, low, PIECE_ROWS) for low in range(0, _size(stretches), PIECE_ROWS)]
        self.n_rows, self.n_filled = _size(stretches), 0
        self._open: dict[int, _Open] = {}
        self._lock = threading.Lock()
        self.layout = Rows(self.bins, [], 1, 1, weighted=weighted).parts[0]  # without rows: where columns lie
        self._directory.mkdir(parents=True, exist_ok=True)
        self._scores = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  closed by `close`
        self._scores.truncate(8 * self.n_rows)

    def __len__(self) -> int:
        """Pieces."""
        return len(self._stretches)

    def __iter__(self) -> Iterator[Piece]:
        """Pieces in order, each mapped while it is looked at."""
        return (self[k] for k in range(len(self)))

    def rows_of(self, k: int) -> int:
        """Return the number of a piece's rows."""
        return _size(self._stretches[k])

    def path(self, k: int) -> Path:
        """Return where a piece lies."""
        return self._directory / f"rows-{k:06d}.arrays"

    def push(
        self,
        rows: Any,
        label: NDArray[np.float32],
        weight: NDArray[np.float32] | None,
        init_score: NDArray[np.float64] | None,
        *,
        start: int,
        pusher: int = 0,
    ) -> None:
        """Bin one block of columns; see `scalable.boosting.native.rows.Rows.push`."""
        at, stop = start, start + len(label)
        while at < stop:
            k, end = at // PIECE_ROWS, min(stop, (at // PIECE_ROWS + 1) * PIECE_ROWS)
            taken = slice(at - start, end - start)
            with self._lock:
                if k not in self._open:
                    self._open[k] = _Open(Rows(self.bins, self._stretches[k], 1, 1, weighted=self.weighted))
                one = self._open[k]
            one.rows.push(
                [column[taken] for column in rows],
                label[taken],
                None if weight is None else weight[taken],
                None if init_score is None else init_score[:, taken],
                start=at - k * PIECE_ROWS,
                pusher=pusher,
            )
            with one.lock:
                one.filled += end - at
                whole = one.filled == self.rows_of(k)
            if whole:
                self._write(k, one.rows, scored=init_score is not None)
                with self._lock:
                    del self._open[k]
            at = end
        with self._lock:
            self.n_filled += len(label)

    def _write(self, k: int, rows: Rows, *, scored: bool) -> None:
        part = rows.parts[0]
        arrays: dict[str, NDArray[Any]] = {"label": narrowed(part.label), "weight": part.weight}
        for name, plane in zip(("narrow", "wide"), part.planes, strict=True):
            arrays[name] = plane.matrix
        write_arrays(self.path(k), KIND, arrays, {"piece": k, "fingerprint": self._of.digest()})
        if scored:
            self.put_scores(k, part.score[0])

    def __getitem__(self, k: int) -> Piece:
        """Map a piece; its checksum is computed once a process.

        Raises
        ------
        OSError, ArraysError
            When it cannot be read, or is not what was written.
        """
        stored = map_arrays(self.path(k), KIND)
        n, found = self.rows_of(k), stored.arrays
        if stored.meta.get("piece") != k or stored.meta.get("fingerprint") != self._of.digest():
            raise ArraysError(f"{self.path(k)}: it holds other rows, columns or bins")
        planes = []
        for name, plane in zip(("narrow", "wide"), self.layout.planes, strict=True):
            matrix, like = found[name], plane.matrix
            if matrix.dtype != like.dtype or matrix.shape != (n, like.shape[1]):
                raise ArraysError(f"{self.path(k)}: {name} is {matrix.dtype} {matrix.shape}")
            planes.append(Plane(matrix, matrix.view(np.uint32), _NO_COLUMNS[matrix.dtype]))
        label, weight = found["label"], found["weight"]
        wanted, numbers = ((n,), (n if self.weighted else 0,)), (np.dtype(np.float32), np.dtype(np.uint8))
        if (label.shape, weight.shape) != wanted or label.dtype not in numbers or weight.dtype != numbers[0]:
            raise ArraysError(f"{self.path(k)}: labels {label.shape} and weights {weight.shape} for {n} rows")
        label = label.astype(np.float32, copy=False)
        starts, first_rows = blocks_of(self._stretches[k])
        return Piece(planes[0], planes[1], label, weight if self.weighted else NO_WEIGHT, starts, first_rows)

    def expect(self, k: int) -> None:
        """Have the system read a piece, whose turn will come, ahead."""
        if k < len(self):
            store = store_of(self.path(k))
            version = store.version(self.path(k))
            store.expect(self.path(k), version, (), [(0, version.size)])

    def fault(self) -> str:
        """Return what is wrong with the pieces on disk, empty where all can be used; bins are proven to be in range."""
        for k in range(len(self)):
            try:
                piece = self[k]
            except (OSError, *SHAPELESS) as error:
                return f"{self.path(k).name}: {error}"
            for plane, like in zip((piece.narrow, piece.wide), self.layout.planes, strict=True):
                n = len(like.widths)
                if n and (plane.matrix[:, :n].max(axis=0) >= like.widths).any():
                    return f"{self.path(k).name}: it holds bins that no feature has"
        return ""

    def scores(self, k: int) -> NDArray[np.float64]:
        """Read a piece's scores."""
        out = np.empty(self.rows_of(k))
        if os.preadv(self._scores.fileno(), [out.data], 8 * k * PIECE_ROWS) != out.nbytes:
            raise OSError(f"{self._directory}: the file of scores ends early")
        return out

    def put_scores(self, k: int, scores: NDArray[np.float64]) -> None:
        """Write a piece's scores."""
        data, at = np.ascontiguousarray(scores).data.cast("B"), 8 * k * PIECE_ROWS
        while data:
            n = os.pwrite(self._scores.fileno(), data, at)
            data, at = data[n:], at + n

    def close(self) -> None:
        """Give up the scores."""
        self._scores.close()


def narrowed(label: NDArray[np.float32]) -> NDArray[Any]:
    """Return labels in a byte each where they are classes or small counts, else as they are."""
    with np.errstate(invalid="ignore"):
        bytes_ = label.astype(np.uint8)
    return bytes_ if (bytes_ == label).all() else label


def _size(stretches: Sequence[tuple[int, int]]) -> int:
    return sum(n for _, n in stretches)


def _cut(stretches: Sequence[tuple[int, int]], low: int, n: int) -> list[tuple[int, int]]:
    """Return the stretches of n rows (or as many as there are) from position `low`."""
    found, before = [], 0
    for first, size in stretches:
        start, stop = max(low, before) - before, min(low + n, before + size) - before
        if start < stop:
            found.append((first + start, stop - start))
        before += size
    return found


def bytes_on_disk(n_rows: int, params: Mapping[str, Any], n_columns: int, *, weighted: bool) -> int:
    """Return the bytes that pieces and scores take, at most."""
    width = 1 if int(params.get("max_bin", 255)) <= 255 else 2
    label = 1 if params.get("objective") == "binary" else 4
    return n_rows * (-(-n_columns * width // 4) * 4 + label + 4 * weighted + 8)
