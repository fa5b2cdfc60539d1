"""One container of named arrays: written in one pass, checked before use, mapped into memory or read.

Layout: 8 bytes of magic, then arrays, each on the boundary of a cache line, then an index in JSON, then its length,
its CRC-32 and the magic again. The index tells kind and place of every array, the CRC-32 of all bytes before it, and
whatever describes them. No code, no pickle. The checksum finds damage, not malice: anybody can compute one, so whatever
an array's numbers point to is for its reader to prove.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scalable.kernels.buffers import LINE, aligned
from scalable.storage.documents import SHAPELESS
from scalable.storage.files import AnyPath, store_of

MAGIC = b"SCARRAYS"
_TAIL = struct.Struct(f"<QI{len(MAGIC)}s")
_NUMBERS = "biuf"  # kinds of values that any bytes are valid for, or as good as
_verified: set[tuple[Any, ...]] = set()  # mapped files whose checksum this process has computed


class ArraysError(ValueError):
    """A container is not one, or damaged; says what was found, for whoever knows the remedy."""


@dataclass(frozen=True, slots=True)
class StoredArrays:
    """What was read back.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Writable, without effect on the file; their memory lives as long as any of them.
    meta : dict
        What was said of them.
    state : tuple
        Of a mapped file: the same as long as it is the same file; else empty.
    """

    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]
    state: tuple[int, ...] = ()


class ArraysWriter:
    """Writes arrays one behind the other, as they come.

    Parameters
    ----------
    file : binary file
        Open to write, at its beginning.
    kind : str
        What the arrays are, e.g. ``"encoded rows 1"``; to be asked for when they are read.
    """

    def __init__(self, file: BinaryIO, kind: str) -> None:
        self._file, self._kind = file, kind
        self._places: dict[str, Any] = {}
        self._at = self._crc = 0
        self._write(MAGIC)

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Write an array of numbers, or of records of numbers; names are unique."""
        data = np.ascontiguousarray(array)
        _check_kind(name, data.dtype)
        if name in self._places:
            raise ValueError(f"array {name!r} is written twice")
        self._write(bytes(-self._at % LINE))
        self._places[name] = [np.lib.format.dtype_to_descr(data.dtype), list(np.shape(array)), self._at]
        self._write(data.reshape(-1).view(np.uint8).data if data.size else b"")

    def finish(self, meta: Mapping[str, Any] | None = None) -> None:
        """Write the index, and JSON that describes the arrays."""
        index = {"kind": self._kind, "crc32": self._crc, "arrays": self._places, "meta": dict(meta or {})}
        body = json.dumps(index).encode()
        self._file.write(body + _TAIL.pack(len(body), zlib.crc32(body), MAGIC))

    def _write(self, data: Any) -> None:
        self._file.write(data)
        self._crc = zlib.crc32(data, self._crc)
        self._at += len(data)


def write_arrays(
    path: AnyPath, kind: str, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any] | None = None
) -> None:
    """Write arrays to a file, whole or not at all; raises OSError where it cannot be written."""
    with store_of(path).replacing(path) as file:
        writer = ArraysWriter(file, kind)
        for name, array in arrays.items():
            writer.add(name, array)
        writer.finish(meta)


def read_arrays(path: AnyPath, kind: str) -> StoredArrays:
    """Read arrays into memory of their own.

    Raises
    ------
    OSError
        When the file cannot be read.
    ArraysError
        When it is not a container of that kind, or any byte of it is not as it was written.
    """
    with store_of(path).open(path) as file:
        size = file.seek(0, os.SEEK_END)
        data = aligned((size,), np.uint8)
        file.seek(0)
        if file.readinto(data.data) != size:  # type: ignore[attr-defined]  # any binary file has it
            raise ArraysError(f"it ends before its {size:,} bytes")
    index, length = _index(data, kind)
    _check_sum(data[:length], index)
    return StoredArrays(_placed(data, index, length), index["meta"])


