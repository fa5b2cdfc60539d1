"""One value of a request as the cell of a packed row: of the type its column had in training, or refused."""

from __future__ import annotations

import decimal
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from scalable.data.readers.arrow import canonical
from scalable.data.types.logical import type_named
from scalable.data.values import numbers
from scalable.errors import DataError, ModelError
from scalable.features.encoder import as_trained
from scalable.inference.request.times import NotATimeError, tick_reader
from scalable.kernels.encode.request import ABSENT

Cell = Callable[[Any], Any]
LEAST, MOST = -(2**63), 2**64


class Value:
    """How the values of one column are read.

    Parameters
    ----------
    name, arrow_type, kind : str
        As the encoder has them.
    """

    def __init__(self, name: str, arrow_type: str, kind: str) -> None:
        self.name, self.arrow_type, self.kind = name, arrow_type, kind
        try:
            self.type = type_named(arrow_type)
        except ValueError as error:
            raise ModelError(
                f"the model's column {name!r} has no type that is known ({arrow_type})"
            ) from error

    def refusal(self, value: Any, why: str = "") -> DataError:
        """Return the error of a value that is not of the column's type."""
        found = f"{value!r:.60} ({type(value).__name__})"
        return DataError(
            f"column {self.name!r} is {found} here but was {self.arrow_type} in training"
            f"{f': {why}' if why else ''}; give data of the training schema"
        )

    def array(self, value: Any) -> pa.Array:
        """Return any value as the array of one row that batch prediction would have; null for a missing one."""
        try:
            found = pa.array([self._of_arrow(value)], from_pandas=True)
            if found.null_count:
                return found
            return as_trained(canonical(found, found.type), self.name, self.arrow_type, self.kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise self.refusal(value) from error

    def _of_arrow(self, value: Any) -> Any:
        """Return a value; an integer that Arrow takes for none of its own as one that it does."""
        if type(value) is not int or LEAST <= value < -LEAST:
            return value
        if pt.is_decimal(self.type):
            return decimal.Decimal(value)
        found = self.number(value)  # refuses what no column of integers holds
        return found if pt.is_floating(self.type) else np.uint64(value)

    def number(self, value: Any) -> float:
        """Return a number as a double, NaN where it is missing."""
        if value is None:
            return np.nan
        if type(value) in (float, int, bool):
            if type(value) is int and not (LEAST <= value < MOST or pt.is_floating(self.type)):
                raise self.refusal(value, "more than 64 bits")
            try:
                found = float(value)
            except OverflowError:
                raise self.refusal(value, "out of range") from None
            if pt.is_boolean(self.type) and found not in (0.0, 1.0) and found == found:  # noqa: PLR0124
                raise self.refusal(value, "neither 0 nor 1")
            return found
        array = self.array(value)
        return np.nan if array.null_count else float(numbers(array)[0])

    def narrow(self, value: Any) -> float:
        """Return a number as a column of fewer bits than a double's holds it."""
        found = self.number(value)
        wanted = np.float16 if pt.is_float16(self.type) else np.float32
        with np.errstate(over="ignore"):
            rounded = float(wanted(found))
        if np.isinf(rounded) and not np.isinf(found):
            raise self.refusal(value, "out of range")
        return rounded

    def decimal(self, value: Any) -> float:
        """Return a decimal as a double, as a column of the type it had in training would."""
        if isinstance(value, bool) or not isinstance(value, (float, int, decimal.Decimal)):
            return self.number(value)
        if value != value:  # noqa: PLR0124
            return np.nan
        exact = decimal.Decimal(repr(float(value)) if isinstance(value, float) else value)
        if not exact.is_finite():
            return float(exact)
        try:
            return float(numbers(pa.array([exact], self.type))[0])
        except pa.ArrowException:  # more digits than the column had
            return float(exact)

    def time(self) -> Cell:
        """Return the reader of times: counts of the column's unit, ``ABSENT`` where missing."""
        ticks = tick_reader(self.type)

        def cell(value: Any) -> int:
            if value is None:
                return ABSENT
            try:
                found = ticks(value)
            except NotATimeError as error:
                raise self.refusal(value, str(error)) from None
            except TypeError:
                if isinstance(value, bool) or (isinstance(value, float) and value == value):  # noqa: PLR0124
                    raise self.refusal(value) from None
                array = self.array(value)
                if array.null_count:
                    return ABSENT
                found = int(numbers(array)[0])
            if not ABSENT < found < -ABSENT:
                raise self.refusal(value, "out of range")
            return found

        return cell

    def code(self, categories: Sequence[Any]) -> Cell:
        """Return the reader of known categories: the place of one, then that of others, then that of missing values."""
        return _Codes(self, categories).__getitem__

    def level(self, levels: Sequence[Any]) -> Cell:
        """Return the reader of levels of a category, texts or numbers: its code, NaN where there is none.

        Beside texts, a number is taken for the code.
        """
        places = {level: float(k) for k, level in enumerate(levels)}
        texts = type(levels[0]) is str

        def cell(value: Any) -> float:
            if texts and isinstance(value, str):
                return places.get(value, np.nan)
            found = self.number(value)
            return found if texts else places.get(found, np.nan)

        return cell

    def content(self, value: Any) -> bytes | None:
        """Return the bytes that are hashed, None where the value is missing."""
        if type(value) is str:
            try:
                return value.encode()
            except UnicodeEncodeError as error:
                raise self.refusal(value, str(error)) from None
        if value is None:
            return None
        found = self.array(value)
        if found.null_count:
            return None
        text = found.dictionary.cast(pa.string())[found.indices[0].as_py()]
        return str(text.as_py()).encode()

    def whole(self, value: Any) -> bytes | None:
        """Return the eight bytes of an integer that is hashed, None where it is missing."""
        if type(value) is int and LEAST <= value < -LEAST:
            return value.to_bytes(8, "little", signed=True)
        if value is None:
            return None
        if isinstance(value, (int, np.integer)) and LEAST <= value < MOST:
            return (int(value) % MOST).to_bytes(8, "little")
        found = self.number(value)
        if found != found:  # noqa: PLR0124
            return None
        if found == np.floor(found) and LEAST <= found < MOST:
            return (int(found) % MOST).to_bytes(8, "little")
        return struct.pack("<d", found)  # as in a block, the bits of what is no integer

    def bucket(self, n_buckets: int) -> Cell:
        """Return the reader of texts that older models hash by CRC-32: a bucket, -1 where missing."""

        def cell(value: Any) -> int:
            found = self.content(value)
            return -1 if found is None else zlib.crc32(found) % n_buckets

        return cell


class _Codes(dict[Any, int]):
    """The place of each category; what is none is looked at once more, as a block would."""

    def __init__(self, value: Value, categories: Sequence[Any]) -> None:
        super().__init__({category: place for place, category in enumerate(categories)})
        self._value, self._unknown = value, len(categories)
        self[None] = self._unknown + 1
        self._numbers = value.kind != "text"

    def __missing__(self, key: Any) -> int:
        value = self._value
        if type(key) is str and not self._numbers:
            if not pt.is_dictionary(value.type) or not column_of_numbers(value.type):
                return self._unknown
            raise value.refusal(key)
        if self._numbers:  # integers that are categories
            found = value.number(key)
            return self._unknown + 1 if found != found else self.get(found, self._unknown)  # noqa: PLR0124
        array = value.array(key)
        if array.null_count:
            return self._unknown + 1
        return self.get(array.dictionary[array.indices[0].as_py()].as_py(), self._unknown)


def column_of_numbers(kind: pa.DataType) -> bool:
    """Return whether a dictionary's values are numbers."""
    return bool(pt.is_primitive(kind.value_type))
