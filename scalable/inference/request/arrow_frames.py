"""Frames by Arrow's C data interface: the addresses of all their columns in one call, as far as a model takes them.

What a model's columns are in a frame is found once for each schema; a frame whose schema was not seen before is
looked at anew. Whatever is unusual is left to the way of `scalable.data.table`, which brings a column to the type it
had in training, or says why not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Generator, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.types.logical import family
from scalable.kernels.encode import columns
from scalable.kernels.encode import frame_columns as kernels

MOST_SCHEMAS, SCHEMA_BYTES, LEAST_ROWS = 64, 2**16, 256
_KINDS = {
    "c": columns.INT8, "s": columns.INT16, "i": columns.INT32, "l": columns.INT64, "b": columns.BITS,
    "f": columns.FLOAT32, "g": columns.FLOAT64, "C": kernels.UINT8, "S": kernels.UINT16, "I": kernels.UINT32,
    "L": kernels.UINT64,
}  # fmt: skip
_INDICES = frozenset("csilCSIL")
_LAYOUTS = {"u": kernels.SHORT, "U": kernels.LONG, "vu": kernels.VIEWS}
_UNITS = {"s": "s", "ms": "m", "us": "u", "ns": "n"}
_EXTENSION = b"ARROW:extension:name"

_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_GET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_getter, _releaser = cache(_GET), cache(_RELEASE)
_SCHEMA_WORDS, _ARRAY_WORDS, _N_FIELDS = (
    9,
    10,
    4,
)  # of the structs, 8 bytes each; each ends with release, its own data


class _Struct:
    """A struct ArrowSchema or ArrowArray that is released with this object."""

    def __init__(self, words: int) -> None:
        self.words = (ctypes.c_int64 * words)()
        self.address = ctypes.addressof(self.words)

    @property
    def release(self) -> int:
        """Address of the function that releases it; 0 where there is nothing to release."""
        return self.words[-2]

    def __del__(self) -> None:
        if self.release:
            _releaser(self.release)(self.address)


def _of_stream(frame: Any) -> Iterator[tuple[int, int, int]]:
    capsule = frame.__arrow_c_stream__()
    stream = _pointer(capsule, b"arrow_array_stream")
    assert stream is not None
    get_schema, get_next = ((ctypes.c_int64 * 2).from_address(stream))[:]
    schema, left = _Struct(_SCHEMA_WORDS), len(frame)
    failed = _getter(get_schema)(stream, schema.address)
    while left > 0:
        array = _Struct(_ARRAY_WORDS)
        if failed or _getter(get_next)(stream, array.address) or not array.release:
            raise pa.ArrowInvalid("a frame that cannot be read")
        left -= array.words[0]
        yield schema.address, array.address, array.words[0]


def _batches(frame: Any) -> Iterator[tuple[int, int, int]]:
    """Yield addresses of schema and array, and the rows, of each part of a frame; valid until the next."""
    if not isinstance(frame, (pa.Table, pa.RecordBatch)):
        yield from _of_stream(frame)
        return
    for batch in [frame] if isinstance(frame, pa.RecordBatch) else frame.to_batches():
        schema, array = batch.__arrow_c_array__()
        yield (
            _pointer(schema, b"arrow_schema") or 0,
            _pointer(array, b"arrow_array") or 0,
            batch.num_rows,
        )


def _in_few_parts(frame: Any) -> bool:
    """Return whether a frame is one that is read here, and not made of many small parts."""
    if isinstance(frame, pa.RecordBatch):
        return bool(frame.num_rows)
    if isinstance(frame, pa.Table):
        n_rows = frame.num_rows
        parts = max((column.num_chunks for column in frame.columns), default=0) if n_rows < LEAST_ROWS else 1
        parts = max(parts, frame.column(0).num_chunks if frame.num_columns else 0)
    elif type(frame).__module__.partition(".")[0] == "polars" and type(frame).__name__ == "DataFrame":
        n_rows, parts = frame.height, frame.n_chunks()
    else:
        return False
    return n_rows > 0 and (parts == 1 or n_rows >= parts * LEAST_ROWS)


class ArrowFrames:
    """Where some columns lie in frames of pyarrow and polars.

    Parameters
    ----------
    names : sequence of str
        The columns.
    types : sequence of pyarrow.DataType
        Theirs in training.
    """

    def __init__(self, names: Sequence[str], types: Sequence[pa.DataType]) -> None:
        self.names, self.types = list(names), list(types)
        self._children_of = lru_cache(MOST_SCHEMAS)(self._find)

    def parts(self, frame: Any) -> Generator[tuple[NDArray[np.void] | None, int], None, None]:
        """Yield a WHERE array (n_columns,), or None where it is not to be read here, and the rows of each part."""
        if not _in_few_parts(frame):
            yield None, 0
            return
        for schema, array, n_rows in _batches(frame):
            children = self._children(schema)
            where = np.empty(len(self.names), kernels.WHERE)
            good = children is not None and kernels.read_arrow(array, children, where)
            yield (where if good else None), n_rows

    def _children(self, schema: int) -> NDArray[np.void] | None:
        text = np.empty(SCHEMA_BYTES, np.uint8)
        n_bytes = kernels.write_schema(schema, text)
        if n_bytes < 0:
            return None
        return self._children_of(text[:n_bytes].tobytes())

    def _find(self, schema: bytes) -> NDArray[np.void] | None:
        """Return the CHILD of each column, None where one is not as it is usual."""
        n = int.from_bytes(schema[:8], "little")
        *words, metadata = schema[8:].split(b"\0", 3 * n)
        if _EXTENSION in metadata:
            return None
        names = [name.decode("utf-8", "replace") for name in words[::3]]
        found = np.empty(len(self.names), kernels.CHILD)
        for k, (name, trained) in enumerate(zip(self.names, self.types, strict=True)):
            if names.count(name) != 1:
                return None
            place = names.index(name)
            format_, texts = (
                word.decode("utf-8", "replace") for word in words[3 * place + 1 : 3 * place + 3]
            )
            read = reading(format_, texts, trained)
            if read is None:
                return None
            found[k] = (place, *read)
        return found


def reading(format_: str, texts: str, trained: pa.DataType) -> tuple[int, int] | None:
    """Return kind and layout of a column of some format, its dictionary's beside it; None where it is unusual."""
    wanted = family(trained)
    if wanted == "text":
        if texts:
            usual = format_ in _INDICES and texts in _LAYOUTS
            return (_KINDS[format_], _LAYOUTS[texts]) if usual else None
        return (kernels.ENTRIES, _LAYOUTS[format_]) if format_ in _LAYOUTS else None
    if texts:
        return None
    if wanted == "number":
        if pt.is_boolean(trained) and format_ != "b":
            return None  # others may hold more than 0 and 1
        return (_KINDS[format_], kernels.NO_TEXT) if format_ in _KINDS else None
    if format_ != time_format(trained):
        return None
    return (columns.INT32 if format_ in ("tdD", "tts", "ttm") else columns.INT64), kernels.NO_TEXT


def time_format(kind: pa.DataType) -> str | None:
    """Return how Arrow's C data interface writes a temporal type; None for others."""
    if pt.is_date(kind):
        return "tdD" if pt.is_date32(kind) else "tdm"
    if pt.is_timestamp(kind):
        return f"ts{_UNITS[kind.unit]}:{kind.tz or ''}"
    if pt.is_time(kind):
        return f"tt{_UNITS[kind.unit]}"
    return f"tD{_UNITS[kind.unit]}" if pt.is_duration(kind) else None
