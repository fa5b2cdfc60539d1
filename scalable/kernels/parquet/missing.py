"""Missing values as Arrow keeps them, a bitmap beside the values, to what learners take."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel
from scalable.kernels.parquet.bits import expand_bits

_CHUNK = 1024


@kernel()
def fill_missing(values: np.ndarray, valid: np.ndarray, first: int, missing: float, out: np.ndarray) -> None:
    """Write `values`, and `missing` where they are null.

    Parameters
    ----------
    values : array of shape (n,), any number type
        What they hold where they are null does not matter.
    valid : array of uint8
        Bits, the lowest of each byte first; 0 where a value is null.
    first : int
        Bit of the first value.
    missing : float or int
        Replaces null.
    out : array of shape (n,)
        Output.
    """
    typed = np.empty(1, out.dtype)  # a wider constant would widen every selection
    typed[0] = missing
    filler = typed[0]
    present = np.empty(_CHUNK, np.uint8)
    for start in range(0, values.size, _CHUNK):
        some, to = values[start : start + _CHUNK], out[start : start + _CHUNK]
        bit = first + start
        expand_bits(valid, bit >> 3, bit & 7, (bit & 7) + some.size, present)
        for i in range(some.size):
            to[i] = some[i] if present[i] else filler
