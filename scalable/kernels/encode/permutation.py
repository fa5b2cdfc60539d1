"""Random permutations that are computed place by place: in any thread, in any order, without memory for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

_LEAST_BITS = 4
_ROUNDS = 6  # Luby and Rackoff (1988): four do against who may ask; small halves want a few more
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


@kernel(inline=True)
def _scrambled(x: Any, key: Any) -> Any:
    """Return 64 bits that depend on all bits of both (the finaliser of SplitMix64)."""
    x = (x + key) * _MIX1
    x = (x ^ (x >> np.uint64(29))) * _MIX2
    return x ^ (x >> np.uint64(32))


@kernel()
def shuffled_places(first: int, n_rows: int, keys: np.ndarray, out: np.ndarray) -> None:
    """Write the places of rows under a random permutation of ``[0, n_rows)``.

    A Feistel network over the least power of two that holds all rows, walked on until it comes to one of them.

    Parameters
    ----------
    first : int
        The row whose place is written first; those of the rows behind it follow.
    n_rows : int
        Rows in all.
    keys : uint64 array of shape (6,)
        Another one is another permutation.
    out : int64 array
        Places; its size says of how many rows.
    """
    bits = _LEAST_BITS
    while (1 << bits) < n_rows:
        bits += 1
    low_bits = np.uint64(bits // 2)
    low_mask = (np.uint64(1) << low_bits) - np.uint64(1)
    high_mask = (np.uint64(1) << (np.uint64(bits) - low_bits)) - np.uint64(1)
    end = np.uint64(n_rows)
    for i in range(out.size):
        x = np.uint64(first + i)
        while True:
            high, low = x >> low_bits, x & low_mask
            for k in range(0, _ROUNDS, 2):
                high ^= _scrambled(low, keys[k]) & high_mask
                low ^= _scrambled(high, keys[k + 1]) & low_mask
            x = (high << low_bits) | low
            if x < end:
                break
        out[i] = np.int64(x)
