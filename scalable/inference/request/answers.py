"""Functions from a row as a dict to a model's prediction, one native call each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from scalable.errors import DataError
from scalable.features.linear_encoder import LinearEncoder
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.prepared import prepared
from scalable.inference.request.layout import CELL_BYTES, Layout, linear_layout
from scalable.inference.request.packing import TAIL_BYTES, PackedRow, row_packer
from scalable.kernels.encode import request as kernels

Answer = Callable[..., Any]


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
    kernel = prepared(kernels.forest_request, types.float64(types.int64, types.int64))
    free, pack, address = _rows(layout, encoded), row_packer(layout, encoded), program.ctypes.data
    alive = (program, frozen, layout)

    def answer(row: Mapping[str, Any], missing_keys: str = "refuse", alive: Any = alive) -> float:
        into = free.pop() if free else _row(layout, encoded)
        try:
            filled = pack(row, into, missing_keys)  # held: it may be another row than `into`
            return kernel(address, filled.address)  # type: ignore[no-any-return]
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
    kernel = prepared(kernels.encode_tree_row, types.void(types.int64, types.int64))
    pack, address = row_packer(layout, encoded), program.ctypes.data

    def answer(row: Mapping[str, Any], missing_keys: str = "refuse", alive: Any = (program, layout)) -> Any:
        into = pack(row, _row(layout, encoded), missing_keys)
        kernel(address, into.address)
        return answer_one(into.part(0, n_features, np.float64))

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
    chosen = kernels.linear_request_single if size == 4 else kernels.linear_request_double
    kernel = prepared(chosen, types.float64(types.int64, types.int64))
    free, pack, address = _rows(layout, encoded), row_packer(layout, encoded), program.ctypes.data
    alive = (program, used, layout)

    def answer(row: Mapping[str, Any], missing_keys: str = "refuse", alive: Any = alive) -> Any:
        into = free.pop() if free else _row(layout, encoded)
        try:
            filled = pack(row, into, missing_keys)
            try:
                found = kernel(address, filled.address)
            except ValueError:
                trouble = int(filled.part(scores_at, 1, np.int64)[0]) - 1
                raise _refused(layout.names[trouble // 2], row, trouble % 2 == 1) from None
            if finish is None:
                return found
            return finish(filled.part(scores_at, n_outputs, used.dtype).astype(np.float64).reshape(-1, 1))
        finally:
            free.append(into)

    return answer


def _refused(name: str, row: Mapping[str, Any], missing: bool) -> DataError:
    if missing:
        return DataError(f"column {name!r} contains NaN or missing values, which missing='error' forbids")
    return DataError(
        f"column {name!r} is {row.get(name)!r}, infinite or far outside the range seen in training; clean the column "
        "or leave it out of the features"
    )


def _row(layout: Layout, encoded: int) -> PackedRow:
    return PackedRow(encoded, CELL_BYTES * len(layout.names), TAIL_BYTES)


def _rows(layout: Layout, encoded: int) -> list[PackedRow]:
    return [_row(layout, encoded)]
