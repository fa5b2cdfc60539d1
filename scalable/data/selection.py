"""Which rows of a source are used: filters on values, and deterministic splits by a hash."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.columns import require_column
from scalable.data.types.logical import family
from scalable.data.values import dictionary_codes, numbers
from scalable.errors import UsageError
from scalable.kernels.encode import encoding

Condition = tuple[str, str, Any]
Filters = Sequence[Condition] | Sequence[Sequence[Condition]]


def _within(array: pa.Array, values: Sequence[Any]) -> pa.Array:
    """Return where a column has one of some values."""
    values = [value + 0.0 if isinstance(value, float) else value for value in values]
    try:
        wanted = pa.array([_in_full(value) for value in values])
        one_type = len(set(map(type, values))) == 1  # of days and times, Arrow makes days
        if one_type and _looked_up_as_equal(array.type, wanted.type):
            return pc.is_in(array, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, OverflowError):
        pass  # values of several types
    found = pa.array(np.zeros(len(array), bool))
    for value in values:
        found = pc.or_(found, pc.equal(*_comparable(array, value)).fill_null(False))
    return found


def _looked_up_as_equal(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a look-up finds what equals: it takes one o'clock for its day, texts for truths, spans for integers."""
    both = {family(kind), family(wanted)}
    return kind == wanted or both == {"text"} or (both == {"number"} and not pa.types.is_boolean(kind))


_COMPARE: dict[str, tuple[Callable[..., Any], Callable[[Any, Any, Any], bool]]] = {
    # operator -> the comparison, and whether a range of values can hold a match
    "==": (pc.equal, lambda low, high, value: low <= value <= high),
    "!=": (pc.not_equal, lambda low, high, value: not low == high == value),
    "<": (pc.less, lambda low, high, value: low < value),
    "<=": (pc.less_equal, lambda low, high, value: low <= value),
    ">": (pc.greater, lambda low, high, value: high > value),
    ">=": (pc.greater_equal, lambda low, high, value: high >= value),
    "in": (_within, lambda low, high, values: any(
        low <= value <= high for value in values
    )),
    "not in": (lambda array, values: pc.invert(_within(array, values)), lambda *_: True),
}  # fmt: skip
BUCKETS = 2**30  # hashes of rows


class RowPart(Protocol):
    """A part of the rows, which a block and one column tell."""

    @property
    def by(self) -> str | None:
        """Column that it looks at."""

    def mask(self, block: RawBlock) -> NDArray[np.bool_]:
        """Return which rows of a block belong to the part."""


@dataclass(frozen=True)
class Part:
    """Rows whose hash falls in ``[low, high)`` of the unit interval.

    Attributes
    ----------
    by : str or None
        Column whose values are hashed, so that equal ones stay together; None: the row's index.
    seed : int
        Another seed is another split.
    """

    low: float
    high: float
    by: str | None = None
    seed: int = 0

    def mask(self, block: RawBlock) -> NDArray[np.bool_]:
        """Return which rows of a block belong to the part."""
        places = self.places(block)
        return (places >= self.low * BUCKETS) & (places < self.high * BUCKETS)

    def places(self, block: RawBlock) -> NDArray[np.int32]:
        """Return the hash of each row of a block, below `BUCKETS`."""
        salt = np.uint64(zlib.crc32(f"split {self.seed}".encode()))
        places = np.empty(block.n_rows, np.int32)
        if self.by is None:
            rows = np.arange(block.first_row, block.first_row + block.n_rows)
            encoding.hash_integers(rows, salt, 0, BUCKETS, places)
        else:
            _hash_values(block.arrays[self.by], salt, places)
        return places


