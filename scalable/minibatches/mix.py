"""One mix of an epoch: rows from many places of a dataset, encoded by threads straight to their shuffled places."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.data.raw_block import LazyBlock
from scalable.data.shard import Shard
from scalable.errors import DataError
from scalable.execution.reader import BlockReader
from scalable.features.linear_encoder import LinearEncoder
from scalable.kernels.buffers import aligned
from scalable.kernels.encode.permutation import shuffled_places
from scalable.kernels.encode.row_major import scatter_floats, scatter_rows
from scalable.minibatches.plan import Part

PIECE = 2**15  # held rows that a thread puts in order at once


class Batch(NamedTuple):
    """Encoded rows; all arrays are writable, C-contiguous, and give DLPack.

    Attributes
    ----------
    X : float32 array of shape (n_rows, n_columns)
        Numbers, standardised.
    y : array of shape (n_rows,) or None
        float32 targets, or int64 class indices; None without a target.
    ids : int32 array of shape (n_rows, n_ids)
        Feature indices of the categories, each in ``[0, encoder.n_indices)``: rows of an embedding.
    weight : float32 array of shape (n_rows,) or None
        Sample weights, where the source names their column.
    """

    X: NDArray[np.float32]
    y: NDArray[Any] | None
    ids: NDArray[np.int32]
    weight: NDArray[np.float32] | None


class Mix:
    """Rows that lie, or will lie, in memory in their final order.

    Parameters
    ----------
    reader : BlockReader
        Decodes and encodes.
    pieces : sequence of Shard
        Slices of the dataset.
    parts : sequence of Part
        What this mix is made of.
    start : int
        Index of its first row among those of the rank.
    seed : sequence of int or None
        Of the order of its rows; None keeps that of the dataset.
    target : tuple of float
        What is subtracted from targets, and what they are divided by, before they are rounded to float32.
    """

    def __init__(
        self,
        reader: BlockReader,
        pieces: Sequence[Shard],
        parts: Sequence[Part],
        start: int,
        seed: Sequence[int] | None,
        target: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        encoder = reader.encoder
        assert isinstance(encoder, LinearEncoder)
        self._reader, self._pieces, self._parts = reader, pieces, parts
        self._encoder: LinearEncoder = encoder
        self.start = start
        self._edges = np.cumsum([0, *(part.stop - part.start for part in parts)]).tolist()
        self.stop = start + self._edges[-1]
        self._target = target
        self._keys = None if seed is None else np.random.SeedSequence(seed).generate_state(6, np.uint64)
        self._futures: list[Future[None]] = []

    def submit(self, pool: Executor) -> None:
        """Begin to read."""
        n, encoder = self._edges[-1], self._encoder
        labels = encoder.labels
        kind = np.float32 if labels is None or labels.classes is None else np.int64
        self._rows = Batch(
            aligned((n, encoder.n_columns), np.float32),
            None if labels is None else np.empty(n, kind),
            np.empty((n, encoder.n_ids), np.int32),
            None if encoder.weight is None else np.empty(n, np.float32),
        )
        self._futures = [pool.submit(self._read, k) for k in range(len(self._parts))]

    def rows(self, start: int, stop: int) -> Batch:
        """Return rows of this mix, counted among those of the rank, as views; waits until all are read."""
        for future in self._futures:
            future.result()
        self._futures = []
        where = slice(max(start, self.start) - self.start, min(stop, self.stop) - self.start)
        return Batch(*(None if part is None else part[where] for part in self._rows))  # type: ignore[arg-type]

    def _read(self, k: int) -> None:
        part, to = self._parts[k], self._places(self._edges[k], self._edges[k + 1])
        piece, at = self._pieces[part.slice], 0
        if self._reader.source.selection is None:
            piece = replace(
                piece,
                row_start=piece.row_start + part.start,
                row_stop=piece.row_start + part.stop,
                first_row=piece.first_row + part.start,
            )
            at = part.start
        for block in self._reader.blocks(piece):
            low, high = max(part.start - at, 0), min(part.stop - at, block.n_rows)
            if low < high:
                self._put(block, low, high, to[at + low - part.start : at + high - part.start])
            at += block.n_rows
            if at >= part.stop:
                return
        raise DataError(
            f"{self._reader.source.describe_place()}: rows that were counted are gone; the data changed while it was "
            "read: start the epoch again"
        )

    def _places(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return where rows go, counted in the order in which they are read."""
        if self._keys is None:
            return np.arange(start, stop)
        places = np.empty(stop - start, np.int64)
        shuffled_places(start, self._edges[-1], self._keys, places)
        return places

    def _put(self, block: Block, low: int, high: int, to: NDArray[np.int64]) -> None:
        """Write rows of a block to their places."""
        rows = self._rows
        whole = high - low == block.n_rows
        done = 0
        if whole and isinstance(block, LazyBlock) and block.raw.tiles is None:
            done = scatter_floats(block.raw.columns, to, rows.X)
        if done < len(to):  # what is missing or infinite is filled, or refused, by the encoder
            columns = block.columns if whole else np.ascontiguousarray(block.columns[:, low:high])
            scatter_rows(columns, to, rows.X)
        if block.ids.size:
            scatter_rows(block.ids if whole else np.ascontiguousarray(block.ids[:, low:high]), to, rows.ids)
        label = block.label
        if label is not None and self._target != (0.0, 1.0):
            label = (label - self._target[0]) / self._target[1]
        for values, out in ((label, rows.y), (block.weight, rows.weight)):
            if values is not None and out is not None:
                scatter_rows(values[None, low:high], to, out[:, None])


class HeldMix(Mix):
    """A mix of all rows, which were read before and are only put in another order."""

    def __init__(self, held: Batch, seed: Sequence[int] | None) -> None:
        self._held = held
        self.start, self.stop = 0, len(held.X)
        self._edges = [0, self.stop]
        self._keys = None if seed is None else np.random.SeedSequence(seed).generate_state(6, np.uint64)
        self._futures = []

    def submit(self, pool: Executor) -> None:
        """Begin to put the rows in order."""
        self._rows = Batch(
            *(None if part is None else aligned(part.shape, part.dtype) for part in self._held)  # type: ignore[arg-type]
        )
        self._futures = [pool.submit(self._move, start) for start in range(0, self.stop, PIECE)]

    def _move(self, start: int) -> None:
        some = slice(start, min(start + PIECE, self.stop))
        to = self._places(some.start, some.stop)
        for values, out in zip(self._held, self._rows, strict=True):
            if values is None or out is None:
                continue
            if values.ndim == 1:
                out[to] = values[some]
            else:
                scatter_rows(values[some].T, to, out)
