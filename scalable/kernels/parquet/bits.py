"""Bits, the first of each eight in the lowest place of a byte, to bytes of 0 and 1 and back."""

from __future__ import annotations

import numpy as np
from numba import carray

from scalable.kernels.jit import kernel
from scalable.kernels.memory import as_pointer, load_u64

_GATHER = np.uint64(0x0102040810204080)
_SPREAD, _PICKED = (
    np.uint64(0x0101010101010101),
    np.uint64(0x8040201008040201),
)  # each bit in a byte of its own
_BELOW = np.uint64(0x7F7F7F7F7F7F7F7F)  # carries what was picked, wherever in a byte, to its highest bit


@kernel(inline=True)
def expand_bits(buffer: np.ndarray, at: int, first: int, stop: int, out: np.ndarray) -> None:
    """Write bits `first` to `stop`, counted from byte `at` of a buffer on, as one number each.

    Eight at once where they fill a byte: what they are cannot be foretold, so there must be no branch.

    Parameters
    ----------
    buffer : array of uint8
        Bits.
    at, first, stop : int
        First byte; first bit and the bit after the last.
    out : array of shape (stop - first,), any integer type
        Output.
    """
    head = min(stop, -(-first // 8) * 8)
    for i in range(first, head):
        out[i - first] = buffer[at + (i >> 3)] >> np.uint8(i & 7) & np.uint8(1)
    if out.itemsize == 1:  # a word at once, and words in vectors: a tenth of the time
        begin, n_words = head >> 3, max(0, (stop >> 3) - (head >> 3))
        place = as_pointer(np.uintp(out.ctypes.data + 8 * begin - first))
        words = carray(place, (n_words,), np.uint64)
        for k in range(n_words):
            picked = np.uint64(buffer[at + begin + k]) * _SPREAD & _PICKED
            words[k] = (picked + _BELOW | picked) >> np.uint64(7) & _SPREAD
        head += 8 * n_words
    for k in range(head // 8, stop // 8):
        byte = np.uint32(buffer[at + k])
        some = out[8 * k - first : 8 * k - first + 8]
        for j in range(8):
            some[j] = byte >> np.uint32(j) & np.uint32(1)
    for i in range(max(head, stop // 8 * 8), stop):
        out[i - first] = buffer[at + (i >> 3)] >> np.uint8(i & 7) & np.uint8(1)


@kernel()
def pack_bits(present: np.ndarray, n: int, out: np.ndarray) -> None:
    """Write the first `n` of some bytes of 0 and 1 as bits.

    Parameters
    ----------
    present : array of shape (>= n,), uint8
        0 or 1.
    n : int
        How many.
    out : array of shape ((n + 7) // 8,), uint8
        Output; bits behind the last are 0.
    """
    base = np.uintp(present.ctypes.data)
    for k in range(n // 8):  # the multiplication gathers the eight lowest bits in the highest byte
        out[k] = load_u64(base + np.uintp(8 * k)) * _GATHER >> np.uint64(56)
    if n % 8:
        byte = np.uint8(0)
        for j in range(n % 8):
            byte |= present[n - n % 8 + j] << np.uint8(j)
        out[n // 8] = byte
