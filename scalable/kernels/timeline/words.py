"""Values as 64-bit words that sort like the values: one kernel serves numbers of every type.

Integers and times are themselves. Floats are mapped so that the order of the words is that of the floats. The least
int64 means that there is no value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.encode.encoding import integer_hash, mix
from scalable.kernels.jit import kernel
from scalable.kernels.prefetch import prefetch

MISSING = np.int64(-(2**63))
_REST = np.int64(2**63 - 1)
_SALT = np.uint64(0x5851F42D4C957F2D)
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_OTHER_OFFSET, _OTHER_PRIME = np.uint64(0x9AE16A3B2F90404F), np.uint64(0xC2B2AE3D27D4EB4F)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
NAN_WORD = np.int64(0x7FF8000000000000)
MINUS_ZERO_WORD = np.int64(-1)  # equal to 0.0, whose word is 0
_AHEAD = np.int64(24)  # values that are fetched before they are wanted


@kernel(inline=True)
def flip(bits: Any) -> Any:
    """Return the word of a float's bits, or the bits of a word: the map is its own inverse."""
    return bits if bits >= 0 else bits ^ _REST


@kernel(inline=True)
def float_of(word: Any) -> Any:
    """Return the float of a word; NaN for none."""
    return np.int64(flip(word)).view(np.float64)


@kernel(inline=True)
def float_word(bits: Any) -> Any:
    """Return the word of a float's bits; every NaN has the same."""
    exponent = bits & np.int64(0x7FF0000000000000)
    nan = exponent == np.int64(0x7FF0000000000000) and (bits & np.int64(0x000FFFFFFFFFFFFF)) != 0
    return NAN_WORD if nan else flip(bits)


@kernel()
def float_words(bits: np.ndarray, out: np.ndarray) -> None:
    """Write the words of floats; every NaN gets the same.

    Parameters
    ----------
    bits : array of shape (n,), int64
        Of float64 values.
    out : array of shape (n,), int64
        Output.
    """
    for i in range(bits.size):
        out[i] = float_word(bits[i])


@kernel()
def gather_float_words(
    bits: np.ndarray, rows: np.ndarray, places: np.ndarray, first: int, out: np.ndarray
) -> None:
    """Write the words of the floats of some rows.

    Parameters
    ----------
    bits : array of shape (n,), int64
        Of float64 values, of rows from `first` on.
    rows : array of shape (m,), int64
        Wanted, for each place of the output.
    places : array of shape (k,), int64
        Which of the m to write; others are of other rows.
    first : int
    out : array of shape (m,), int64
        Changed.
    """
    last = np.int64(places.size - 1)
    for k in range(places.size):
        ahead = np.uint64(places[min(np.int64(k) + _AHEAD, last)])
        prefetch(bits, np.uint64(rows[ahead] - first))
        at = np.uint64(places[k])
        out[at] = float_word(bits[np.uint64(rows[at] - first)])


@kernel()
def word_floats(words: np.ndarray, out: np.ndarray) -> None:
    """Write the bits of the floats of words; the reverse of `float_words`."""
    for i in range(words.size):
        out[i] = flip(words[i])


@kernel()
def place_values(
    words: np.ndarray, rows: np.ndarray, floats: bool, out: np.ndarray, missing: np.ndarray
) -> Any:
    """Write the values of words to the rows that they are of.

    Parameters
    ----------
    words, rows : array of shape (n,), int64
        Words, and where their values go, each in ``[0, n)``.
    floats : bool
        Whether they are of floats, whose bits are written.
    out : array of shape (n,), int64
        Output, 0 where there is no value.
    missing : array of shape (n,), bool
        Output.

    Returns
    -------
    int
        How many have no value.
    """
    found = 0
    for i in range(words.size):
        row, word = np.uint64(rows[i]), words[i]
        none = word == MISSING
        value = flip(word) if floats else word
        out[row] = np.int64(0) if none else value
        missing[row] = none
        found += none
    return found


@kernel()
def scaled(values: np.ndarray, factor: int, out: np.ndarray) -> Any:
    """Write whole numbers times a factor.

    Parameters
    ----------
    values : array of shape (n,), int64
    factor : int
        Positive.
    out : array of shape (n,), int64
        Output.

    Returns
    -------
    bool
        False where one is too large.
    """
    most, beyond = _REST // np.int64(factor), 0
    for i in range(values.size):
        out[i] = values[i] * np.int64(factor)
        beyond += (values[i] > most) | (values[i] < -most)
    return beyond == 0


@kernel()
def fixed_floats(values: np.ndarray, scale: float, words: np.ndarray, out: np.ndarray) -> Any:
    """Write floats as whole multiples of ``1 / scale``, and take NaN for no value.

    Parameters
    ----------
    values : array of shape (n,), float64
        NaN where missing.
    scale : float
        A power of ten.
    words : array of shape (n,), int64
        Their words; those of NaN become ``MISSING``.
    out : array of shape (n,), int64
        Output, ``MISSING`` where there is no value.

    Returns
    -------
    int
        Index of the first value that is too large, infinite too; -1 for none.
    """
    bad = -1
    for i in range(values.size):
        scaled = np.rint(values[i] * scale)
        if np.isnan(values[i]) or words[i] == MISSING:
            out[i] = words[i] = MISSING
        elif abs(scaled) < 9.0e18:
            out[i] = np.int64(scaled)
        else:
            out[i] = MISSING
            bad = i if bad < 0 else bad
    return bad


@kernel()
def hash_entities(entity: np.ndarray, out: np.ndarray) -> None:
    """Write a hash of whole numbers that no two share: what partitions and stores sort by."""
    for i in range(entity.size):
        out[i] = np.int64(integer_hash(entity[i], _SALT))


@kernel()
def hash_texts_twice(offsets: np.ndarray, data: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    """Write two independent hashes of each text: 128 bits tell apart any number of texts by accident.

    Parameters
    ----------
    offsets : array of shape (n + 1,), int64
        Where each text starts in `data`.
    data : array of uint8
        UTF-8.
    first, second : array of shape (n,), int64
        Output.
    """
    for i in range(offsets.size - 1):
        h, g = _FNV_OFFSET, _OTHER_OFFSET
        for p in range(offsets[i], offsets[i + 1]):
            byte = np.uint64(data[p])
            h = (h ^ byte) * _FNV_PRIME
            g = (g + byte + np.uint64(1)) * _OTHER_PRIME
            g ^= g >> np.uint64(29)
        first[i], second[i] = np.int64(mix(h)), np.int64(mix(g))


@kernel()
def checksum(words: np.ndarray) -> Any:
    """Return a sum over words that differs when one is altered or two change places: finds damage, not malice."""
    total, step = np.uint64(words.size), _GOLDEN
    for i in range(words.size):
        total += mix(
            np.uint64(words[i]) ^ step
        )  # unmixed, a bit more in one word and one less in another cancel
        step += _GOLDEN
    return np.int64(total)


@kernel()
def hash_entity(entity: int) -> Any:
    """Return the hash of one whole number, as `hash_entities` has it: a uint64."""
    return integer_hash(np.int64(entity), _SALT)