@dataclass(frozen=True)
class Selection:
    """Rows that satisfy any of some conjunctions of conditions, and lie in all of some parts.

    Attributes
    ----------
    filters : tuple of tuple of (column, operator, value)
        Any of these must hold with all its conditions; none at all selects every row.
    parts : tuple of RowPart
        Splits of splits.
    """

    filters: tuple[tuple[Condition, ...], ...] = ()
    parts: tuple[RowPart, ...] = ()

    @property
    def filtered(self) -> list[str]:
        """Names of the columns that filters look at."""
        return list(dict.fromkeys(name for all_of in self.filters for name, _, _ in all_of))

    @property
    def columns(self) -> list[str]:
        """Names of the columns it looks at."""
        by = [part.by for part in self.parts if part.by is not None]
        return list(dict.fromkeys([*self.filtered, *by]))

    def apply(self, block: RawBlock, names: Sequence[str]) -> RawBlock:
        """Return the selected rows of a block, columns `names` only."""
        mask = np.ones(block.n_rows, bool)
        if self.filters:
            held = [
                np.logical_and.reduce([_holds(block.arrays[one[0]], *one) for one in all_of])
                for all_of in self.filters
            ]
            mask &= np.logical_or.reduce(held)
        for part in self.parts:
            mask &= part.mask(block)
        chosen = pa.array(mask)
        arrays = {name: block.arrays[name] for name in names}
        if not mask.all():
            arrays = {name: array.filter(chosen) for name, array in arrays.items()}
        origin = None if block.origin is None else replace(block.origin, kept=mask)
        return RawBlock(arrays, block.first_row, int(mask.sum()), origin)

    def possible(self, ranges: Callable[[str], tuple[Any, Any] | None]) -> bool:
        """Return whether rows may match, given the least and greatest value of a column where known."""

        def can_hold(name: str, how: str, value: Any) -> bool:
            known = ranges(name)
            if known is None or (isinstance(known[0], Decimal) and isinstance(value, (float, list))):
                return True  # rows are compared with fractions as Arrow rounds decimals
            try:
                return bool(_COMPARE[how][1](*known, value))
            except TypeError:  # statistics of another type than the value: the rows will tell
                return True

        return not self.filters or any(all(can_hold(*one) for one in all_of) for all_of in self.filters)


def read_filters(filters: Filters | None, schema: pa.Schema, where: str) -> Selection | None:
    """Check filters as users write them: conditions that must all hold, or a list of such lists.

    Raises
    ------
    UsageError
        When a condition is not (column, operator, value) or the operator is unknown.
    DataError
        When the column does not exist.
    """
    if not filters:
        return None
    nested: Iterable[Any] = [filters] if isinstance(filters[0], tuple) else filters
    found = tuple(tuple(_spelt(condition) for condition in all_of) for all_of in nested)
    for all_of in found:
        for condition in all_of:
            if len(condition) != 3 or condition[1] not in _COMPARE:
                raise UsageError(
                    f"filter {condition!r} is not (column, operator, value) with one of {', '.join(_COMPARE)}"
                )
            require_column(schema, condition[0], where, "filter")
    return Selection(
        tuple(
            tuple(
                (name, how, _given(schema.field(name).type, name, how, value)) for name, how, value in all_of
            )
            for all_of in found
        )
    )


def _spelt(condition: Any) -> tuple[Any, ...]:
    """Return a condition with ``==`` for ``=``, which pyarrow takes as well."""
    return tuple("==" if k == 1 and part == "=" else part for k, part in enumerate(condition))


def _given(kind: pa.DataType, name: str, how: str, value: Any) -> Any:
    """Return what a column is compared with: one value, or for in and not in several, as the column holds them."""
    several, scalar = how in ("in", "not in"), isinstance(value, (str, bytes)) or not np.iterable(value)
    if several == scalar:
        wanted = "a list of values" if several else "one value; for several there is 'in'"
        raise UsageError(f"filter ({name!r}, {how!r}, {value!r}): {how!r} takes {wanted}")
    if several:
        ordered = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return [_given(kind, name, "==", each) for each in ordered]
    if isinstance(value, (np.number, np.bool_)):
        value = (
            value.item()
        )  # statistics are compared in Python, where a float32 would bring them to its precision
    if pa.types.is_floating(kind) and isinstance(value, (float, Decimal)):
        value = float(value)
        with np.errstate(over="ignore"):
            near = float(kind.to_pandas_dtype()(value))
        return near if np.isfinite(near) else value  # 0.1 is the 0.1 of the column
    return value


