"""Frames of pandas: where their columns lie, read from the blocks that pandas keeps them in.

To ask for one column after the other takes eight microseconds each, and Arrow's conversion a millisecond. The blocks
are no public face, so they are looked at on a frame of known values first (`readable`); where they are not as
expected, or hold what is unusual, the way of `scalable.data.table` is taken.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Generator, Sequence
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
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
_LAYOUTS = {pa.string().id: kernels.SHORT, pa.large_string().id: kernels.LONG}
_MOST_CATEGORIES = 64  # kinds of categories that are remembered
_MOST_PLANS = 64  # arrangements of the blocks of frames of the same columns
_SKIPPED, _VALUES, _BACKED, _CODES, _TEXTS, _OBJECTS = range(6)
"""What is read of a block: nothing, its values, those of a wrapped array, codes of categories, texts, objects."""
_Texts = tuple[tuple[int, ...], pa.Array]  # six words of `kernels.read_arrays`, and what they point to
_Mark = Any  # what tells how the values of a block are read: a type of numbers or times, or the kind of array
_Key = tuple[tuple[_Mark, tuple[int, ...]], ...]  # of each block, this and the places of its columns


@cache
def readable() -> bool:
    """Return whether frames keep their columns as they are taken to; asks pandas, which is imported already."""
    return _known_blocks() and _known_arrays()


def _known_blocks() -> bool:
    """Return whether blocks of pandas, which are no public face, are as they are taken to be."""
    pandas = sys.modules["pandas"]
    frame = pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [3, 4], "d": ["x", "y"]})
    codes, ticks = pandas.Categorical(["y", "x"]), pandas.array(np.array([5, 6], "M8[s]"))
    found = {}
    try:
        for block in frame[["c", "b", "a", "d"]]._mgr.blocks:
            values = block.values
            for row, place in enumerate(_mark(block)[1]):
                found[place] = list(values[row] if values.ndim == 2 else values)
        backed = [codes._ndarray.tolist(), ticks._ndarray.view(np.int64).tolist()]
    except (AttributeError, LookupError, TypeError, ValueError, Warning):  # another release has others
        return False
    return found == {0: [3, 4], 1: [0.5, 1.5], 2: [1, 2], 3: ["x", "y"]} and backed == [[1, 0], [5, 6]]


def _known_arrays() -> bool:
    """Return whether NumPy's arrays lie in memory as `kernels.read_arrays` takes them to."""
    places, where = np.array([[0, 0, 1, 8], [1, 1, 0, 8]]), np.zeros(2, kernels.WHERE)
    rows, turned = np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((2, 3)))
    arrays = [rows, rows[0], turned]  # held while they are read
    first, second, third = map(id, arrays)
    return bool(
        kernels.read_arrays(np.array([2, first, second]), places, 3, where) == kernels.ALL_READ
        and (where["address"] - rows.ctypes.data).tolist() == [24, 0]
        and kernels.read_arrays(np.array([2, first, third]), places, 3, where) == 1
    )


def _mark(block: Any) -> tuple[_Mark, tuple[int, ...]]:
    """Return what tells how a block is read, and the places of its columns; equal for blocks that are read alike."""
    values, places = block.values, tuple(block.mgr_locs.as_array.tolist())
    kind = type(values)
    if kind is np.ndarray:
        return values.dtype, places
    if kind.__name__ in ("DatetimeArray", "TimedeltaArray"):
        return (kind, values._ndarray.dtype, getattr(values, "tz", None)), places
    return ((kind, values._ndarray.dtype) if kind.__name__ == "Categorical" else (kind,)), places


