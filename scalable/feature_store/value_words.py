"""Arrow columns as 64-bit words and back, see `scalable.kernels.timeline.words`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.types.logical import is_text
from scalable.data.values import dictionary_codes, numbers, plain, read_only
from scalable.errors import DataError
from scalable.kernels.timeline.words import (
    MISSING,
    float_words,
    hash_texts_twice,
    place_values,
    scaled,
    word_floats,
)

Words = NDArray[np.int64]
Texts = dict[int, str]
_FACTORS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def text_hashes(texts: pa.Array) -> tuple[Words, Words]:
    """Return two hashes of each text, null like an empty one."""
    plain = texts.cast(pa.large_string()).fill_null("")
    n = len(plain)
    first, second = np.empty(n, np.int64), np.empty(n, np.int64)
    if n:
        _, offsets, data = plain.buffers()
        places = np.frombuffer(offsets, np.int64)[plain.offset : plain.offset + n + 1]
        bytes_ = np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
        hash_texts_twice(places, bytes_, first, second)
    return first, second


def _nulls(array: pa.Array) -> NDArray[np.bool_]:
    if not array.null_count:
        return np.zeros(len(array), np.bool_)
    return numbers(array.is_null()).view(np.bool_)  # `to_numpy` would import pandas where it is installed


def _whole(array: pa.Array) -> Words:
    """Return integers, booleans and times as int64, ``MISSING`` where null."""
    kind = array.type
    if pt.is_boolean(kind):
        array = array.cast(pa.uint8())
    if pt.is_date32(kind) or pt.is_time32(kind):
        array = array.cast(pa.int32())
    whole = array.cast(pa.int64())
    return np.asarray(numbers(whole.fill_null(int(MISSING)) if whole.null_count else whole), np.int64)


def entity_words(block: RawBlock, name: str) -> tuple[Words, Words, NDArray[np.bool_]]:
    """Return whom rows are about as two words each, and where it is missing.

    Raises
    ------
    DataError
        A number does not fit int64.
    """
    array = block.arrays[name]
    missing = _nulls(array)
    if pt.is_dictionary(array.type):
        codes = dictionary_codes(array)
        first, second = (np.append(each, 0)[codes] for each in text_hashes(array.dictionary))
        return first, second, missing
    try:
        words = _whole(array)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{block.where(0)} and on: entity column {name!r} does not fit int64 ({error})"
        ) from None
    return words, words, missing


def time_words(block: RawBlock, name: str, unit: str | None, role: str) -> Words:
    """Return times in nanoseconds since 1970.

    Raises
    ------
    DataError
        A time is missing, if only by the number that stands for none, or further away than nanoseconds reach (years
        1678 to 2262).
    """
    array = block.arrays[name]
    if array.null_count:
        row = int(np.flatnonzero(_nulls(array))[0])
        raise DataError(
            f"{block.where(row)}: {role} {name!r} is missing; leave such rows out, or give them a time"
        )
    if pt.is_timestamp(array.type) and array.type.unit != "ns":
        words = np.empty(len(array), np.int64)
        if scaled(read_only(np.asarray(numbers(plain(array)))), _FACTORS[array.type.unit], words):
            return words
    try:
        if pt.is_integer(array.type):
            array = pc.multiply_checked(array.cast(pa.int64()), _FACTORS[unit or "ns"])
        else:
            array = array.cast(pa.timestamp("ns", getattr(array.type, "tz", None)))
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{block.where(0)} and on: {role} {name!r} is further away than nanoseconds reach ({error}); leave "
            "such rows out"
        ) from None
    words = np.asarray(numbers(array.cast(pa.int64())), np.int64)
    if words.min(initial=0) == MISSING:  # NaT as a number: it would be known before all others
        row = int(np.argmin(words))
        raise DataError(
            f"{block.where(row)}: {role} {name!r} is {MISSING}, which stands for no time; leave such rows out, or give "
            "them a time"
        )
    return words


def value_words(array: pa.Array, name: str) -> tuple[Words, tuple[Words, pa.Array] | None]:
    """Return values as words; where those are hashes, also the hashes and texts behind them, if there are any.

    Raises
    ------
    DataError
        A value is the number that stands for none.
    """
    if pt.is_dictionary(array.type):
        codes = dictionary_codes(array)
        first, _ = text_hashes(array.dictionary)
        return np.append(first, MISSING)[codes], (first, array.dictionary) if len(first) else None
    if not pt.is_floating(array.type):
        words = _whole(array)
        if array.type.bit_width == 64 and np.count_nonzero(words == MISSING) > array.null_count:
            raise DataError(
                f"column {name!r} holds {MISSING}, which stands for no value here; leave such rows out, or write floats"
            )
        return words, None
    wide = array.cast(pa.float64())
    bits = np.asarray(numbers(wide.fill_null(0.0) if wide.null_count else wide)).view(np.int64)
    words = np.empty(len(array), np.int64)
    float_words(np.ascontiguousarray(bits), words)
    if wide.null_count:
        words[_nulls(wide)] = MISSING
    return words, None


def floats_of(words: Words) -> NDArray[np.float64]:
    """Return the floats of words."""
    bits = np.empty(len(words), np.int64)
    word_floats(np.ascontiguousarray(words), bits)
    return bits.view(np.float64)


def arrow_of(values: NDArray[Any], missing: NDArray[np.bool_] | None = None) -> pa.Array:
    """Return int64 or float64 values as a column, those that are `missing` zeros already: they are written to files.

    ``pyarrow.array`` would import pandas where it is installed.
    """
    kind = pa.float64() if values.dtype == np.float64 else pa.int64()
    bits = None
    if missing is not None and missing.any():
        bits = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(np.ascontiguousarray(values))])


def restore(words: Words, rows: Words, kind: pa.DataType, texts: TextTable | None = None) -> pa.Array:
    """Return words, each of a row, as an Arrow column of a type, in order of the rows; the reverse of `value_words`."""
    values, missing = np.empty(len(words), np.int64), np.empty(len(words), np.bool_)
    none = place_values(words, rows, pt.is_floating(kind), values, missing)
    if is_text(kind) or pt.is_dictionary(kind):
        assert texts is not None
        return texts.look_up(values, missing)
    whole = arrow_of(values.view(np.float64) if pt.is_floating(kind) else values, missing if none else None)
    narrow = pt.is_date32(kind) or pt.is_time32(kind)
    return (whole.cast(pa.int32()) if narrow else whole).cast(kind)


class TextTable:
    """Texts by their hash.

    Parameters
    ----------
    hashes : array of shape (n,), int64
    texts : pyarrow.Array of n texts
    """

    def __init__(self, hashes: Words, texts: pa.Array) -> None:
        order = np.argsort(hashes, kind="stable")
        self.hashes, self.texts = hashes[order], texts.take(arrow_of(order))

    def look_up(self, words: Words, missing: NDArray[np.bool_]) -> pa.Array:
        """Return the text of each hash."""
        if not len(self.hashes):
            return pa.nulls(len(words), pa.string())
        at = np.minimum(np.searchsorted(self.hashes, words), len(self.hashes) - 1)
        return self.texts.take(arrow_of(at, missing))


def join_texts(pairs: list[tuple[Words, pa.Array]]) -> TextTable:
    """Return one table of all texts.

    Raises
    ------
    DataError
        Two different texts have the same hash.
    """
    if not pairs:
        return TextTable(np.empty(0, np.int64), pa.array([], pa.string()))
    hashes = np.concatenate([each for each, _ in pairs])
    texts = pa.concat_arrays([each.cast(pa.string()) for _, each in pairs])
    _, first, back = np.unique(hashes, return_index=True, return_inverse=True)
    same = pc.equal(texts, texts.take(arrow_of(first[back])))
    if not pc.all(same).as_py() and len(texts):
        wrong = texts[same.index(False).as_py()]
        raise DataError(
            f"two texts have one hash, {wrong} is one of them; code them as numbers in the source"
        )
    return TextTable(hashes[first], texts.take(arrow_of(first)))
