"""Filling a dataset with bins found here, ten times as fast as LightGBM finds them.

LightGBM bins a value by a binary search that no branch predictor can follow, about a hundred nanoseconds each. Here
they are found without branches (`scalable.boosting.dataset.bin_search`) and reach LightGBM as its own binary file
(`scalable.boosting.dataset.binary_layout`), which it reads at the speed of memory. Before that is
trusted, a few thousand rows are put into a file both ways, and the two must agree in every byte; else rows are
pushed as ever.
"""

from __future__ import annotations

import os
import struct
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scalable.boosting.dataset.bin_search import BinSearch
from scalable.boosting.dataset.binary_layout import Layout, LayoutError, Store, aligned
from scalable.boosting.dataset.lightgbm_api import StreamedDataset, read_binned
from scalable.kernels.encode.binning import count_sparse, pack_nibbles, write_sparse

_PROBE_ROWS = 3


class BinnedRows:
    """The bins, labels and weights of a known number of rows, filled block by block by any thread.

    Parameters
    ----------
    layout : Layout
        Of the dataset's file.
    n_rows : int
        Rows.
    weighted : bool
        Whether every block brings weights.
    """

    def __init__(self, layout: Layout, n_rows: int, *, weighted: bool) -> None:
        self._layout, self._n_rows = layout, n_rows
        self._label = np.empty(n_rows, np.float32)
        self._weight = np.empty(n_rows, np.float32) if weighted else None
        self._stores: list[tuple[Store, NDArray[Any]]] = []
        self._searches: list[list[tuple[int, BinSearch]]] = []
        for group in layout.groups:
            for store in group.stores:
                size = (n_rows + 1) // 2 if store.packed else n_rows
                self._stores.append((store, np.zeros(size, store.dtype)))
                self._searches.append([(column, BinSearch(m, first)) for column, m, first in store.features])
        self._edges = threading.Lock()

    def put(
        self,
        rows: NDArray[Any],
        label: NDArray[np.float32],
        weight: NDArray[np.float32] | None,
        start: int,
    ) -> None:
        """Bin one block of rows whose first one is the dataset's row `start`."""
        n = len(rows)
        self._label[start : start + n] = label
        if self._weight is not None:
            assert weight is not None
            self._weight[start : start + n] = weight
        scratch = np.empty(n, np.uint8)
        for (store, bins), searches in zip(self._stores, self._searches, strict=True):
            if store.packed:
                scratch[:] = 0
            out = scratch if store.packed else bins[start : start + n]
            for column, search in searches:
                search(rows, column, out)
            if store.packed:
                self._pack(scratch, bins, start)

    def _pack(self, values: NDArray[np.uint8], bins: NDArray[np.uint8], start: int) -> None:
        first, stop = start % 2, start + len(values)
        pack_nibbles(values, first, bins[(start + 1) // 2 : stop // 2])
        with self._edges:  # a byte may be shared with the block before or after
            if first:
                bins[start // 2] |= values[0] << 4
            if stop % 2 and stop - 1 >= start + first:
                bins[stop // 2] |= values[-1]

    def write(self, out: IO[bytes]) -> None:
        """Write the file; the arrays are given up on the way."""
        layout, n = self._layout, self._n_rows
        out.write(layout.token)
        out.write(struct.pack("<Q", len(layout.header)))
        out.write(struct.pack("<i", n) + layout.header[4:])
        weights = 0 if self._weight is None else n
        parts = [self._label] if self._weight is None else [self._label, self._weight]
        out.write(struct.pack("<Q", 24 + len(parts) * aligned(4 * n)))
        out.write(struct.pack("<iiiiii", n, 0, weights, 0, 0, 0))
        for part in parts:
            _write(out, part)
        self._stores.reverse()
        for group in layout.groups:
            # Zeros are left out only now, so that blocks may come in any order.
            pieces: list[NDArray[Any]] = []
            for _ in group.stores:
                store, bins = self._stores.pop()
                pieces += _sparse(bins) if store.sparse else [bins]
            size = len(group.definition) + sum(aligned(piece.nbytes) for piece in pieces)
            out.write(struct.pack("<Q", size))
            out.write(group.definition)
            for piece in pieces:
                _write(out, piece)


def _sparse(values: NDArray[Any]) -> list[NDArray[Any]]:
    count = count_sparse(values)
    gaps, kept = np.empty(count + 1, np.uint8), np.empty(count, values.dtype)
    write_sparse(values, gaps, kept)
    return [np.array([count], np.int32), gaps, kept]


def _write(out: IO[bytes], array: NDArray[Any]) -> None:
    out.write(array.view(np.uint8).data)
    out.write(b"\0" * (aligned(array.nbytes) - array.nbytes))


def trusted_layout(
    reference: bytes,
    params: Mapping[str, Any],
    names: Sequence[str],
    trial: NDArray[Any],
    *,
    weighted: bool,
    place: str,
) -> Layout | None:
    """Return the layout of the dataset's file, or None when LightGBM's own file of the trial rows differs from ours.

    Parameters
    ----------
    reference, params, names
        As for `StreamedDataset`.
    trial : float array of shape (n, n_columns)
        Rows to try; the same as will be filled, or like them.
    weighted : bool
        Whether rows have weights.
    place : str
        Directory for the trial's file.
    """
    label = (np.arange(len(trial)) % 2).astype(np.float32)
    weight = label + 0.5 if weighted else None

    def written(n: int) -> bytes:
        target = StreamedDataset(reference, n, params, names, has_weight=weighted)
        target.push(np.ascontiguousarray(trial[:n]), label[:n], None if weight is None else weight[:n])
        path = Path(place) / f"trial-{n}.bin"
        target.finish().save_binary(path)
        data = path.read_bytes()
        path.unlink()
        return data

    few = min(_PROBE_ROWS, len(trial))
    try:
        layout = Layout.read(written(few), few, len(names))
    except (LayoutError, struct.error, ValueError, IndexError):
        return None
    ours = BinnedRows(layout, len(trial), weighted=weighted)
    middle = len(trial) // 3
    for rows in (slice(middle, None), slice(0, middle)):
        begin = rows.start
        ours.put(trial[rows], label[rows], None if weight is None else weight[rows], begin)
    path = Path(place) / "trial.bin"
    with path.open("wb") as out:
        ours.write(out)
    same = path.read_bytes() == written(len(trial))
    readable = False
    with suppress(lgb.basic.LightGBMError):
        readable = same and read_binned(str(path), params).num_data() == len(trial)
    path.unlink()
    return layout if readable else None


def loaded(binned: BinnedRows, params: Mapping[str, Any], place: str) -> lgb.Dataset:
    """Hand the bins to LightGBM through a file in `place`, which is removed again.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    handle, path = tempfile.mkstemp(suffix=".bin", dir=place)
    try:
        with os.fdopen(handle, "wb") as out:
            binned.write(out)
        return read_binned(path, params)
    finally:
        os.unlink(path)
