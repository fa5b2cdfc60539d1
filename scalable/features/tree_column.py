"""What the trees' encoder does with one raw column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.features.state import check_categories
from scalable.features.target_encoding.means import TargetMeans


@dataclass(frozen=True, slots=True)
class TreeColumn:
    """What is done with one raw column.

    Attributes
    ----------
    name, arrow_type, kind : str
        As in the files; `kind` is one of ``scalable.data.columns.KINDS``.
    categories : tuple or None
        Category of each code, for text that becomes codes.
    means : TargetMeans or None
        Mean targets and shares, for text of more categories and for identifiers.
    numbered : bool
        Whether the number of an identifier is used, behind its mean and share where these are.
    distrust : str
        Why means by it are not used.
    coded : bool
        Whether its numbers are codes of categories already.
    """

    name: str
    arrow_type: str
    kind: str
    categories: tuple[Any, ...] | None = None
    means: TargetMeans | None = None
    coded: bool = False
    numbered: bool = False
    distrust: str = ""

    @property
    def left_out(self) -> bool:
        """Whether nothing of it is learned from."""
        return bool(self.distrust) and not self.numbered

    @property
    def width(self) -> int:
        """Number of matrix columns."""
        if self.left_out:
            return 0
        return self.means.width + self.numbered if self.means is not None else 1

    @property
    def names(self) -> list[str]:
        """Names of its matrix columns."""
        if self.left_out:
            return []
        suffixes = [] if self.means is None else self.means.suffixes
        whole = [self.name] if self.means is None or self.numbered else []
        return [*(f"{self.name}_{suffix}" for suffix in suffixes), *whole]

    @property
    def narrow(self) -> bool:
        """Whether float32 holds its values exactly."""
        if self.left_out:
            return True
        if self.means is not None:
            return self.means.table.dtype == np.float32 and not self.numbered
        return self.categories is not None or self.arrow_type in (
            "bool", "int8", "uint8", "int16", "uint16", "float", "halffloat", "null",
        )  # fmt: skip

    def check(self) -> None:
        """Raise a TypeError or ValueError where no value of the column's kind could be encoded so."""
        listed, averaged = self.categories is not None, self.means is not None
        if self.kind == "text":
            fits = (listed != averaged or (self.left_out and not listed)) and not (
                self.numbered or self.coded
            )
        else:
            fits = not listed and (self.means is None or (self.kind == "integer" and not self.means.crc))
        if not fits:
            raise ValueError(f"column {self.name!r} of type {self.arrow_type!r} and kind {self.kind!r}")
        check_categories("text", self.categories or ())

    def describe(self) -> str:
        """Return what was done, in a few words."""
        if self.distrust:
            return f"{'left out' if self.left_out else 'number without mean target'}, {self.distrust}"
        if self.means is not None:
            identifier = "" if self.kind == "text" else "an identifier by its name and many values: "
            return identifier + self.means.describe() + ("; and the number" if self.numbered else "")
        if self.categories is not None:
            return f"{len(self.categories)} categories"
        if self.coded:
            return "numbers that are categories"
        if self.kind == "temporal":
            return "number (epoch units)"
        if self.kind == "boolean":
            return "0/1"
        if self.arrow_type in ("int64", "uint64"):
            return "number (exact up to 2^53)"
        return "number"
