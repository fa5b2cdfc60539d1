"""Counter-based random bits: a value is a pure function of (seed, dataset, column, row).

The hash is SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014) read at any counter: word `i` of a stream is the `i + 1`-th output of the generator
started from the stream's first key. A second key, xored in between the two multiplications, makes
streams different permutations rather than shifted windows of one sequence; when it is zero the
output is SplitMix64's own, which is how the published vectors are tested.

It was chosen by measurement. AVX2 has no 64-bit multiply, and still SplitMix64 costs 22 vector
instructions for four words where Philox4x32-10 costs about 100 and Threefry2x64 about 90: 1.3 G
words/s on one core. A 32-bit quantity takes half a word, so that one hash serves two rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

GAMMA = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)


@kernel(inline=True)
def mix(state: Any, key: Any) -> Any:
    """Return the 64-bit hash of a counter already multiplied by ``GAMMA`` and offset by a key.

    Parameters
    ----------
    state, key : uint64
        ``first_key + (counter + 1) * GAMMA`` and the stream's second key.
    """
    state = (state ^ (state >> _S30)) * _M1
    state ^= key
    state = (state ^ (state >> _S27)) * _M2
    return state ^ (state >> _S31)


@kernel(fastmath=True)
def fill_bits(key0: Any, key1: Any, start: Any, out: Any) -> None:
    """Write the 64-bit words of counters ``start, start + 1, ...``.

    Parameters
    ----------
    key0, key1, start : uint64
    out : (n,) uint64
    """
    state = key0 + start * GAMMA
    for i in range(out.size):
        state += GAMMA
        out[i] = mix(state, key1)


@dataclass(frozen=True, slots=True)
class Stream:
    """The random numbers of one column: two 64-bit keys and no state.

    Parameters
    ----------
    key0, key1 : np.uint64
        Start of the counter and the key between the two multiplications.
    """

    key0: np.uint64
    key1: np.uint64

    @classmethod
    def of(cls, seed: int, dataset: str, column: str) -> Stream:
        """Return the stream of a column; the keys are a BLAKE2b digest of its full name."""
        name = f"{seed}/{dataset}/{column}".encode()
        digest = hashlib.blake2b(name, digest_size=16, person=b"data_gen stream").digest()
        key0, key1 = np.frombuffer(digest, "<u8")
        return cls(np.uint64(key0), np.uint64(key1))

    def bits(self, start: int, n_rows: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
        """Return one 64-bit word for each of the rows ``start .. start + n_rows``.

        Returns
        -------
        (n_rows,) uint64
        """
        out = np.empty(n_rows, np.uint64)
        fill_bits(self.key0, self.key1, np.uint64(start), out)
        return out

    def words(self, start: int, n_rows: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
        """Return one 32-bit word for each of the rows: the halves of word ``row // 2``, low half first.

        Returns
        -------
        (n_rows,) uint32
        """
        skip = start & 1
        pairs = self.bits(start >> 1, (skip + n_rows + 1) >> 1)
        return pairs.astype("<u8", copy=False).view(np.uint32)[skip : skip + n_rows]
