"""Functions from a frame of raw rows to a model's predictions: one native call for all columns of a piece of rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.inference.forest.places import Columns
from scalable.inference.request.arrow_frames import ArrowFrames
from scalable.inference.request.known_texts import known_texts
from scalable.inference.request.layout import CELL_BYTES, Layout
from scalable.inference.request.pandas_frames import PandasFrames
from scalable.kernels.buffers import aligned
from scalable.kernels.encode import frame as kernels
from scalable.kernels.encode import frame_places
from scalable.kernels.encode.request import CODE, INTEGER, NUMBER, PAIR, SINGLE, TEXT, TIME
from scalable.kernels.jit import Pending

PIECE = 2**12  # rows encoded at a time, which stay in the nearest caches
MOST_FREE = 2  # rooms for that many rows that are kept: a new one costs as much as to fill it
PATIENCE = 2**17  # rows that are left to the other way before kernels are compiled
FOR_TREES = Pending(kernels.encode_trees, PATIENCE)
FrameAnswer = Callable[[Any], NDArray[Any] | None]
Room = tuple[Any, ...]


class Frames:
    """Where some columns lie in frames of any library.

    Parameters
    ----------
    layout : Layout
        See `ArrowFrames`.
    """

    def __init__(self, layout: Layout) -> None:
        self.types = dict(zip(layout.names, layout.types, strict=True))
        self._of = [
            reader(list(self.types), list(self.types.values())) for reader in (PandasFrames, ArrowFrames)
        ]

    def parts(self, frame: Any) -> Generator[tuple[NDArray[np.void] | None, int], None, None]:
        """Do ``ArrowFrames.parts`` for a frame of any library."""
        pandas, arrow = self._of
        yield from (pandas if PandasFrames.reads(frame) else arrow).parts(frame)


def rows_of_frame(X: Any) -> int:
    """Return the rows of a frame that may be read here; 0 for all else."""
    if isinstance(X, (pa.Table, pa.RecordBatch)):
        return int(X.num_rows)
    module = type(X).__module__.partition(".")[0]
    return len(X) if module in ("pandas", "polars") and type(X).__name__ == "DataFrame" else 0


def text_place(how: Any, places: dict[str, int]) -> list[NDArray[Any]]:
    """Fill in the table of known texts; return what it points to."""
    table, content = known_texts(places)
    how["mode"], how["known"], how["mask"] = frame_places.KNOWN, table.ctypes.data, len(table) - 1
    return [table, content]


def categories_in(cell: Any) -> dict[str, int] | None:
    """Return the places of the known texts that a cell's function looks up; None where not all are texts."""
    known = {text: place for text, place in cell.__self__.items() if text is not None}
    return known if all(type(text) is str for text in known) else None


def by_pieces(
    frames: Frames,
    kernel: Pending,
    room: Callable[[int], Room],
    encode: Callable[..., bool],
    score: Callable[..., NDArray[Any]],
    kept: Sequence[Any],
) -> FrameAnswer:
    """Return ``f(frame)``, which encodes and scores a frame piece by piece.

    Parameters
    ----------
    frames : Frames
        Where its columns are found.
    kernel : Pending
        What has to be compiled.
    room : callable
        From a number of rows to the arrays that these are encoded to.
    encode : callable
        ``encode(where, first, n, *room)`` encodes rows of a frame; False where one is unusual.
    score : callable
        ``score(*room)`` returns their predictions.
    kept : sequence
        What is referred to by address.
    """
    free: list[tuple[int, Room]] = []

    def answer(frame: Any, alive: Any = kept) -> NDArray[Any] | None:
        if not kernel.pays(rows_of_frame(frame)):
            return None
        found = []
        with closing(frames.parts(frame)) as parts:
            for where, n_rows in parts:
                if where is None:
                    return None
                for first in range(0, n_rows, PIECE):
                    n = min(PIECE, n_rows - first)
                    try:
                        held, arrays = free.pop()
                    except IndexError:  # other threads have them
                        held, arrays = 0, ()
                    if held != n:
                        arrays = room(n)
                    if not encode(where, first, n, *arrays):
                        return None
                    found.append(score(*arrays))
                    if len(free) < MOST_FREE:
                        free.append((n, arrays))
        return found[0] if len(found) == 1 else np.concatenate(found)

    return answer


def forest_frames(layout: Layout, width: int, score: Callable[[Columns], NDArray[Any]]) -> FrameAnswer | None:
    """Return ``f(frame)`` of a forest behind a layout; None for a layout that only single rows and blocks have.

    Parameters
    ----------
    layout : Layout
    width : int
        Columns of the matrix.
    score : callable
        From the matrix as `Columns` to predictions.

    Returns
    -------
    callable
        From a frame to predictions, with the bits of a block's; to None where something about the frame is unusual.
    """
    frames, kept = Frames(layout), list[Any](layout.kept)
    number = {name: k for k, name in enumerate(frames.types)}
    steps, hows = np.zeros(len(layout.columns), kernels.STEP), list[Any]()
    place_of = dict[int, int]()  # rows of places, by cell
    for step, column in zip(steps, layout.columns, strict=True):
        action, cell = column["action"], column["cell"]
        for name in ("action", "to", "count", "second", "table", "width", "single", "taken"):
            step[name] = column.get(name, 0)
        k = cell // CELL_BYTES
        step["column"] = number[layout.names[k]]
        if action in (NUMBER, SINGLE, TIME):
            continue
        if action == PAIR:
            step["places"], step["other"] = place_of[cell], place_of[column["other"]]
            continue
        how = np.zeros(1, frame_places.HOW)[0]
        how["column"], count = step["column"], column["count"]
        if action == CODE:
            known = categories_in(layout.cells[k])
            if known is None:
                return None
            kept += text_place(how, known)
            how["unknown"], how["missing"] = count, count + 1
        elif action in (TEXT, INTEGER):
            how["mode"] = frame_places.TEXT if action == TEXT else frame_places.INTEGER
            how["mask"], how["missing"] = count - 1, count
        else:
            return None
        place_of[cell] = step["places"] = how["to"] = len(hows)
        hows.append(how)
    made = np.array(hows, frame_places.HOW)

    def room(n: int) -> tuple[NDArray[Any], Columns]:
        matrix = aligned((width, n), np.float64)
        return matrix, Columns.of_matrix(matrix.T)

    def encode(where: NDArray[np.void], first: int, n: int, matrix: NDArray[Any], columns: Columns) -> bool:
        del n, columns
        return bool(kernels.encode_trees(where, made, steps, first, matrix))

    def answer(matrix: NDArray[Any], columns: Columns) -> NDArray[Any]:
        del matrix
        return score(columns)

    return by_pieces(frames, FOR_TREES, room, encode, answer, kept)
