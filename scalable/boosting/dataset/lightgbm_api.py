"""The streaming half of LightGBM's C interface, which its Python package does not wrap.

The calls follow `LightGBM/c_api.h` (4.6 and later): a reference dataset holds the bin boundaries of all features and
no rows; its serialised form is a few hundred kilobytes; every worker creates its own dataset from those bytes and
pushes rows into it, block by block, so that raw values exist for one block at a time.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from lightgbm.basic import _LIB, _c_str, _param_dict_to_str, _safe_call

FLOAT32, FLOAT64 = 0, 1
_DTYPES = {np.dtype(np.float32): FLOAT32, np.dtype(np.float64): FLOAT64}


def _handle(dataset: lgb.Dataset) -> Any:
    return dataset._handle


def _wrap(handle: ctypes.c_void_p, params: Mapping[str, Any], names: Sequence[str] | None) -> lgb.Dataset:
    """Give the native handle an ordinary ``lightgbm.Dataset`` that owns and frees it."""
    dataset = lgb.Dataset(None, params=dict(params), free_raw_data=True)
    dataset._handle = handle
    if names is not None:
        dataset.set_feature_name(list(names))
    return dataset


def read_binned(path: str, params: Mapping[str, Any]) -> lgb.Dataset:
    """Return the dataset that LightGBM's binary file `path` holds.

    Parameters
    ----------
    path : str
        As ``Dataset.save_binary`` writes it.
    params : mapping
        The parameters its bins were made with: LightGBM reads no file whose ``max_bin`` and the like are others.
    """
    reading = {name: value for name, value in params.items() if name != "categorical_feature"}
    # Without pre_partition LightGBM would deal the file's rows to all workers once more.
    reading |= {"pre_partition": True, "verbosity": -1, "num_threads": 1}
    dataset = lgb.Dataset(path, params=reading).construct()
    dataset.params = dict(params)
    dataset.label = None  # a copy, which get_label() makes again for who asks
    return dataset


def reference_from_sample(
    columns: Sequence[npt.NDArray[np.float64]],
    *,
    n_rows: int,
    params: Mapping[str, Any],
    names: Sequence[str],
) -> lgb.Dataset:
    """Find the bins of every feature from a sample of rows.

    Parameters
    ----------
    columns : sequence of float64 arrays, each of shape (n_sample,)
        One contiguous array per feature; NaN is missing.
    n_rows : int
        Rows of the whole dataset; LightGBM scales its filter of useless features by it.
    params : mapping
        LightGBM's dataset parameters (``max_bin``, ``categorical_feature`` as indices, ...).
    names : sequence of str
        Feature names, in column order.

    Returns
    -------
    lightgbm.Dataset
        A dataset of bin boundaries without rows.
    """
    n_columns, n_sample = len(columns), len(columns[0])
    values, positions, counts = [], [], np.empty(n_columns, np.int32)
    for j, column in enumerate(columns):
        # LightGBM takes the non-zero values of the sample and where they stood; zeros are what is left.
        kept = np.flatnonzero((np.abs(column) > 1e-35) | np.isnan(column)).astype(np.int32)
        values.append(np.ascontiguousarray(column[kept]))
        positions.append(kept)
        counts[j] = len(kept)
    value_pointers = (ctypes.POINTER(ctypes.c_double) * n_columns)(
        *(v.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for v in values)
    )
    position_pointers = (ctypes.POINTER(ctypes.c_int32) * n_columns)(
        *(p.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)) for p in positions)
    )
    handle = ctypes.c_void_p()
    _safe_call(
        _LIB.LGBM_DatasetCreateFromSampledColumn(
            ctypes.cast(value_pointers, ctypes.POINTER(ctypes.POINTER(ctypes.c_double))),
            ctypes.cast(position_pointers, ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
            ctypes.c_int32(n_columns),
            counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            ctypes.c_int32(n_sample),
            ctypes.c_int32(n_sample),
            ctypes.c_int64(n_rows),
            _c_str(_param_dict_to_str(dict(params))),
            ctypes.byref(handle),
        )
    )
    return _wrap(handle, params, names)


def serialize_reference(reference: lgb.Dataset) -> bytes:
    """Bytes from which any process recreates the bins of `reference`."""
    buffer, length = ctypes.c_void_p(), ctypes.c_int32()
    _safe_call(
        _LIB.LGBM_DatasetSerializeReferenceToBinary(
            _handle(reference), ctypes.byref(buffer), ctypes.byref(length)
        )
    )
    out = bytearray(length.value)
    value = ctypes.c_uint8()
    try:
        for i in range(length.value):
            _safe_call(_LIB.LGBM_ByteBufferGetAt(buffer, ctypes.c_int32(i), ctypes.byref(value)))
            out[i] = value.value
    finally:
        _safe_call(_LIB.LGBM_ByteBufferFree(buffer))
    return bytes(out)


class StreamedDataset:
    """A native dataset of a known number of rows that is filled block by block.

    Parameters
    ----------
    reference : bytes
        From :func:`serialize_reference`.
    n_rows : int
        Rows that will be pushed, at most 2^31 - 1.
    params : mapping
        The parameters the reference was made with.
    names : sequence of str
        Feature names.
    has_weight, has_init_score : bool
        Whether every block brings weights, initial raw scores.
    n_scores : int
        Raw scores per row: the classes of a multiclass model, otherwise 1.
    n_pushers : int
        Threads that push blocks at the same time, each under a number of its own. LightGBM itself must
        be held to one thread meanwhile: it numbers its buffers by pusher.
    """

    def __init__(
        self,
        reference: bytes,
        n_rows: int,
        params: Mapping[str, Any],
        names: Sequence[str],
        *,
        has_weight: bool = False,
        has_init_score: bool = False,
        n_scores: int = 1,
        n_pushers: int = 1,
    ) -> None:
        handle = ctypes.c_void_p()
        params = {**params, "num_threads": 1}
        _safe_call(
            _LIB.LGBM_DatasetCreateFromSerializedReference(
                ctypes.c_char_p(reference),
                ctypes.c_int32(len(reference)),
                ctypes.c_int64(n_rows),
                # With the number of classes here LightGBM gives every row an initial score of 0 and then does not
                # boost from the average; scores are announced to InitStreaming below.
                ctypes.c_int32(0),
                _c_str(_param_dict_to_str(dict(params))),
                ctypes.byref(handle),
            )
        )
        self.dataset = _wrap(handle, params, names)
        self.n_rows, self.n_columns, self.n_scores = n_rows, len(names), n_scores
        self.has_weight, self.has_init_score = has_weight, has_init_score
        self._next = self._pushed = 0
        self._lock = threading.Lock()
        _safe_call(
            _LIB.LGBM_DatasetInitStreaming(
                handle,
                ctypes.c_int32(has_weight),
                ctypes.c_int32(has_init_score),
                ctypes.c_int32(0),
                ctypes.c_int32(n_scores),
                ctypes.c_int32(n_pushers),
                ctypes.c_int32(1),
            )
        )
        _safe_call(_LIB.LGBM_DatasetSetWaitForManualFinish(handle, ctypes.c_int(1)))

    def push(
        self,
        rows: npt.NDArray[np.floating[Any]],
        label: npt.NDArray[np.float32],
        weight: npt.NDArray[np.float32] | None = None,
        init_score: npt.NDArray[np.float64] | None = None,
        *,
        start: int | None = None,
        pusher: int = 0,
    ) -> None:
        """Add one block; safe to call from `n_pushers` threads at once.

        Parameters
        ----------
        rows : float32 or float64 array of shape (n, n_columns), C-contiguous
        label, weight : float32 arrays of shape (n,)
        init_score : float64 array of shape (n_scores, n)
            Class-major, as LightGBM reads it.
        start : int, optional
            Index of the block's first row; by default after the block pushed last.
        pusher : int
            Number of the calling thread, in ``[0, n_pushers)``.
        """
        n = len(rows)
        if rows.shape != (n, self.n_columns) or not rows.flags.c_contiguous or len(label) != n:
            raise ValueError(
                f"a block of shape {rows.shape} with {len(label)} labels for {self.n_columns} columns"
            )
        if (weight is not None) != self.has_weight or (init_score is not None) != self.has_init_score:
            raise ValueError("weights and initial scores come with every block or with none")
        with self._lock:
            start = self._next if start is None else start
            self._next = start + n
        if start + n > self.n_rows:
            raise ValueError(f"{start + n} rows pushed into a dataset of {self.n_rows}")
        _safe_call(
            _LIB.LGBM_DatasetPushRowsWithMetadata(
                _handle(self.dataset),
                ctypes.c_void_p(rows.ctypes.data),
                ctypes.c_int(_DTYPES[rows.dtype]),
                ctypes.c_int32(n),
                ctypes.c_int32(self.n_columns),
                ctypes.c_int32(start),
                _pointer(label, np.float32),
                _pointer(weight, np.float32),
                _pointer(init_score, np.float64),
                None,
                ctypes.c_int32(pusher),
            )
        )
        with self._lock:
            self._pushed += n

    def finish(self) -> lgb.Dataset:
        """Close the dataset for training; every promised row must have been pushed."""
        if self._pushed != self.n_rows:
            raise ValueError(f"{self._pushed} rows pushed into a dataset of {self.n_rows}")
        _safe_call(_LIB.LGBM_DatasetMarkFinished(_handle(self.dataset)))
        return self.dataset


def _pointer(array: npt.NDArray[Any] | None, dtype: type) -> ctypes.c_void_p | None:
    if array is None:
        return None
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(f"expected a contiguous {np.dtype(dtype)} array, found {array.dtype}")
    return ctypes.c_void_p(array.ctypes.data)
