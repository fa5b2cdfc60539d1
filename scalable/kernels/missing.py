"""Missing values as Arrow keeps them, a bitmap beside the values, to what learners take."""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel


@kernel(inline=True)
def _present(valid: np.ndarray, place: int) -> int:
    return int(valid[place >> 3]) >> (place & 7) & 1


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
    n = values.size
    head = min(n, -first % 8)
    for i in range(head):
        out[i] = values[i] if _present(valid, first + i) else missing
    whole = (n - head) // 8
    byte = (first + head) >> 3
    for k in range(whole):  # eight at once: what is missing cannot be foretold, so there must be no branch
        bits = np.uint32(valid[byte + k])
        some = values[head + 8 * k : head + 8 * k + 8]
        to = out[head + 8 * k : head + 8 * k + 8]
        for j in range(8):
            to[j] = some[j] if bits >> np.uint32(j) & np.uint32(1) else missing
    for i in range(head + 8 * whole, n):
        out[i] = values[i] if _present(valid, first + i) else missing
