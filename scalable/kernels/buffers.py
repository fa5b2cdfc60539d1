"""Reused memory for encoded blocks: fresh pages cost more than filling them.

A block of 15 MB taken from the system is thousands of page faults. Buffers go back to a small pool
when the array handed out is collected. Slices of that array do not keep the buffer, so whoever
keeps rows beyond their block copies them, as `scalable.linear.in_memory` does.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.kernels.heaps import PIECE_BYTES

MAX_FREE = (
    16  # buffers kept for reuse: of a block there are as many as four, and two blocks a worker at times
)
MAX_FREE_BYTES = 2**26  # of them all
MOST_SPARE = 2  # times the bytes wanted, beyond which a buffer is left to who needs it
MOST_LEFT_OVER = 1.25  # the same of buffers that an earlier stage left: they would never become fewer
LEAST_BYTES = 2**18  # below this the allocator reuses memory by itself
LINE = 64  # bytes of a cache line

_free: list[NDArray[np.uint8]] = []  # those given last at the end
_idle: set[int] = set()  # identities of those that were there when memory was given back last
_left_over: set[int] = set()  # and of those that an earlier stage of the job left
_lock = threading.RLock()  # the collector may come to an array, whose buffer is given back, where it is held


_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only the GNU C library has it


def aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an uninitialised array that begins on a cache line: kernels' wide loads then never straddle two."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    return np.asarray(_on_a_line(np.empty(n_bytes + LINE, np.uint8), n_bytes).view(dtype).reshape(shape))


def take(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an uninitialised array of a shape and dtype on a cache line, from the pool where a buffer fits.

    Where none does, a new one takes the place of those that an earlier stage left, so that never both are there.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if n_bytes < LEAST_BYTES:
        return aligned(shape, dtype)
    buffer = None
    # The smallest that fits: else large ones go to small arrays, and more and more are needed. Of those the one given
    # last, so that one too many is idle.
    best, most = -1, MOST_SPARE * n_bytes + LINE
    with _lock:
        for k, each in enumerate(_free):
            spare = MOST_LEFT_OVER * n_bytes + LINE if id(each) in _left_over else most
            if n_bytes + LINE <= each.nbytes <= min(most, spare):
                best, most = k, each.nbytes
        if best >= 0:
            buffer = _taken_out(best)
        else:
            _replace(n_bytes)
    if buffer is None:
        buffer = np.empty(n_bytes + LINE, np.uint8)
    array = _on_a_line(buffer, n_bytes).view(dtype).reshape(shape)
    weakref.finalize(array, _give, buffer).atexit = False
    return np.asarray(array)


def sparse_zeros(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return zeros of which few will be written: the others take no memory.

    NumPy asks for pages of 2 MB for arrays from 4 MB on, of which one number that is written takes all.
    """
    n_bytes = 8 * math.prod(shape)
    if n_bytes < PIECE_BYTES:
        return np.zeros(shape)
    pages = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, np.float64).reshape(shape)


def give_back(whole: bool = False) -> None:
    """Return free memory to the system: buffers that nobody took since the last time, and free pages of heaps.

    A stage of a job leaves its buffers to the next, which may want others. What is freed below a piece in use stays
    otherwise, more of it with time.

    Parameters
    ----------
    whole : bool
        Whether all buffers are returned.
    """
    with _lock:
        for k in range(len(_free) - 1, -1, -1):
            if whole or id(_free[k]) in _idle:
                _taken_out(k)
        _idle.update(map(id, _free))
    if _trim is not None:
        _trim(0)


def begin_stage() -> None:
    """Tell that what follows may want buffers of other sizes than what was done so far."""
    with _lock:
        _left_over.update(map(id, _free))


def _replace(n_bytes: int) -> None:
    """Let go of buffers that an earlier stage left, as large as a new one; those given first go first."""
    k = 0
    while k < len(_free) and n_bytes > 0:
        if id(_free[k]) in _left_over:
            n_bytes -= _taken_out(k).nbytes
        else:
            k += 1


def _taken_out(k: int) -> NDArray[np.uint8]:
    buffer = _free.pop(k)
    _idle.discard(id(buffer))
    _left_over.discard(id(buffer))
    return buffer


def _on_a_line(buffer: NDArray[np.uint8], n_bytes: int) -> NDArray[np.uint8]:
    start = -buffer.__array_interface__["data"][0] % LINE
    return buffer[start : start + n_bytes]


def _give(buffer: NDArray[np.uint8]) -> None:
    with _lock:
        _free.append(buffer)
        left = sum(each.nbytes for each in _free)
        while len(_free) > MAX_FREE or (left > MAX_FREE_BYTES and len(_free) > 1):
            left -= _taken_out(0).nbytes