def map_arrays(path: AnyPath, kind: str) -> StoredArrays:
    """Map the arrays of a local file into private memory; the checksum is computed once a process.

    The file may be replaced meanwhile, as `replacing` does, but must never be written to.

    Raises
    ------
    OSError, ArraysError
        As `read_arrays`.
    """
    descriptor = store_of(path).descriptor(path)
    if descriptor is None:
        return read_arrays(path, kind)
    try:
        status = os.fstat(descriptor)
        if status.st_size == 0:
            raise ArraysError("it is empty")
        data = _mapped(descriptor)
    finally:
        os.close(descriptor)
    index, length = _index(data, kind)
    state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if state not in _verified:
        _check_sum(data[:length], index)
        _verified.add(state)
    return StoredArrays(_placed(data, index, length), index["meta"], state)


def map_bytes(path: AnyPath) -> NDArray[np.uint8]:
    """Map a local file that is not empty into private memory; nobody may make it shorter meanwhile."""
    with store_of(path).open(path) as file:
        return _mapped(file.fileno())


def _mapped(descriptor: int) -> NDArray[np.uint8]:
    """Return the bytes of a file, writable without effect on it: kernels are compiled for writable arrays."""
    return np.frombuffer(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY), np.uint8)


def _index(data: NDArray[np.uint8], kind: str) -> tuple[dict[str, Any], int]:
    """Return the index and the length of what is before it."""
    end = len(data) - _TAIL.size
    if end < len(MAGIC) or data[: len(MAGIC)].tobytes() != MAGIC:
        raise ArraysError("it is not a file of arrays")
    size, crc, magic = _TAIL.unpack(data[end:].tobytes())
    length = end - size
    if magic != MAGIC or length < len(MAGIC) or zlib.crc32(data[length:end].data) != crc:
        raise ArraysError("it is truncated or altered")
    try:
        index = json.loads(data[length:end].tobytes())
        found = index["kind"]
        arrays, meta, crc = dict(index["arrays"]), dict(index["meta"]), int(index["crc32"])
    except SHAPELESS as error:
        raise ArraysError(f"its index is damaged ({error!r})") from error
    if found != kind:
        raise ArraysError(f"it holds {found!r}, not {kind!r}")
    return {"arrays": arrays, "meta": meta, "crc32": crc}, length


def _check_sum(data: NDArray[np.uint8], index: Mapping[str, Any]) -> None:
    if zlib.crc32(data.data) != index["crc32"]:
        raise ArraysError("it was altered since it was written")


def _placed(data: NDArray[np.uint8], index: Mapping[str, Any], length: int) -> dict[str, NDArray[Any]]:
    return {name: _array(data, name, place, length) for name, place in index["arrays"].items()}


def _array(data: NDArray[np.uint8], name: str, place: Any, length: int) -> NDArray[Any]:
    """Return an array whose place is proven to be within the bytes before the index."""
    try:
        described, shape, at = place
        dtype = np.lib.format.descr_to_dtype(described)
        _check_kind(name, dtype)
        if not all(type(n) is int and n >= 0 for n in [*shape, at]):
            raise ValueError("places are whole numbers")
        n_bytes = math.prod(shape) * dtype.itemsize
        if at % LINE or at + n_bytes > length:
            raise ValueError("it lies outside")
        return data[at : at + n_bytes].view(dtype).reshape(shape)
    except ArraysError:
        raise
    except SHAPELESS as error:
        raise ArraysError(f"the place of {name!r} is damaged ({error!r})") from error


def _check_kind(name: str, dtype: np.dtype[Any]) -> None:
    kinds = [dtype.base] if dtype.names is None else [dtype[field].base for field in dtype.names]
    if any(kind.kind not in _NUMBERS for kind in kinds) or not dtype.itemsize:
        raise ArraysError(f"array {name!r} is {dtype}; a container holds numbers and records of numbers")