class _Plan:
    """How frames are read whose blocks are arranged alike."""

    def __init__(self, n_columns: int) -> None:
        self.where = np.zeros(n_columns, kernels.WHERE)  # as far as it is the same for all of them
        self.steps: list[tuple[int, list[tuple[int, int]]]] = []  # of each block: what is read, (row, column)
        self.placed: list[tuple[int, int, int, int]] = []
        self.places = np.empty((0, 4), np.int64)  # the same, see `kernels.read_arrays`
        self.bytes = b""  # of `where`


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
        self._last: tuple[Any, Callable[[_Key], _Plan | None] | None] = None, None
        self._texts: dict[int, tuple[Any, _Texts | None]] = {}

    @staticmethod
    def reads(frame: Any) -> bool:
        """Return whether these are the frames."""
        pandas = sys.modules.get("pandas")
        return pandas is not None and type(frame) is getattr(pandas, "DataFrame", None)

    def parts(self, frame: Any) -> Generator[tuple[NDArray[np.void] | None, int], None, None]:
        """Yield once, as ``ArrowFrames.parts`` does."""
        kept: list[Any] = []
        yield self._where(frame, kept) if readable() and len(frame) else None, len(frame)

    def _where(self, frame: Any, kept: list[Any]) -> NDArray[np.void] | None:
        plan_of = self._plans_of(frame.columns)
        if plan_of is None:
            return None
        blocks = frame._mgr.blocks
        plan = plan_of(tuple([_mark(block) for block in blocks]))
        if plan is None:
            return None
        arrays: list[Any] = []
        words: list[int] = []
        for block, (step, wanted) in zip(blocks, plan.steps, strict=True):
            if step == _SKIPPED:
                continue
            values = block.values
            found: list[tuple[int, _Texts | None]] = []
            if step == _OBJECTS:
                found = [(k, _lie(_objects(values[row]))) for row, k in wanted]
            elif step == _TEXTS:
                found = [(wanted[0][1], _lie(_whole(values.__arrow_array__())))]
            else:
                arrays.append(values if step == _VALUES else values._ndarray)
                if step == _CODES:
                    found = [(wanted[0][1], self._categories(values.dtype))]
            for k, texts in found:
                if texts is None:
                    return None
                words += (k, *texts[0])
                kept.append(texts)
        kept.append(arrays)
        where = np.frombuffer(
            bytearray(plan.bytes), kernels.WHERE
        )  # copying records takes five times as long
        while True:
            given = np.frombuffer(array("q", [len(arrays), *map(id, arrays), *words]), np.int64)
            apart = kernels.read_arrays(given, plan.places, len(frame), where)
            if apart < 0:
                return where if apart == kernels.ALL_READ else None
            arrays[apart] = np.ascontiguousarray(arrays[apart])

    def _plans_of(self, names: Any) -> Callable[[_Key], _Plan | None] | None:
        """Return what plans how frames of such columns are read; None where it is not clear which they are."""
        last, found = self._last
        if names is last or (last is not None and names.equals(last)):
            return found
        listed, found = list(names), None
        place = {name: k for k, name in enumerate(self.names)}
        if all(type(name) is str for name in listed) and len(set(listed)) == len(listed):
            number = [place.get(name, -1) for name in listed]
            if len(number) - number.count(-1) == len(place):
                found = lru_cache(_MOST_PLANS)(partial(self._plan, number))
        self._last = names, found
        return found

    def _plan(self, number: Sequence[int], key: _Key) -> _Plan | None:
        """Return how frames of such blocks are read; None where one is unusual.

        `number` says which column of the model each column of the frame is, -1 for none.
        """
        plan = _Plan(len(self.names))
        for mark, places in key:
            wanted = [(row, k) for row, place in enumerate(places) if (k := number[place]) >= 0]
            step = self._step(mark, wanted, plan) if wanted else _SKIPPED
            if step is None:
                return None
            plan.steps.append((step, wanted))
        plan.places = np.array(plan.placed, np.int64).reshape(-1, 4)
        plan.bytes = plan.where.tobytes()
        return plan

    def _step(self, mark: _Mark, wanted: list[tuple[int, int]], plan: _Plan) -> int | None:
        """Return what is read of a block, and add its columns to a plan; None where it is unusual."""
        families, times = {self._families[k] for _, k in wanted}, {self._times[k] for _, k in wanted}
        if isinstance(mark, np.dtype):
            if mark.kind == "O":
                for _, k in wanted:
                    plan.where[k]["kind"] = kernels.ENTRIES
                return _OBJECTS if families == {"text"} else None
            return _VALUES if families == {"number"} and self._fixed(mark, wanted, plan, False) else None
        kind, *more = mark
        if kind.__name__ in ("DatetimeArray", "TimedeltaArray"):
            held, zone = more
            time, ticks = _time(kind.__name__, np.datetime_data(held)[0], zone), np.dtype(np.int64)
            usual = held.isnative and times == {time}
            return _BACKED if usual and self._fixed(ticks, wanted, plan, True) else None
        if len(wanted) > 1 or families != {"text"}:
            return None
        if kind.__name__ == "Categorical":
            return _CODES if self._fixed(more[0], [(0, wanted[0][1])], plan, True) else None
        plan.where[wanted[0][1]]["kind"] = kernels.ENTRIES
        return _TEXTS if kind.__name__ == "ArrowStringArray" else None

    def _fixed(self, kind: np.dtype[Any], wanted: list[tuple[int, int]], plan: _Plan, marked: bool) -> bool:
        """Add columns whose values are of one size; return whether they are of a kind that is read."""
        if kind not in _KINDS:  # another kind, or the other order of bytes
            return False
        source = len({place[1] for place in plan.placed})
        if kind.kind != "b" and any(pt.is_boolean(self.types[k]) for _, k in wanted):
            return False  # others may hold more than 0 and 1
        for row, k in wanted:
            plan.where[k]["kind"], plan.where[k]["marked"] = _KINDS[kind], marked
            plan.placed.append((k, source, row, kind.itemsize))
        return True

    def _categories(self, dtype: Any) -> _Texts | None:
        """Return the texts of pandas' categories; None where they are no texts.

        They are remembered by the object, as types of pandas are equal whose categories are in another order.
        """
        found = self._texts.get(id(dtype))
        if found is not None and found[0] is dtype:
            return found[1]
        texts = _lie(_objects(dtype.categories))
        if len(self._texts) >= _MOST_CATEGORIES:
            self._texts.clear()
        self._texts[id(dtype)] = dtype, texts
        return texts


def _whole(array: Any) -> pa.Array:
    """Return an array, or the one chunk of several, as it is; more chunks together."""
    if not isinstance(array, pa.ChunkedArray):
        return array
    return array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()


def _lie(texts: pa.Array | None) -> _Texts | None:
    """Return where texts lie; None where that is not known."""
    layout = None if texts is None else _LAYOUTS.get(texts.type.id)
    if texts is None or layout is None:
        return None
    valid, starts, content = texts.buffers()
    words = (
        layout,
        0 if starts is None else starts.address,
        0 if content is None else content.address,
        0 if starts is None else len(texts),
        valid.address if texts.null_count else 0,
        texts.offset,
    )
    return words, texts


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
