"""What a column's numbers mean: logical types with their units, converted exactly or refused.

A model remembers the type of every column as Arrow writes it, such as ``timestamp[us]``; data of another unit is
brought to it before it is encoded, and what cannot be said in it exactly is refused.
"""

from __future__ import annotations

import functools
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from scalable.data.values import numbers
from scalable.errors import DataError

UNITS = ("s", "ms", "us", "ns")
_FLOAT_BITS = {16: 11, 32: 24, 64: 53}  # integers of so many bits are exact


@functools.lru_cache(1024)
def type_named(text: str) -> pa.DataType:
    """Return the Arrow type that is written `text`, the reverse of ``str``.

    Raises
    ------
    ValueError
        When no type of a column is written so.
    """
    try:
        if found := re.fullmatch(r"timestamp\[(\w+), tz=(.+)\]", text):
            return pa.timestamp(found[1], found[2])
        if found := re.fullmatch(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)", text):
            return getattr(pa, f"decimal{found[1]}")(int(found[2]), int(found[3]))
        if found := re.fullmatch(r"dictionary<values=(.+), indices=\w+, ordered=[01]>", text):
            return pa.dictionary(pa.int32(), type_named(found[1]))
        return pa.type_for_alias(text)
    except (OverflowError, RecursionError) as error:  # of more digits, or deeper, than there are
        raise ValueError(f"no type is {text!r:.60}") from error


def is_text(kind: pa.DataType) -> bool:
    """Return whether values are text, of any layout."""
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


@functools.lru_cache(1024)
def family(kind: pa.DataType) -> str:
    """Return a name that types share whose values may be equal: numbers, text, categories, times of one sort."""
    if pt.is_dictionary(kind):
        inner = family(kind.value_type)
        return "categories" if inner == "number" else inner
    if is_text(kind):
        return "text"
    if pt.is_boolean(kind) or pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind):
        return "number"
    if pt.is_timestamp(kind) and kind.tz is not None:
        return "moment"
    if pt.is_date(kind) or pt.is_timestamp(kind):
        return "date and time"
    sorts = (("time of day", pt.is_time), ("duration", pt.is_duration), ("nothing", pt.is_null))
    return next((name for name, test in sorts if test(kind)), str(kind))


def convert(array: pa.Array, name: str, trained: pa.DataType, place: str = "") -> pa.Array:
    """Return a column as a model's training data had it.

    Numbers of any width mean the same and pass as they are, 0 and 1 as booleans do; times are brought to the unit of
    the training data.

    Parameters
    ----------
    array : pyarrow.Array
        Values as readers hand them out: text as a dictionary.
    name : str
        Of the column, for messages.
    trained : pyarrow.DataType
        Its type in training.
    place : str
        Where messages begin, see `RawBlock.place`.

    Raises
    ------
    DataError
        When the two types have no values in common, or a value cannot be had exactly.
    """
    found = array.type
    if found == trained:
        return array
    here, there = family(found), family(trained)
    if pt.is_dictionary(trained) and there not in ("text", "categories"):
        trained = trained.value_type  # readers hand out dictionaries of times as times
    if "nothing" in (here, there):
        return array if here == "number" else pa.nulls(len(array), _plain(trained))
    if (here, there) == ("categories", "number"):
        return convert(array.dictionary_decode(), name, trained, place)
    if (here, there) == ("number", "categories"):
        return categories_of(array)
    if here != there:
        said = here if here == "text" else found
        raise DataError(
            f"{place}column {name!r} is {said} here but was {trained} in training, and neither says what the other "
            "means; give data of the training schema"
        )
    if pt.is_boolean(trained):
        _require_truths(array, name, place)
    return array if here in ("number", "text", "categories") else cast_exactly(array, name, trained, place)


def _require_truths(array: pa.Array, name: str, place: str) -> None:
    """Raise a DataError where a number is neither 0 nor 1, NaN or null."""
    values = numbers(array)
    strange = np.flatnonzero((values != 0) & (values != 1) & (values == values))  # noqa: PLR0124  NaN
    if len(strange):
        raise DataError(
            f"{place}column {name!r} is {values[strange[0]].item()!r} here but was bool in training; give true and "
            "false, or 1 and 0"
        )


