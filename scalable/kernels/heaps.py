"""Bounds of the heaps of the C library, so that what they keep does not grow with the length of a job."""

from __future__ import annotations

import ctypes
import os

from scalable.kernels.processors import available_processors

PIECE_BYTES = 2**22  # what is smaller lies in the heaps of the C library, which keep their pages for the next
TRIM_BYTES = 2**25  # free at the end of a heap that are kept: more than the columns of a block
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # numbers of the GNU C library's


def bound_heaps() -> None:
    """Have large pieces of memory come from the system, and go back to it when they are freed, however long a job is.

    The C library moves this bound by itself: up to the largest piece that was ever freed, of 32 MB at most. Models of
    9 MB then lie in the heap of whichever thread asked for them, with holes between them that no other piece fits, and
    the states of metrics, of 7 MB that are to be zero and mostly never touched, are written whole. Both happened the
    more often the longer a job ran. The labels of a block of rows are 1 MB: at the library's first bound, of 128 KB,
    they would be of fresh pages every time. With a quarter of `TRIM_BYTES`, a forest's columns are: a third more time.

    One heap for eight processors: only of the main one is the free end given back by `buffers.give_back`. That of each
    other stays, up to `TRIM_BYTES`, when its thread has ended or pieces of another pool's threads met there once: the
    more often, the longer the job. Two threads that take and free pieces do not notice that they share one.

    To be called before threads start, such as pyarrow's for files: each gets a heap of its own, which others then use.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only the GNU C library has it
    chosen = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"} & set(os.environ)
    if mallopt is not None and not chosen:
        mallopt(_MMAP_THRESHOLD, PIECE_BYTES)
        mallopt(_TRIM_THRESHOLD, TRIM_BYTES)
        if "MALLOC_ARENA_MAX" not in os.environ:
            mallopt(_ARENA_MAX, -(-available_processors() // 8))
