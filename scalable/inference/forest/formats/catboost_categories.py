"""CatBoost's categories: it compares hashes of texts, and those of whole numbers are found by hashing them all."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

MOST = 2**16  # numbers, from 0 on, that are known by their hashes
_MUL, _K2, _K3 = (np.uint64(k) for k in (0x9DDFEA08EB382D69, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557))


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return x ^ (x >> np.uint64(47))


def _hashed(texts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return CityHash64, its first version, of texts of one length up to eight, a row of bytes each."""
    n = texts.shape[1]
    length = np.uint64(n)
    if n < 4:
        y = texts[:, 0] + (texts[:, n // 2] << np.uint64(8))
        z = length + (texts[:, -1] << np.uint64(2))
        return _mixed(y * _K2 ^ z * _K3) * _K2
    places = np.array([8 * k for k in range(4)], np.uint64)
    first, v = ((part << places).sum(axis=1, dtype=np.uint64) for part in (texts[:, :4], texts[:, -4:]))
    u = length + (first << np.uint64(3))
    return _mixed((v ^ _mixed((u ^ v) * _MUL)) * _MUL) * _MUL


@cache
def _hashes() -> NDArray[np.uint32]:
    """Return the hash of each number's text."""
    found = np.empty(MOST, np.uint32)
    first = 0
    for digits in range(1, len(str(MOST)) + 1):
        stop = min(10**digits, MOST)
        numbers = np.arange(first, stop, dtype=np.uint64)
        places = np.array([10**k for k in range(digits - 1, -1, -1)], np.uint64)
        texts = numbers[:, None] // places % np.uint64(10) + np.uint64(ord("0"))
        found[first:stop] = _hashed(texts).astype(np.uint32)
        first = stop
    return found


def numbers_of(value: int) -> NDArray[np.int64]:
    """Return the whole numbers from 0 on, below `MOST`, whose texts have a hash, signed or not; usually one."""
    return np.flatnonzero(_hashes() == np.uint32(value & 0xFFFFFFFF))
