"""Two columns of categories taken together: a level for each pair of their levels.

A tree splits one column at a time, so what a merchant's category means in one country and not in others costs it a
split for each; the mean target of the pair tells it at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.values import dictionary_codes
from scalable.features.target_encoding.cross_fitted import OutOfFold
from scalable.features.target_encoding.means import Rates
from scalable.kernels.encode import encoding


@dataclass(frozen=True, slots=True)
class Pair:
    """Two text columns and the levels that are told apart.

    Attributes
    ----------
    names : tuple of str
        The columns.
    levels : tuple of tuple of str
        Of each; all others and null are one more level.
    """

    names: tuple[str, str]
    levels: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def name(self) -> str:
        """Both names."""
        return "_x_".join(self.names)

    @property
    def shape(self) -> tuple[int, int]:
        """Levels of each, that of the unknown included."""
        return len(self.levels[0]) + 1, len(self.levels[1]) + 1

    @property
    def n_slots(self) -> int:
        """Pairs of levels."""
        return self.shape[0] * self.shape[1]

    def slots(self, arrays: Mapping[str, pa.Array]) -> NDArray[np.int32]:
        """Return the place of each row's pair in a table of `shape`, row by row."""
        first, second = (
            level_codes(arrays[name], levels) for name, levels in zip(self.names, self.levels, strict=True)
        )
        return first * np.int32(self.shape[1]) + second


@dataclass(frozen=True, slots=True)
class PairRates:
    """A pair and the mean targets of its levels.

    Attributes
    ----------
    pair : Pair
        Of columns.
    rates : Rates
        Whose means are a column of the matrix; their shares are not.
    """

    pair: Pair
    rates: Rates

    def encode(
        self, arrays: Mapping[str, pa.Array], others: OutOfFold | None, first_row: int
    ) -> NDArray[np.float32]:
        """Return the mean of each row's pair, that of other folds where `others` is given."""
        slots = self.pair.slots(arrays)
        taken = self.rates.take(slots) if others is None else others.take(slots, first_row)
        return np.asarray(taken[0])

    def describe(self) -> str:
        """Return what was done, in one line."""
        return f"{' x '.join(self.pair.names)}: mean target per pair of levels, out of fold in training"


def level_codes(array: pa.DictionaryArray, levels: tuple[str, ...]) -> NDArray[np.int32]:
    """Return the place of each value among `levels`; the place after the last for others and for null."""
    code_of = {level: code for code, level in enumerate(levels)}
    codes = [code_of.get(value, len(levels)) for value in array.dictionary.to_pylist()]
    out = np.empty(len(array), np.int32)
    encoding.look_up(np.array([*codes, len(levels)], np.int32), dictionary_codes(array), 0, out)
    return out
