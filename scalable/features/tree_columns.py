"""What the trees' encoder does with one raw column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.values import dictionary_codes
from scalable.features.target_encoding.means import Rates


@dataclass(frozen=True, slots=True)
class TreeColumn:
    """What is done with one raw column.

    Attributes
    ----------
    name, arrow_type, kind : str
        As in the files; `kind` is one of ``scalable.data.columns.KINDS``.
    levels : tuple of str or None
        Level of each category code, for text that becomes codes.
    rates : Rates or None
        Mean targets and shares, for text of more levels and for identifiers.
    """

    name: str
    arrow_type: str
    kind: str
    levels: tuple[str, ...] | None = None
    rates: Rates | None = None

    @property
    def width(self) -> int:
        """Number of matrix columns."""
        return self.rates.width if self.rates is not None else 1

    @property
    def narrow(self) -> bool:
        """Whether float32 holds its values exactly."""
        if self.rates is not None:
            return self.rates.table.dtype == np.float32
        return self.levels is not None or self.arrow_type in (
            "bool", "int8", "uint8", "int16", "uint16", "float", "halffloat", "null",
        )  # fmt: skip

    def describe(self) -> str:
        """Return what was done, in a few words."""
        if self.rates is not None:
            identifier = "" if self.kind == "text" else "an identifier by its name and many values: "
            return identifier + self.rates.describe()
        if self.levels is not None:
            return f"{len(self.levels)} categories"
        if self.kind == "temporal":
            return "number (epoch units)"
        if self.kind == "boolean":
            return "0/1"
        if self.arrow_type in ("int64", "uint64"):
            return "number (exact up to 2^53)"
        return "number"


def category_codes(array: pa.Array, levels: Sequence[str]) -> NDArray[np.float64]:
    """Return the code of each value; NaN for null and for levels never seen in training."""
    code_of = {level: float(code) for code, level in enumerate(levels)}
    values = array.dictionary.to_pylist()
    # One entry more than the dictionary: where nulls point to.
    table = np.array([*(code_of.get(value, np.nan) for value in values), np.nan])
    return np.asarray(table[dictionary_codes(array)])