def cast_exactly(
    array: pa.Array, name: str, wanted: pa.DataType, place: str = "", there: str = "in training"
) -> pa.Array:
    """Return a column in another unit or width.

    Raises
    ------
    DataError
        When a value cannot be had exactly in it.
    """
    if pt.is_float16(array.type):
        array = array.cast(pa.float32())  # of half floats, Arrow compares none
    try:
        cast = array.cast(wanted)
        kept = pc.fill_null(pc.equal(cast.cast(array.type), array), True)
        if pt.is_floating(array.type):
            kept = pc.or_(kept, pc.fill_null(pc.is_nan(array), True))
        strange = None if pc.all(kept).as_py() in (True, None) else array[kept.index(False).as_py()]
    except pa.ArrowInvalid as error:
        strange = str(error).splitlines()[0]
    except pa.ArrowNotImplementedError:
        strange = "values of another kind"
    if strange is not None:
        one_schema = "give data of the training schema" if there == "in training" else "write one schema"
        raise DataError(
            f"{place}column {name!r} is {array.type} here but {wanted} {there}, which cannot hold {strange} "
            f"exactly; {one_schema}"
        )
    return cast


def categories_of(array: pa.Array) -> pa.DictionaryArray:
    """Return numbers, or a dictionary of them, as categories: ``dictionary<int32, number>``, no NaN or null in it."""
    if pt.is_dictionary(array.type):
        values = array.dictionary
        clean = not values.null_count and not (
            pt.is_floating(values.type) and pc.any(pc.is_nan(values)).as_py()
        )
        if clean:
            wanted = pa.dictionary(pa.int32(), values.type)
            return array if array.type == wanted else array.cast(wanted)
        array = array.dictionary_decode()
    if pt.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    return array.dictionary_encode()


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both without loss; None where there is none."""
    if one == other or pt.is_null(other):
        return one
    if pt.is_null(one):
        return other
    kind = family(one)
    if family(other) != kind:
        return None
    if kind in ("text", "categories"):
        return one
    if kind != "number":
        units = {one.unit if hasattr(one, "unit") else "s", other.unit if hasattr(other, "unit") else "s"}
        return _finer(one, other, max(units, key=UNITS.index))
    return _common_number(one, other)


def _finer(one: pa.DataType, other: pa.DataType, unit: str) -> pa.DataType | None:
    if pt.is_date(one) and pt.is_date(other):
        return pa.date64()
    stamp = one if pt.is_timestamp(one) else other
    if pt.is_timestamp(stamp):
        return pa.timestamp(unit, stamp.tz)
    if pt.is_duration(one):
        return pa.duration(unit)
    return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)


def _common_number(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pt.is_decimal(one) and pt.is_decimal(other):
        scale = max(one.scale, other.scale)
        digits = max(one.precision - one.scale, other.precision - other.scale) + scale
        return pa.decimal128(digits, scale) if digits <= 38 else None
    if any(pt.is_boolean(kind) or pt.is_decimal(kind) for kind in (one, other)):
        return None
    one, other = sorted((one, other), key=pt.is_floating)
    if pt.is_floating(one):
        return max(one, other, key=lambda kind: kind.bit_width)
    if pt.is_floating(other):
        wide = [
            bits for bits, exact in _FLOAT_BITS.items() if exact >= one.bit_width and bits >= other.bit_width
        ]
        return {16: pa.float32(), 32: pa.float32(), 64: pa.float64()}[wide[0]] if wide else None
    if pt.is_signed_integer(one) == pt.is_signed_integer(other):
        return max(one, other, key=lambda kind: kind.bit_width)
    unsigned, signed = (other, one) if pt.is_signed_integer(one) else (one, other)
    bits = max(signed.bit_width, 2 * unsigned.bit_width)
    return {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}.get(bits)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type in which readers hand out columns of a type."""
    if family(kind) == "text":
        return pa.dictionary(pa.int32(), pa.string())
    return pa.float64() if pt.is_null(kind) else kind
