"""Pages decompressed from Python: those of codecs that no kernel of ours knows, and dictionaries."""

from __future__ import annotations

import functools
import zlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.kernels.parquet.codecs import (
    GZIP,
    LZ4_RAW,
    SNAPPY,
    UNCOMPRESSED,
    ZSTD,
    decompress_lz4,
    decompress_snappy,
)
from scalable.kernels.parquet.zstd import IS_THERE

KNOWN = (UNCOMPRESSED, SNAPPY, LZ4_RAW, ZSTD, GZIP)
BY_KERNEL = KNOWN[: 4 if IS_THERE else 3]
_GZIP_WINDOW = 31  # zlib's number for the header of gzip


@functools.cache
def _zstd() -> pa.Codec:
    return pa.Codec("zstd")


def decompressed(stored: bytes, codec: int, whole: int, levels: int = 0) -> NDArray[np.uint8]:
    """Return a page decompressed.

    Parameters
    ----------
    stored : bytes
        As it lies in the file.
    codec : int
        One of ``KNOWN``, a number of the format's.
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
    if codec == UNCOMPRESSED or not n_bytes:
        found = body[:n_bytes]
    elif codec in (SNAPPY, LZ4_RAW):
        out = np.empty(n_bytes, np.uint8)
        work = decompress_snappy if codec == SNAPPY else decompress_lz4
        found = out if work(body.ctypes.data, body.size, out.ctypes.data, n_bytes) else out[:0]
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
