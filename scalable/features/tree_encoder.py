"""Raw blocks to the row-major matrix that LightGBM reads.

Trees split on order, so numbers pass as they are. Text of up to ``MAX_CATEGORIES`` levels becomes category codes,
which LightGBM splits as sets; text of more levels, and integers that identify something, become, per level, its mean
target and its share of the rows (see `scalable.features.target_encoding.means`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.columns import column_kind
from scalable.data.values import numbers, text_of_nulls
from scalable.errors import DataError, ModelError
from scalable.features.target import Labels
from scalable.features.target_encoding.cross_fitted import FoldRates, OutOfFold
from scalable.features.target_encoding.means import Rates
from scalable.features.target_encoding.pairs import Pair, PairRates
from scalable.features.tree_columns import TreeColumn, category_codes

MAX_CATEGORIES = 1000
_STRIP = 4096  # rows transposed at a time: the strip of the matrix stays in cache


@dataclass(slots=True)
class TreeRows:
    """Encoded rows, ready for LightGBM.

    Attributes
    ----------
    matrix : float32 or float64 array of shape (n_rows, n_columns), C-contiguous
        NaN is missing.
    label : float64 array of shape (n_rows,) or None
        Class index or target value.
    weight : float64 array of shape (n_rows,) or None
        Non-negative sample weights.
    first_row : int
        Index of the first row within the whole dataset.
    """

    matrix: NDArray[np.float32] | NDArray[np.float64]
    label: NDArray[np.float64] | None
    weight: NDArray[np.float64] | None
    first_row: int


class TreeEncoder:
    """Immutable, picklable map from `RawBlock` to `TreeRows`.

    Parameters
    ----------
    columns : sequence of TreeColumn
        Feature columns, in order.
    labels : Labels or None
        How the target column becomes class indices or numbers.
    weight : str or None
        Weight column.
    fold_rates : mapping of str to OutOfFold, optional
        During training only: tables that give each row rates learned without its own fold.
    pairs : sequence of PairRates
        Pairs of text columns whose means follow the columns.
    """

    def __init__(
        self,
        columns: Sequence[TreeColumn],
        labels: Labels | None = None,
        weight: str | None = None,
        fold_rates: Mapping[str, OutOfFold] | None = None,
        pairs: Sequence[PairRates] = (),
    ) -> None:
        self.columns = tuple(columns)
        self.pairs = tuple(pairs)
        self.labels = labels
        self.weight = weight
        self.fold_rates = dict(fold_rates or {})
        narrow = all(c.narrow for c in self.columns)
        self.dtype: Any = np.float32 if narrow else np.float64

    @classmethod
    def learn(
        cls,
        schema: pa.Schema,
        levels: Mapping[str, Sequence[str] | None],
        labels: Labels | None = None,
        weight: str | None = None,
        rates: Mapping[str, FoldRates] | None = None,
        pairs: Sequence[Pair] = (),
    ) -> TreeEncoder:
        """Decide on every feature column.

        Parameters
        ----------
        schema : pyarrow.Schema
            Feature columns, in order.
        levels : mapping of str to sequence of str or None
            For each text column its levels, most frequent first, or None when there are more than
            ``MAX_CATEGORIES``.
        labels, weight
            See the class.
        rates : mapping of str to FoldRates, optional
            Sums of the text columns whose levels are None, of the integers that are identifiers, and of `pairs`.
        pairs : sequence of Pair
            Pairs of text columns with levels.
        """
        columns, fold_rates = [], {}
        for field in schema:
            kind = column_kind(field.type) or "float"
            found = levels.get(field.name) if kind == "text" else None
            sums, total = (rates or {}).get(field.name), None
            if kind == "text" and found is None and sums is None:
                raise ValueError(f"text column {field.name!r} has neither levels nor rates")
            if found is None and sums is not None:
                total, fold_rates[field.name] = sums.finish()
            levels_found = None if found is None else tuple(found)
            columns.append(TreeColumn(field.name, str(field.type), kind, levels_found, total))
        joined = []
        for pair in pairs:
            total, fold_rates[pair.name] = (rates or {})[pair.name].finish()
            joined.append(PairRates(pair, total))
        return cls(columns, labels, weight, fold_rates, joined)

    @property
    def needed(self) -> list[str]:
        """Names of the feature columns it reads."""
        return [column.name for column in self.columns]

    @property
    def n_columns(self) -> int:
        """Columns of the matrix."""
        return sum(column.width for column in self.columns) + len(self.pairs)

    @property
    def categorical(self) -> list[int]:
        """Matrix columns that hold category codes."""
        starts = np.cumsum([0, *(column.width for column in self.columns)])
        return [
            int(at) for at, column in zip(starts, self.columns, strict=False) if column.levels is not None
        ]

    @property
    def feature_names(self) -> list[str]:
        """Names of the matrix columns, in the characters LightGBM allows, without duplicates."""
        names: list[str] = []
        for column in self.columns:
            if column.rates is None:
                names.append(column.name)
            else:
                names.extend(f"{column.name}_{suffix}" for suffix in column.rates.suffixes)
        return _legal([*names, *(f"{joined.pair.name}_mean" for joined in self.pairs)])

    def encode(self, raw: RawBlock) -> TreeRows:
        """Encode one block as prediction does; also label and weight where the block has them."""
        return self._encode(raw, out_of_fold=False)

    def encode_training(self, raw: RawBlock) -> TreeRows:
        """Encode one block as training does: rates come from the other folds' rows."""
        return self._encode(raw, out_of_fold=True)

    def arrays(self, raw: RawBlock, *, out_of_fold: bool = False) -> list[NDArray[Any]]:
        """Return one numeric array a matrix column, encoded as prediction does; views of the block where possible."""
        parts: list[NDArray[Any]] = []
        for column in self.columns:
            array = raw.arrays[column.name]
            if column.kind == "text":
                array = text_of_nulls(array)
            self._check(column, array)
            if column.rates is not None:
                fold = self.fold_rates.get(column.name) if out_of_fold else None
                parts.extend(
                    column.rates.encode(array) if fold is None else fold.encode(array, raw.first_row)
                )
            elif column.levels is not None:
                parts.append(category_codes(array, column.levels))
            else:
                parts.append(numbers(array))
        for joined in self.pairs:
            text = {name: text_of_nulls(raw.arrays[name]) for name in joined.pair.names}
            others = self.fold_rates.get(joined.pair.name) if out_of_fold else None
            parts.append(joined.encode(text, others, raw.first_row))
        return parts

    def _encode(self, raw: RawBlock, *, out_of_fold: bool) -> TreeRows:
        parts = self.arrays(raw, out_of_fold=out_of_fold)
        label = weight = None
        if self.labels is not None and self.labels.column in raw.arrays:
            label = self.labels.encode(raw.arrays[self.labels.column])
        if self.weight is not None and self.weight in raw.arrays:
            weight = _weights(raw.arrays[self.weight], self.weight)
        return TreeRows(rows_of(parts, self.dtype), label, weight, raw.first_row)

    @staticmethod
    def _check(column: TreeColumn, array: pa.Array) -> None:
        if (column.kind == "text") != (column_kind(array.type) == "text"):
            raise DataError(
                f"column {column.name!r} is {array.type} here but was {column.arrow_type} in training; "
                "give data of the training schema"
            )

    def describe(self) -> list[str]:
        """Return one line a column and pair: what was done with it."""
        lines = [f"{column.name} ({column.arrow_type}): {column.describe()}" for column in self.columns]
        return [*lines, *(joined.describe() for joined in self.pairs)]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able form; the tables of the training folds are not part of it."""
        return {
            "columns": [
                {
                    "name": c.name,
                    "type": c.arrow_type,
                    "kind": c.kind,
                    "levels": None if c.levels is None else list(c.levels),
                    "rates": None if c.rates is None else c.rates.to_json(),
                }
                for c in self.columns
            ],
            "pairs": [{"names": list(p.pair.names), "rates": p.rates.to_json()} for p in self.pairs],
            "labels": None if self.labels is None else self.labels.to_json(),
            "weight": self.weight,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TreeEncoder:
        """Rebuild an encoder from `to_json`."""
        try:
            columns = [
                TreeColumn(
                    c["name"],
                    c["type"],
                    c["kind"],
                    None if c["levels"] is None else tuple(c["levels"]),
                    None if c["rates"] is None else Rates.from_json(c["rates"]),
                )
                for c in data["columns"]
            ]
            levels_of = {c.name: c.levels or () for c in columns}
            pairs = []
            for p in data.get("pairs", []):
                first, second = p["names"]
                pair = Pair((first, second), (levels_of[first], levels_of[second]))
                pairs.append(PairRates(pair, Rates.from_json(p["rates"])))
            labels = None if data["labels"] is None else Labels.from_json(data["labels"])
            return cls(columns, labels, data["weight"], pairs=pairs)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the model's encoder is damaged ({error!r}); train or copy the model again"
            ) from error

    def without_folds(self) -> TreeEncoder:
        """Return the encoder as it is used after training."""
        return TreeEncoder(self.columns, self.labels, self.weight, pairs=self.pairs)

    def with_labels(self, labels: Labels | None) -> TreeEncoder:
        """Return the encoder with another target column."""
        return TreeEncoder(self.columns, labels, self.weight, self.fold_rates, self.pairs)


def rows_of(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """Return the columns `parts` side by side as one C-contiguous matrix of `dtype`."""
    n_rows = len(parts[0]) if parts else 0
    matrix = np.empty((n_rows, len(parts)), dtype)
    for start in range(0, n_rows, _STRIP):
        strip = matrix[start : start + _STRIP]
        for j, part in enumerate(parts):
            strip[:, j] = part[start : start + _STRIP]
    return matrix


def _weights(array: pa.Array, name: str) -> NDArray[np.float64]:
    weight = numbers(array).astype(np.float64)
    if not np.all(np.isfinite(weight) & (weight >= 0)):
        raise DataError(
            f"weight column {name!r} holds a negative, missing or infinite weight; weights are >= 0"
        )
    return weight


def _legal(names: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    legal = []
    for name in names:
        base = candidate = re.sub(r"[^\w.+\-]", "_", name) or "_"
        n = 1
        while candidate in seen:
            n += 1
            candidate = f"{base}_{n}"
        seen.add(candidate)
        legal.append(candidate)
    return legal
