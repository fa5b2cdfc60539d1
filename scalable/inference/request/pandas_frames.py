"""Frames of pandas: where their columns lie, read from the blocks that pandas keeps them in.

To ask for one column after the other takes eight microseconds each, and Arrow's conversion a millisecond. The blocks
are no public face, so they are looked at on a frame of known values first (`readable`); where they are not as
expected, or hold what is unusual, the way of `scalable.data.table` is taken.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.types.logical import family
from scalable.inference.request.arrow_frames import time_format
from scalable.kernels.encode import columns
from scalable.kernels.encode import frame_columns as kernels

_KINDS = {
    np.dtype(name): kind
    for name, kind in {
        "int8": columns.INT8, "int16": columns.INT16, "int32": columns.INT32, "int64": columns.INT64,
        "uint8": kernels.UINT8, "uint16": kernels.UINT16, "uint32": kernels.UINT32, "uint64": kernels.UINT64,
        "float32": columns.FLOAT32, "float64": columns.FLOAT64, "bool": kernels.UINT8,
    }.items()
}  # fmt: skip
_LAYOUTS = {pa.string(): kernels.SHORT, pa.large_string(): kernels.LONG}
_WORDS = ("address", "kind", "layout", "starts", "data", "size", "text_valid", "text_first", "marked", "end")
_ADDRESS, _KIND, _LAYOUT, _STARTS, _DATA, _SIZE, _TEXT_VALID, _TEXT_FIRST, _MARKED, _END = (
    list(kernels.WHERE.names or ()).index(name) for name in _WORDS
)
_WIDTH = len(kernels.WHERE.names or ())
_I32, _I64 = struct.Struct("=i"), struct.Struct("=q")
_MOST_CATEGORIES = 64  # kinds of categories that are remembered


@cache
def readable() -> bool:
    """Return whether frames keep their columns as they are taken to; asks pandas, which is imported already."""
    try:
        frame = sys.modules["pandas"].DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [3, 4], "d": ["x", "y"]})
        found = {}
        for values, places in _blocks(frame[["c", "b", "a", "d"]]):
            for row, place in enumerate(places):
                found[place] = list(values[row] if values.ndim == 2 else values)
        return found == {0: [3, 4], 1: [0.5, 1.5], 2: [1, 2], 3: ["x", "y"]}
    except Exception:  # whatever another release does
        return False


def _blocks(frame: Any) -> list[tuple[Any, list[int]]]:
    """Return values and places of the columns of each block."""
    return [(block.values, block.mgr_locs.as_array.tolist()) for block in frame._mgr.blocks]


class PandasFrames:
    """Where some columns lie in frames of pandas.

    Parameters
    ----------
    names : sequence of str
        The columns.
    types : sequence of pyarrow.DataType
        Theirs in training.
    """

    def __init__(self, names: Sequence[str], types: Sequence[pa.DataType]) -> None:
        self.names, self.types = list(names), list(types)
        self._families = [family(kind) for kind in types]
        self._times = [time_format(kind) for kind in types]
        self._last: tuple[Any, list[int] | None] = (None, None)
        self._texts: dict[int, tuple[Any, pa.Array | None]] = {}

    @staticmethod
    def reads(frame: Any) -> bool:
        """Return whether these are the frames."""
        pandas = sys.modules.get("pandas")
        return pandas is not None and type(frame) is getattr(pandas, "DataFrame", None)

    def parts(self, frame: Any) -> Iterator[tuple[NDArray[np.void] | None, int]]:
        """Yield once, as ``ArrowFrames.parts`` does."""
        kept: list[Any] = []
        yield self._where(frame, kept) if readable() and len(frame) else None, len(frame)

    def _where(self, frame: Any, kept: list[Any]) -> NDArray[np.void] | None:
        number = self._numbers_of(frame.columns)
        if number is None:
            return None
        words = [0] * (_WIDTH * len(self.names))  # to write to an array takes longer
        for values, places in _blocks(frame):
            wanted = [(row, k) for row, place in enumerate(places) if (k := number[place]) >= 0]
            if wanted and not self._place(values, wanted, words, kept):
                return None
        return np.frombuffer(array("q", words), kernels.WHERE)

    def _numbers_of(self, names: Any) -> list[int] | None:
        """Return which column of the model each column of a frame is, -1 for none; None where that is not clear."""
        last, found = self._last
        if names is last or (last is not None and names.equals(last)):
            return found
        listed = list(names)
        found, place = None, {name: k for k, name in enumerate(self.names)}
        if all(type(name) is str for name in listed) and len(set(listed)) == len(listed):
            found = [place.get(name, -1) for name in listed]
            if len(found) - found.count(-1) < len(place):
                found = None
        self._last = names, found
        return found

    def _place(self, values: Any, wanted: list[tuple[int, int]], words: list[int], kept: list[Any]) -> bool:
        """Write where the columns of a block lie; return whether that is known."""
        kind, time = type(values).__name__, None
        if kind in ("DatetimeArray", "TimedeltaArray"):
            time = _time(kind, values.unit, getattr(values, "tz", None))
            values = values.asi8
        if isinstance(values, np.ndarray):
            if values.dtype.kind == "O":
                for _, k in wanted:
                    words[_WIDTH * k + _KIND] = kernels.ENTRIES
                return all(self._place_texts(_objects(values[row]), k, words, kept) for row, k in wanted)
            return self._place_numbers(values, time, wanted, words, kept)
        texts = None
        (_, k), *others = wanted
        if others or values.ndim != 1:
            return False
        if kind == "Categorical":
            codes, texts = values.codes, self._categories(values.dtype)
            if codes.strides[0] != codes.itemsize:
                return False
            kept.append(codes)
            at = _WIDTH * k
            words[at + _ADDRESS] = codes.__array_interface__["data"][0]
            words[at + _KIND], words[at + _MARKED] = _KINDS[codes.dtype], 1
        elif kind == "ArrowStringArray":
            texts, words[_WIDTH * k + _KIND] = _whole(values.__arrow_array__()), kernels.ENTRIES
        return self._place_texts(texts, k, words, kept)

    def _place_numbers(
        self,
        values: NDArray[Any],
        time: str | None,
        wanted: list[tuple[int, int]],
        words: list[int],
        kept: list[Any],
    ) -> bool:
        code, size = _KINDS.get(values.dtype), values.itemsize
        if code is None:  # another kind, or the other order of bytes
            return False
        rows = values.reshape(1, -1) if values.ndim == 1 else values
        if rows.shape[1] > 1 and rows.strides[1] != size:
            rows = np.ascontiguousarray(rows)
        kept.append(rows)
        start, step = rows.__array_interface__["data"][0], rows.strides[0]
        for row, k in wanted:
            if self._times[k] != time or (time is None and self._families[k] != "number"):
                return False
            at = _WIDTH * k
            words[at + _ADDRESS], words[at + _KIND] = start + step * row, code
            words[at + _MARKED] = time is not None
        return True

    def _place_texts(self, texts: pa.Array | None, k: int, words: list[int], kept: list[Any]) -> bool:
        """Write where texts lie, those of a column or those that its values are places of."""
        layout = None if texts is None else _LAYOUTS.get(texts.type)
        if layout is None or self._families[k] != "text":
            return False
        kept.append(texts)
        valid, starts, content = texts.buffers()
        at, first, n = _WIDTH * k, texts.offset, len(texts)
        words[at + _LAYOUT], words[at + _SIZE] = layout, n
        if texts.null_count:
            words[at + _TEXT_VALID], words[at + _TEXT_FIRST] = valid.address, first
        if n:
            wide = 4 if layout == kernels.SHORT else 8
            words[at + _STARTS] = starts.address + wide * first
            words[at + _DATA] = start = 0 if content is None else content.address
            (end,) = (_I32 if wide == 4 else _I64).unpack_from(starts, wide * (first + n))
            words[at + _END] = start + end
        return True

    def _categories(self, dtype: Any) -> pa.Array | None:
        """Return the texts of pandas' categories; None where they are no texts."""
        found = self._texts.get(id(dtype))
        if found is not None and found[0] is dtype:
            return found[1]
        texts = _objects(dtype.categories)
        if len(self._texts) >= _MOST_CATEGORIES:
            self._texts.clear()
        self._texts[id(dtype)] = dtype, texts
        return texts


def _whole(array: Any) -> pa.Array:
    """Return an array, or the one chunk of several, as it is; more chunks together."""
    if not isinstance(array, pa.ChunkedArray):
        return array
    return array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()


def _objects(values: Any) -> pa.Array | None:
    """Return texts among Python's objects as Arrow has them; None where they are others."""
    try:
        return _whole(pa.array(values, from_pandas=True))
    except (pa.ArrowException, TypeError, ValueError):
        return None


@cache
def _time(kind: str, unit: str, zone: Any) -> str | None:
    """Return the format of pandas' times, see `time_format`."""
    return time_format(pa.timestamp(unit, zone) if kind == "DatetimeArray" else pa.duration(unit))