def divide(shares: Sequence[float], by: str | None, seed: int) -> list[Part]:
    """Return parts of the unit interval of sizes in proportion to `shares`."""
    if not shares or min(shares) <= 0.0:
        raise UsageError(f"shares must be positive, not {list(shares)}")
    edges = np.cumsum([0.0, *shares]) / sum(shares)
    edges[-1] = 1.0
    return [Part(float(low), float(high), by, seed) for low, high in pairwise(edges)]


def _holds(array: pa.Array, name: str, how: str, value: Any) -> NDArray[np.bool_]:
    """Return where a condition holds; never for what is missing, null or NaN."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())  # of which Arrow compares no values
    if pa.types.is_floating(array.type):
        array = pc.add(array, pa.scalar(0.0, array.type))  # -0.0 equals 0.0, but not as bits do
    try:
        if how in ("in", "not in"):
            found = _COMPARE[how][0](array, value)
        else:
            array, comparable = _comparable(array, value)
            found = _COMPARE[how][0](array, comparable)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, TypeError) as error:
        raise UsageError(
            f"filter ({name!r}, {how!r}, {value!r}): a column of {array.type} cannot be compared so ({error}); give "
            "a value of the column's type"
        ) from error
    known = pc.invert(pc.is_null(array, nan_is_null=True))
    return np.asarray(pc.and_(known, found.fill_null(False)).to_numpy(zero_copy_only=False))


def _comparable(array: pa.Array, value: Any) -> tuple[pa.Array, Any]:
    """Return a column and a value as Arrow compares them: integers in the column's type, or else as decimals."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if whole and pa.types.is_decimal(array.type):
        return array, pa.scalar(Decimal(int(value)))
    if not pa.types.is_integer(array.type):
        return array, _in_full(value)
    if isinstance(value, (float, np.floating)):
        if not float(value).is_integer():  # rounding of integers passes no fraction
            return array.cast(pa.float64(), safe=False), value
        whole = True
    if not whole:
        return array, value
    try:
        return array, pa.scalar(int(value), array.type)
    except (pa.ArrowInvalid, OverflowError):
        return array.cast(pa.decimal128(38, 0)), pa.scalar(Decimal(int(value)), pa.decimal128(38, 0))


def _in_full(value: Any) -> Any:
    """Return a value with the nanoseconds of pandas, which Arrow leaves out of what it is given one by one."""
    if getattr(value, "nanosecond", 0):
        return pa.scalar(value.value, pa.timestamp("ns", None if value.tz is None else "UTC"))
    return pa.scalar(value.value, pa.duration("ns")) if getattr(value, "nanoseconds", 0) else value


def _hash_values(array: pa.Array, salt: np.uint64, out: NDArray[np.int32]) -> None:
    if pa.types.is_dictionary(array.type):
        texts = array.dictionary.to_pylist()
        table = np.empty(len(texts) + 1, np.int32)
        codes = np.array([zlib.crc32(str(text).encode()) for text in [*texts, ""]], np.int64)
        encoding.hash_integers(codes, salt, 0, BUCKETS, table)
        encoding.look_up(table, dictionary_codes(array), 0, out)
        return
    if pa.types.is_integer(array.type) and array.null_count:
        array = array.fill_null(0)  # as float64 with NaN, equal ones would part from those of other blocks
    values = numbers(array)
    if values.dtype.kind == "f":
        whole = (np.where(np.isfinite(values), values, -1.0).astype(np.float64) + 0.0).view(np.int64)
    else:
        whole = values.astype(np.int64)
    encoding.hash_integers(whole, salt, 0, BUCKETS, out)
