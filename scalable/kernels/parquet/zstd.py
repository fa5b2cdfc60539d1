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
_size, _address = ctypes.c_size_t, ctypes.c_void_p


@ctypes.CFUNCTYPE(_size, _address, _address, _size, _address, _size)
def _none(*_: Any) -> int:
    """Stand for the library: code that was compiled with it is loaded without it too, and must find something."""
    return 0


def _library() -> Any:
    """Return the library, or None."""
    try:
        found = ctypes.PyDLL(_LIBRARIES[sys.platform])  # what is called from Python returns at once
        found.ZSTD_createDCtx.restype, found.ZSTD_freeDCtx.argtypes = _address, (_address,)
        return found if found.ZSTD_decompressDCtx else None
    except (KeyError, OSError, AttributeError):
        return None


_found = _library()
IS_THERE = _found is not None
llvmlite.binding.add_symbol(
    _SYMBOL, int(ctypes.cast(_found.ZSTD_decompressDCtx if IS_THERE else _none, _address).value or 0)
)
_decompress = types.ExternalFunction(
    _SYMBOL, types.uintp(types.uintp, types.uintp, types.uintp, types.uintp, types.uintp)
)


class Context:
    """Memory of the decompressor, for one thread at a time; only where the library `IS_THERE`.

    To make it anew for each page takes a fifth of the time of a page of 70 KB: the library asks the processor what it
    is, which a virtual machine does not know by itself.

    Attributes
    ----------
    address : int
    """

    def __init__(self) -> None:
        self.address = _found.ZSTD_createDCtx()
        if not self.address:
            raise MemoryError("no memory to decompress zstd")

    def __del__(self) -> None:
        if self.address and _found is not None:  # modules are emptied first when the interpreter ends
            _found.ZSTD_freeDCtx(self.address)


@kernel()
def decompress_zstd(context: int, source: int, size: int, to: int, n_bytes: int) -> bool:
    """Decompress frames of `size` bytes at address `source`, as `scalable.kernels.parquet.codecs.decompress_snappy`.

    `context` is the address of a `Context`.
    """
    room = np.uintp(n_bytes)
    # An error is a number larger than any size.
    return bool(_decompress(np.uintp(context), np.uintp(to), room, np.uintp(source), np.uintp(size)) == room)
