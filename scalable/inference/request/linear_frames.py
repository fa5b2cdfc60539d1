"""Functions from a frame of raw rows to a linear model's predictions, few native calls for all columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.features.linear_encoder import LinearEncoder
from scalable.inference.request.frame_answers import (
    PATIENCE,
    FrameAnswer,
    Frames,
    by_pieces,
    categories_in,
    text_place,
)
from scalable.inference.request.layout import CELL_BYTES, linear_layout
from scalable.kernels.buffers import aligned
from scalable.kernels.encode import columns, frame_columns, frame_places
from scalable.kernels.encode.request import CODE, INTEGER, TEXT
from scalable.kernels.jit import Pending

FOR_LINEAR = Pending(frame_places.find_places, PATIENCE)
_WIDTHS = np.array(
    [1, 2, 4, 8, 0, 4, 8, 0, 0, 0, 0, 0]
)  # bytes, by kind, of what `encode_columns` reads as it is
_PLACE = columns.TO  # words of a column's place, with which a WHERE begins, too


def linear_frames(
    encoder: LinearEncoder, score: Callable[[NDArray[Any], NDArray[np.int32]], NDArray[Any]]
) -> FrameAnswer | None:
    """Return ``f(frame)`` of a linear model, see ``frame_answers.forest_frames``; `score` takes columns and indices."""
    layout = linear_layout(encoder)
    numbers, hows, parts, kept = list[int](), list[Any](), list[Any](), list[Any](layout.kept)
    for k, column in enumerate(layout.columns):
        action = column["action"]
        if action not in (CODE, TEXT, INTEGER):
            numbers.append(k)
            if column["id"] >= 0:
                parts.append((k, column["id"], column["day"], column["hour"], column["weekday"]))
            continue
        how = np.zeros(1, frame_places.HOW)[0]
        how["column"], how["to"], how["base"] = k, column["id"], column["base"]
        if action == CODE:
            known = categories_in(layout.cells[column["cell"] // CELL_BYTES])
            if known is None:
                return None
            kept += text_place(how, known)
            how["unknown"], how["missing"] = column["base"] + len(known), column["base"] + len(known) + 1
        else:
            how["mode"] = frame_places.TEXT if action == TEXT else frame_places.INTEGER
            how["salt"], how["mask"] = column["salt"], column["count"] - 1
            how["missing"] = column["missing"]
        hows.append(how)
    texts, times = np.array(hows, frame_places.HOW), np.array(parts, frame_places.PARTS)

    def room(n: int) -> tuple[NDArray[Any], NDArray[np.int32]]:
        return aligned((encoder.n_columns, n), encoder.dtype), aligned((encoder.n_ids, n), np.int32)

    def encode(
        where: NDArray[np.void], first: int, n: int, dense: NDArray[Any], ids: NDArray[np.int32]
    ) -> bool:
        if not frame_places.find_places(where, texts, first, ids):
            return False
        if len(times):
            frame_places.write_calendars(where, times, first, ids)
        return not numbers or _encode_numbers(encoder, where[numbers], first, n, dense, ids)

    return by_pieces(Frames(layout), FOR_LINEAR, room, encode, score, kept)


def _encode_numbers(
    encoder: LinearEncoder,
    wanted: NDArray[np.void],
    first: int,
    n: int,
    dense: NDArray[Any],
    ids: NDArray[np.int32],
) -> bool:
    """Write the dense columns of `n` rows from `first` on; False where a value is to be refused."""
    places = wanted.view(np.int64).reshape(len(wanted), -1)[:, :_PLACE].copy()
    places[:, columns.ADDRESS] += _WIDTHS[wanted["kind"]] * first
    places[:, columns.FIRST] += first
    unusual = np.flatnonzero((wanted["kind"] > columns.FLOAT64) | (wanted["marked"] != 0))
    held = np.empty((len(unusual), n))
    for values, k in zip(held, unusual, strict=True):
        frame_columns.numbers(wanted[k], first, values)
        places[k] = values.ctypes.data, 0, 0, columns.FLOAT64
    return encoder.encode_places(places, dense, ids)
