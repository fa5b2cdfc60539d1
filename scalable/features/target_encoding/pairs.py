"""Two columns of categories taken together: a cell for each pair of their categories.

A tree splits one column at a time, so what a merchant's category means in one country and not in others costs it a
split for each; the mean target of the pair tells it at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.features.categories import category_codes
from scalable.features.target_encoding.means import CrossFitted, TargetMeans


@dataclass(frozen=True, slots=True)
class Pair:
    """Two text columns and the categories that are told apart.

    Attributes
    ----------
    names : tuple of str
        The columns.
    categories : tuple of tuple
        Of each; all others and null are one more category.
    """

    names: tuple[str, str]
    categories: tuple[tuple[Any, ...], tuple[Any, ...]]

    @property
    def name(self) -> str:
        """Both names."""
        return "_x_".join(self.names)

    @property
    def shape(self) -> tuple[int, int]:
        """Categories of each, that of the unknown included."""
        return len(self.categories[0]) + 1, len(self.categories[1]) + 1

    @property
    def n_cells(self) -> int:
        """Pairs of categories."""
        return self.shape[0] * self.shape[1]

    def cells(self, arrays: Mapping[str, pa.Array]) -> NDArray[np.int32]:
        """Return the place of each row's pair in a table of `shape`, row by row."""
        first, second = (
            category_codes(
                arrays[name],
                known,
                np.empty(len(arrays[name]), np.int32),
                unknown=len(known),
                missing=len(known),
            )
            for name, known in zip(self.names, self.categories, strict=True)
        )
        return np.asarray(first * np.int32(self.shape[1]) + second)


@dataclass(frozen=True, slots=True)
class PairMeans:
    """A pair and the mean targets of its cells.

    Attributes
    ----------
    pair : Pair
        Of columns.
    means : TargetMeans
        Those are a column of the matrix; the cells' shares are not.
    """

    pair: Pair
    means: TargetMeans

    def __post_init__(self) -> None:
        if self.means.n_cells != self.pair.n_cells:
            raise ValueError(
                f"{self.means.n_cells} means for the {self.pair.n_cells} cells of {self.pair.name}"
            )

    def encode(
        self, arrays: Mapping[str, pa.Array], others: CrossFitted | None, first_row: int
    ) -> NDArray[np.float32]:
        """Return the mean of each row's pair, that of other folds where `others` is given."""
        cells = self.pair.cells(arrays)
        taken = self.means.take(cells) if others is None else others.take(cells, first_row)
        return np.asarray(taken[0])

    def describe(self) -> str:
        """Return what was done, in one line."""
        return f"{' x '.join(self.pair.names)}: mean target per pair of categories, cross-fitted in training"
