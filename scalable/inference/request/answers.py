"""Functions from a row as a dict to a model's prediction, one native call each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from scalable.errors import DataError, ScalableError
from scalable.features.linear_encoder import LinearEncoder
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.prepared import prepared
from scalable.inference.request.layout import CELL_BYTES, Layout, linear_layout
from scalable.inference.request.packing import TAIL_BYTES, PackedRow, row_packer
from scalable.inference.request.reader import dict_reader, readable
from scalable.kernels.encode import python_row
from scalable.kernels.encode import request as kernels

Answer = Callable[..., Any]


class _Dicts:
    """What turns dicts into packed rows, by a kernel that reads them or, where a value is unusual, the careful way.

    Parameters
    ----------
    layout : Layout
    program : uint8 array
        See ``Layout.program``.
    encoded : int
        Bytes of the encoded values.
    """

    def __init__(self, layout: Layout, program: NDArray[np.uint8], encoded: int) -> None:
        self.new = partial(PackedRow, encoded, CELL_BYTES * len(layout.names), TAIL_BYTES)
        self.free = [self.new()]
        self.pack = row_packer(layout, encoded)
        self._reader = dict_reader(layout, program, encoded)
        self.reader = self._reader.ctypes.data
        self._layout, self._program = layout, program  # addresses of theirs are in use

    def kernel(self, kernel: Any, result: Any) -> Any:
        """Return a kernel of ``kernels.encode.python_row``, compiled for its result."""
        if not readable():
            return lambda *_: np.nan if result is types.float64 else False
        return prepared(kernel, result(types.int64, types.int64, types.int64, types.boolean))


def forest_answer(layout: Layout, forest: CompiledForest) -> Answer:
    """Return ``f(row, missing_keys="refuse")`` of a forest behind a layout."""
    whole = forest.iterations()
    frozen = whole.programs.frozen
    if frozen is None or whole.n_outputs > 1 or not whole.link.in_kernel:
        return matrix_answer(layout, whole.n_features, whole.predict_one)
    encoded = CELL_BYTES * whole.n_features
    program = layout.program(
        cells_at=encoded,
        tail_at=encoded + CELL_BYTES * len(layout.names),
        width=whole.n_features,
        model=frozen.address,
    )
    dicts, address = _Dicts(layout, program, encoded), program.ctypes.data
    kernel = dicts.kernel(python_row.forest_of_dict, types.float64)
    packed = prepared(kernels.forest_request, types.float64(types.int64, types.int64))
    free, new, pack, reader = dicts.free, dicts.new, dicts.pack, dicts.reader

    def answer(row: Mapping[str, Any], missing_keys: str = "refuse", alive: Any = (dicts, frozen)) -> Any:
        into = free.pop() if free else new()
        try:
            found = kernel(reader, into.address, id(row), missing_keys == "missing")
            if found == found:  # noqa: PLR0124
                return found
            filled = pack(row, into, missing_keys)  # held: it may be another row than `into`
            return packed(address, filled.address)
        finally:
            free.append(into)

    return answer


def matrix_answer(
    layout: Layout, n_features: int, answer_one: Callable[[NDArray[np.float64]], Any]
) -> Answer:
    """Return ``f(row, missing_keys="refuse")`` that hands the encoded row, float64 (n_features,), to `answer_one`."""
    encoded = CELL_BYTES * n_features
    program = layout.program(
        cells_at=encoded, tail_at=encoded + CELL_BYTES * len(layout.names), width=n_features
    )
    dicts, address = _Dicts(layout, program, encoded), program.ctypes.data
    kernel = dicts.kernel(python_row.encode_tree_dict, types.boolean)
    packed = prepared(kernels.encode_tree_row, types.void(types.int64, types.int64))
    free, new, pack, reader = dicts.free, dicts.new, dicts.pack, dicts.reader

    def answer(row: Mapping[str, Any], missing_keys: str = "refuse", alive: Any = dicts) -> Any:
        into = free.pop() if free else new()
        try:
            filled = into
            if not kernel(reader, into.address, id(row), missing_keys == "missing"):
                filled = pack(row, into, missing_keys)
                packed(address, filled.address)
            return answer_one(filled.part(0, n_features, np.float64))
        finally:
            free.append(into)

    return answer


def linear_answer(
    encoder: LinearEncoder,
    coef: NDArray[np.float64],
    logistic: bool,
    finish: Callable[[NDArray[np.float64]], Any] | None,
) -> Answer:
    """Return ``f(row, missing_keys="refuse")`` of a linear model.

    Parameters
    ----------
    encoder : LinearEncoder
    coef : float64 array of shape (n_outputs, n_columns + 1 + n_indices)
    logistic : bool
        Whether the one score goes through the logistic function, in the kernel.
    finish : callable or None
        What makes the prediction of scores, float64 (n_outputs, 1), where the kernel does not.
    """
    layout, n_outputs = linear_layout(encoder), len(coef)
    used = np.ascontiguousarray(coef, encoder.dtype)
    size = used.itemsize
    ids_at = -(-size * encoder.n_columns // CELL_BYTES) * CELL_BYTES
    scores_at = ids_at + -(-4 * encoder.n_ids // CELL_BYTES) * CELL_BYTES
    encoded = scores_at + -(-size * n_outputs // CELL_BYTES) * CELL_BYTES
    program = layout.program(
        cells_at=encoded, tail_at=encoded + CELL_BYTES * len(layout.names), ids_at=ids_at, scores_at=scores_at,
        width=encoder.n_columns, ids=encoder.n_ids, outputs=n_outputs, coefficients=used.shape[1],
        model=used.ctypes.data, link=kernels.LOGISTIC if logistic else 0,
    )  # fmt: skip
    dicts, address = _Dicts(layout, program, encoded), program.ctypes.data
    of_dict = python_row.linear_of_dict_single if size == 4 else python_row.linear_of_dict_double
    kernel = dicts.kernel(of_dict, types.float64)
    of_row = kernels.linear_request_single if size == 4 else kernels.linear_request_double
    packed = prepared(of_row, types.float64(types.int64, types.int64))
    free, new, pack, reader = dicts.free, dicts.new, dicts.pack, dicts.reader

    def answer(row: Mapping[str, Any], missing_keys: str = "refuse", alive: Any = (dicts, used)) -> Any:
        filled = into = free.pop() if free else new()
        try:
            found = kernel(reader, into.address, id(row), missing_keys == "missing")
            if found != found:  # noqa: PLR0124
                filled = pack(row, into, missing_keys)
                found = packed(address, filled.address)
            if finish is None:
                return found
            return finish(filled.part(scores_at, n_outputs, used.dtype).astype(np.float64).reshape(-1, 1))
        except ScalableError:  # most are ValueErrors, too
            raise
        except ValueError:
            trouble = int(filled.part(scores_at, 1, np.int64)[0]) - 1
            raise _refused(layout.names[trouble // 2], row, trouble % 2 == 1) from None
        finally:
            free.append(into)

    return answer


def _refused(name: str, row: Mapping[str, Any], missing: bool) -> DataError:
    if missing:
        return DataError(f"column {name!r} is missing or NaN, which missing='error' forbids; fill it")
    return DataError(
        f"column {name!r} is {row.get(name)!r}, infinite or far outside the range seen in training; clean the column "
        "or leave it out of the features"
    )
