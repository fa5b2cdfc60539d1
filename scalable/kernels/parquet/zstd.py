"""Zstandard, by the system's library where there is one, entered from kernels: a page goes straight to its place.

Arrow's codec hands back memory of its own for each page, from Python, where threads wait for each other.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import llvmlite.binding
import numpy as np
from numba import types

from scalable.kernels.jit import kernel

_LIBRARIES = {"linux": "libzstd.so.1", "darwin": "libzstd.1.dylib"}
_SYMBOL = (
    "scalable_zstd_decompress"  # a name of ours: that of the library may mean another copy in this process
)
_size = ctypes.c_size_t


@ctypes.CFUNCTYPE(_size, ctypes.c_void_p, _size, ctypes.c_void_p, _size)
def _none(*_: Any) -> int:
    """Stand for the library: code that was compiled with it is loaded without it too, and must find something."""
    return 0


def _library() -> Any:
    """Return the library's function that decompresses, or None."""
    try:
        return ctypes.CDLL(_LIBRARIES[sys.platform]).ZSTD_decompress
    except (KeyError, OSError, AttributeError):
        return None


_found = _library()
IS_THERE = _found is not None
llvmlite.binding.add_symbol(_SYMBOL, int(ctypes.cast(_found or _none, ctypes.c_void_p).value or 0))
_decompress = types.ExternalFunction(_SYMBOL, types.uintp(types.uintp, types.uintp, types.uintp, types.uintp))


@kernel()
def decompress_zstd(source: int, size: int, to: int, n_bytes: int) -> bool:
    """Decompress frames of `size` bytes at address `source`, as `scalable.kernels.parquet.codecs.decompress_snappy`.

    Only where the library `IS_THERE`.
    """
    room = np.uintp(n_bytes)
    # An error is a number larger than any size.
    return bool(_decompress(np.uintp(to), room, np.uintp(source), np.uintp(size)) == room)
