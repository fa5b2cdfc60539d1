"""Many small reads of a file in one call, so that threads do not hand the interpreter lock to and fro.

Each system call from Python gives the lock away and waits for it again; two threads that read column
by column spend more time on that than on reading.
"""

from __future__ import annotations

import numpy as np
from numba import types

from scalable.kernels.jit import kernel

_pread = types.ExternalFunction("pread", types.int64(types.int32, types.uintp, types.uintp, types.int64))


@kernel()
def gather(descriptor: int, offsets: np.ndarray, sizes: np.ndarray, out: np.ndarray) -> int:
    """Put pieces of a file one behind the other.

    Parameters
    ----------
    descriptor : int
        Open file.
    offsets : array of shape (n,), int64
        Where each begins in the file.
    sizes : array of shape (n,), int64
        Bytes; they sum to the size of `out`.
    out : array of uint8
        Output.

    Returns
    -------
    int
        -1, or the number of the first piece that could not be read.
    """
    at = out.ctypes.data
    for k in range(sizes.size):
        left = sizes[k]
        offset = offsets[k]
        while left > 0:
            got = _pread(np.int32(descriptor), np.uintp(at), np.uintp(left), offset)
            if got <= 0:  # an error, or the file ends early; Python finds out which
                return k
            at += got
            offset += got
            left -= got
    return -1
