"""Functions from a frame of raw rows to a linear model's predictions, few native calls for all columns."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.features.linear_encoder import LinearEncoder
from scalable.inference.request.frame_answers import (
    MOST_FREE,
    PATIENCE,
    PIECE,
    FrameAnswer,
    Frames,
    categories_in,
    rows_of_frame,
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


class _Pieces:
    """What encodes pieces of frames for a linear model; see `linear_frames`."""

    def __init__(self, encoder: LinearEncoder) -> None:
        layout = linear_layout(encoder)
        self.encoder, self.frames, self.good = encoder, Frames(layout), True
        hows, parts, self.numbers, self.kept = list[Any](), list[Any](), list[int](), list[Any](layout.kept)
        for k, column in enumerate(layout.columns):
            action = column["action"]
            if action not in (CODE, TEXT, INTEGER):
                self.numbers.append(k)
                if column["id"] >= 0:
                    parts.append((k, column["id"], column["day"], column["hour"], column["weekday"]))
                continue
            how = np.zeros(1, frame_places.HOW)[0]
            how["column"], how["to"], how["base"] = k, column["id"], column["base"]
            if action == CODE:
                known = categories_in(layout.cells[column["cell"] // CELL_BYTES])
                if known is None:
                    self.good = False
                    return
                self.kept += text_place(how, known)
                how["unknown"], how["missing"] = column["base"] + len(known), column["base"] + len(known) + 1
            else:
                how["mode"] = frame_places.TEXT if action == TEXT else frame_places.INTEGER
                how["salt"], how["mask"], how["missing"] = (
                    column["salt"],
                    column["count"] - 1,
                    column["missing"],
                )
            hows.append(how)
        self.free: list[tuple[NDArray[Any], NDArray[np.int32]]] = []
        self.none = np.empty((0, 0), encoder.dtype), np.empty((0, 0), np.int32)
        self.hows, self.parts = np.array(hows, frame_places.HOW), np.array(parts, frame_places.PARTS)

    def encode(
        self, where: NDArray[np.void], first: int, n: int
    ) -> tuple[NDArray[Any], NDArray[np.int32]] | None:
        """Return dense columns and feature indices of `n` rows, None where a value is to be refused."""
        encoder = self.encoder
        try:
            dense, ids = self.free.pop()
        except IndexError:  # other threads have them
            dense, ids = self.none
        if dense.shape[1] != n:
            dense = aligned((encoder.n_columns, n), encoder.dtype)
            ids = aligned((encoder.n_ids, n), np.int32)
        if not frame_places.find_places(where, self.hows, first, ids):
            return None
        if len(self.parts):
            frame_places.write_calendars(where, self.parts, first, ids)
        if self.numbers:
            wanted = where[self.numbers]
            places = wanted.view(np.int64).reshape(len(wanted), -1)[:, :_PLACE].copy()
            places[:, columns.ADDRESS] += _WIDTHS[wanted["kind"]] * first
            places[:, columns.FIRST] += first
            unusual = np.flatnonzero((wanted["kind"] > columns.FLOAT64) | (wanted["marked"] != 0))
            held = np.empty((len(unusual), n))
            for values, k in zip(held, unusual, strict=True):
                frame_columns.numbers(wanted[k], first, np.empty(n, np.int64), values)
                places[k] = values.ctypes.data, 0, 0, columns.FLOAT64
            if not encoder.encode_places(places, dense, ids):
                return None
        return dense, ids


def linear_frames(
    encoder: LinearEncoder, score: Callable[[NDArray[Any], NDArray[np.int32]], NDArray[Any]]
) -> FrameAnswer | None:
    """Return ``f(frame)`` of a linear model, see ``frame_answers.forest_frames``; `score` takes columns and indices."""
    pieces = _Pieces(encoder)
    if not pieces.good:
        return None

    def answer(frame: Any) -> NDArray[Any] | None:
        if not FOR_LINEAR.pays(rows_of_frame(frame)):
            return None
        found = []
        with closing(pieces.frames.parts(frame)) as parts:
            for where, n_rows in parts:
                if where is None:
                    return None
                for first in range(0, n_rows, PIECE):
                    encoded = pieces.encode(where, first, min(PIECE, n_rows - first))
                    if encoded is None:
                        return None
                    found.append(score(*encoded))
                    if len(pieces.free) < MOST_FREE:
                        pieces.free.append(encoded)
        return found[0] if len(found) == 1 else np.concatenate(found)

    return answer
