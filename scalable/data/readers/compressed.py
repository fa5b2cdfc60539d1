"""Pages of codecs that no kernel of ours knows, decompressed from Python, and room for the others."""

from __future__ import annotations

import functools
import os
import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.kernels.parquet import coded
from scalable.kernels.parquet.codecs import GZIP, LZ4_RAW, SNAPPY, UNCOMPRESSED, ZSTD
from scalable.kernels.parquet.runs import PADDING
from scalable.kernels.parquet.zstd import IS_THERE, Context

KNOWN = (UNCOMPRESSED, SNAPPY, LZ4_RAW, ZSTD, GZIP)
BY_KERNEL = KNOWN[: 4 if IS_THERE else 3]
_GZIP_WINDOW = 31  # zlib's number for the header of gzip
_KERNELS = np.isin(np.arange(256), BY_KERNEL)  # by codec


@dataclass(frozen=True, slots=True)
class WorkSpace:
    """Room in which kernels open pages, one at a time.

    Attributes
    ----------
    buffer, stored : arrays of uint8
        For the largest page decompressed, and in the file; see `scalable.kernels.parquet.coded.decode_columns`.
    zstd : Context or None
        What `stored` has the address of.
    """

    buffer: NDArray[np.uint8]
    stored: NDArray[np.uint8]
    zstd: Context | None


def work_space(pages: NDArray[np.int64]) -> WorkSpace:
    """Return room for pages as `scalable.kernels.parquet.coded.decode_columns` takes them, shape (n_pages, >= 9)."""
    whole, size = pages[:, [coded.WHOLE, coded.SIZE]].max(axis=0).tolist()
    zstd = Context() if IS_THERE and (pages[:, coded.CODEC] == ZSTD).any() else None
    stored = np.empty(size + coded.CONTEXT_BYTES, np.uint8)
    stored[-coded.CONTEXT_BYTES :].view(np.uint64)[0] = zstd.address if zstd else 0
    return WorkSpace(np.zeros(whole + PADDING, np.uint8), stored, zstd)


def for_others(pages: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of pages, see `work_space`, of codecs that no kernel decompresses."""
    return np.flatnonzero(~_KERNELS[pages[:, coded.CODEC]])


@functools.cache
def _zstd() -> pa.Codec:
    return pa.Codec("zstd")


def open_page(descriptor: int, page: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return what a page of `for_others` holds; kernels find it by the page, as long as it is kept.

    Raises
    ------
    pyarrow.ArrowInvalid
        When it is damaged.
    """
    _, _, offset, size, levels, whole, codec = page[: coded.CODEC + 1].tolist()
    found = decompressed(os.pread(descriptor, size, offset), codec, whole, max(0, levels))
    page[coded.ADDRESS] = found.__array_interface__["data"][0]
    return found


def decompressed(stored: bytes, codec: int, whole: int, levels: int = 0) -> NDArray[np.uint8]:
    """Return a page decompressed.

    Parameters
    ----------
    stored : bytes
        As it lies in the file.
    codec : int
        ``GZIP`` or ``ZSTD``, numbers of the format's.
    whole : int
        Bytes of the result.
    levels : int
        Bytes in front that are not compressed.

    Raises
    ------
    pyarrow.ArrowInvalid
        When it holds another number of bytes, or is damaged.
    """
    body, n_bytes = np.frombuffer(stored, np.uint8)[levels:], whole - levels
    if not n_bytes:
        found = body[:0]
    elif codec == ZSTD:
        # which refuses what holds another number of bytes
        found = np.frombuffer(_zstd().decompress(pa.py_buffer(body), decompressed_size=n_bytes), np.uint8)
    else:
        try:
            content = zlib.decompressobj(_GZIP_WINDOW).decompress(body.tobytes(), n_bytes + 1)
        except zlib.error as error:
            raise pa.ArrowInvalid(f"a compressed page is damaged: {error}") from error
        found = np.frombuffer(content, np.uint8)
    if found.size != n_bytes or len(stored) < levels:
        raise pa.ArrowInvalid("a compressed page does not hold what its header says")
    return np.concatenate([np.frombuffer(stored, np.uint8, levels), found]) if levels else found
