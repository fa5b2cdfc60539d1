"""What a column is: its name, Arrow type, unit, law, and how it is encoded in Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from data_gen.errors import RequestError

TIMESTAMP = "timestamp[ms, UTC]"
CATEGORY = "category"

_STORAGE = {
    "bool": np.bool_,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "float32": np.float32,
    "float64": np.float64,
    TIMESTAMP: np.int64,
    CATEGORY: np.int8,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a dataset.

    Parameters
    ----------
    name : str
        Also the name of the column's random stream.
    type : str
        ``bool``, ``int8`` .. ``int64``, ``float32``, ``float64``, ``timestamp[ms, UTC]`` or ``category``
        (an Arrow dictionary of strings with int8 codes).
    unit : str
        Unit of the values, ``"1"`` when they have none.
    law : str
        How the values are distributed, in one sentence.
    encoding : {"plain", "dictionary", "delta"}
        Parquet encoding: dictionaries only where there are few levels, deltas for times and counts.
    nullable : bool
        Whether values can be missing.
    levels : tuple of str
        The strings of a category, in the order of their codes.
    """

    name: str
    type: str
    unit: str
    law: str
    encoding: Literal["plain", "dictionary", "delta"] = "plain"
    nullable: bool = False
    levels: tuple[str, ...] = ()

    @property
    def storage(self) -> np.dtype[Any]:
        """NumPy type in which the values are generated (codes for a category)."""
        return np.dtype(_STORAGE[self.type])


class Values(NamedTuple):
    """Generated values of one column: storage values, and which of them are present.

    Parameters
    ----------
    data : (n,) array of the column's storage type
    valid : (n,) bool or None
        None when no value is missing.
    """

    data: np.ndarray[Any, Any]
    valid: np.ndarray[Any, np.dtype[np.bool_]] | None = None


Frame = dict[str, Values]


@dataclass(frozen=True, slots=True)
class Knob:
    """A named, documented parameter of a dataset.

    Parameters
    ----------
    name : str
    default : int, float, str
        Also gives the knob's type.
    meaning : str
        One sentence with the unit.
    choices : tuple of str
        Allowed values of a string knob; empty allows any.
    low, high : float
        Inclusive bounds of a number.
    """

    name: str
    default: int | float | str
    meaning: str
    choices: tuple[str, ...] = ()
    low: float = float("-inf")
    high: float = float("inf")

    def checked(self, value: Any) -> int | float | str:
        """Return `value` as the knob's type.

        Raises
        ------
        RequestError
            When the value has another type, is out of bounds or not among the choices.
        """
        kind = type(self.default)
        try:
            found = kind(value)
            exact = kind is str or (float(found) == float(value) and not isinstance(value, bool))
        except (TypeError, ValueError, OverflowError):  # an infinite number of whole ones
            exact = False
        if not exact:
            raise RequestError(f"knob {self.name}={value!r}: expected {kind.__name__} ({self.meaning})")
        if isinstance(found, str):
            if self.choices and found not in self.choices:
                raise RequestError(f"knob {self.name}={value!r}: expected one of {', '.join(self.choices)}")
        elif not self.low <= found <= self.high:
            raise RequestError(f"knob {self.name}={value!r}: expected {self.low:g} to {self.high:g}")
        return found
