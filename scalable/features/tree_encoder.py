"""Raw blocks to the row-major matrix that LightGBM reads.

Trees split on order, so numbers pass as they are. Text of up to ``MAX_CATEGORIES`` categories becomes their codes,
which LightGBM splits as sets; text of more, and integers that identify something, become, per category, its mean
target and its share of the rows (see `scalable.features.target_encoding.means`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.columns import column_kind
from scalable.data.values import numbers
from scalable.errors import DataError
from scalable.features.categories import category_codes
from scalable.features.encoder import Encoder, as_trained, type_name
from scalable.features.state import FORMAT, State, check_columns
from scalable.features.target import Labels
from scalable.features.target_encoding.means import CrossFitted, TargetMeans, TargetSums
from scalable.features.target_encoding.pairs import Pair, PairMeans
from scalable.features.tree_column import TreeColumn

MAX_CATEGORIES = 1000
_STRIP = 4096  # rows transposed at a time: the strip of the matrix stays in cache


@dataclass(slots=True)
class TreeRows:
    """Encoded rows, ready for LightGBM.

    Attributes
    ----------
    matrix : float32 or float64 array of shape (n_rows, n_columns), C-contiguous
        NaN is missing. Where the engine takes columns, the list of them instead, each of its own numeric type.
    label : float64 array of shape (n_rows,) or None
        Class index or target value.
    weight : float64 array of shape (n_rows,) or None
        Non-negative sample weights.
    first_row : int
        Index of the first row within the whole dataset.
    start : float64 array of shape (n_scores, n_rows) or None
        Scores that training starts from, where rows bring some along.
    """

    matrix: NDArray[np.float32] | NDArray[np.float64]
    label: NDArray[np.float64] | None
    weight: NDArray[np.float64] | None
    first_row: int
    start: NDArray[np.float64] | None = None


class TreeEncoder(Encoder):
    """Immutable, picklable map from `RawBlock` to `TreeRows`.

    Parameters
    ----------
    columns : sequence of TreeColumn
        Feature columns, in order.
    labels : Labels or None
        How the target column becomes class indices or numbers.
    weight : str or None
        Weight column.
    cross_fitted : mapping of str to CrossFitted, optional
        During training only: tables that give each row means learned without its own fold.
    pairs : sequence of PairMeans
        Pairs of text columns whose means follow the columns.
    class_weight : tuple of float
        During training only: factors of the weights of each class's rows; empty for none.
    """

    single = True

    def __init__(
        self,
        columns: Sequence[TreeColumn],
        labels: Labels | None = None,
        weight: str | None = None,
        cross_fitted: Mapping[str, CrossFitted] | None = None,
        pairs: Sequence[PairMeans] = (),
        class_weight: tuple[float, ...] = (),
    ) -> None:
        self.columns = tuple(columns)
        self.pairs = tuple(pairs)
        self.labels = labels
        self.weight = weight
        self.class_weight = class_weight
        self.cross_fitted = dict(cross_fitted or {})
        narrow = all(c.narrow for c in self.columns)
        self.dtype: Any = np.float32 if narrow else np.float64

    @classmethod
    def learn(
        cls,
        schema: pa.Schema,
        categories: Mapping[str, Sequence[Any] | None],
        labels: Labels | None = None,
        weight: str | None = None,
        sums: Mapping[str, TargetSums] | None = None,
        pairs: Sequence[Pair] = (),
        coded: Collection[str] = (),
    ) -> TreeEncoder:
        """Decide on every feature column.

        Parameters
        ----------
        schema : pyarrow.Schema
            Feature columns, in order.
        categories : mapping of str to sequence or None
            For each text column its categories, most frequent first, or None when there are more than
            ``MAX_CATEGORIES``.
        labels, weight
            See the class.
        sums : mapping of str to TargetSums, optional
            Of the text columns whose categories are None, of the integers that are identifiers, and of `pairs`.
        pairs : sequence of Pair
            Pairs of text columns with known categories.
        coded : collection of str
            Columns of numbers that are codes of categories.
        """
        columns, cross_fitted = [], {}
        for field in schema:
            kind = column_kind(field.type) or "float"
            known = categories.get(field.name) if kind == "text" else None
            found, means = (sums or {}).get(field.name), None
            if kind == "text" and known is None and found is None:
                raise ValueError(f"text column {field.name!r} has neither categories nor sums")
            distrust, numbered = "", False
            if known is None and found is not None:
                means, others = found.finish(hide=True)
                distrust, numbered = found.groups.distrust(), found.groups.ordered()
                if distrust:
                    means = None
                else:
                    cross_fitted[field.name] = others
            categories_of = None if known is None else tuple(known)
            is_code = field.name in coded and kind != "text"
            column = TreeColumn(
                field.name, str(field.type), kind, categories_of, means, is_code, numbered, distrust
            )
            columns.append(column)
        if columns and all(column.left_out for column in columns):
            raise DataError(
                f"no column is left to learn from: {columns[0].name!r} is {columns[0].describe()}"
            )
        joined = []
        for pair in pairs:
            means, cross_fitted[pair.name] = (sums or {})[pair.name].finish()
            joined.append(PairMeans(pair, means))
        return cls(columns, labels, weight, cross_fitted, joined)

    @property
    def needed(self) -> list[str]:
        """Names of the feature columns it reads."""
        return [column.name for column in self.columns if not column.left_out]

    @property
    def column_types(self) -> list[tuple[str, str, str]]:
        """Name, Arrow type and kind of each feature column, those that it leaves out too."""
        return [(column.name, column.arrow_type, column.kind) for column in self.columns]

    @property
    def n_columns(self) -> int:
        """Columns of the matrix."""
        return sum(column.width for column in self.columns) + len(self.pairs)

    @property
    def categorical(self) -> list[int]:
        """Matrix columns that hold category codes."""
        starts = np.cumsum([0, *(column.width for column in self.columns)])
        known = [column.categories is not None or column.coded for column in self.columns]
        return [int(at) for at, coded in zip(starts, known, strict=False) if coded]

    @property
    def feature_names(self) -> list[str]:
        """Names of the matrix columns, in the characters LightGBM allows, without duplicates."""
        names = [name for column in self.columns for name in column.names]
        return _legal([*names, *(f"{joined.pair.name}_mean" for joined in self.pairs)])

    def encode(self, raw: RawBlock) -> TreeRows:
        """Encode one block as prediction does; also label and weight where the block has them."""
        return self._encode(raw, cross_fitted=False)

    def encode_training(self, raw: RawBlock) -> TreeRows:
        """Encode one block as training does: means come from the other folds' rows."""
        return self._encode(raw, cross_fitted=True)

    def arrays(self, raw: RawBlock, *, cross_fitted: bool = False) -> list[NDArray[Any]]:
        """Return one numeric array a matrix column, encoded as prediction does; views of the block where possible."""
        parts: list[NDArray[Any]] = []
        tables, text = self.cross_fitted if cross_fitted else {}, {}
        for column in self.columns:
            if column.left_out:
                continue
            array = as_trained(
                raw.arrays[column.name], column.name, column.arrow_type, column.kind, raw.place
            )
            if column.means is not None:
                others = tables.get(column.name)
                parts.extend(
                    column.means.encode(array) if others is None else others.encode(array, raw.first_row)
                )
                if column.numbered:
                    parts.append(numbers(array))
            elif column.categories is not None:
                text[column.name] = array
                out = np.empty(len(array))
                parts.append(category_codes(array, column.categories, out, unknown=np.nan, missing=np.nan))
            else:
                parts.append(numbers(array))
        pairs = (joined.encode(text, tables.get(joined.pair.name), raw.first_row) for joined in self.pairs)
        return [*parts, *pairs]

    def _encode(self, raw: RawBlock, *, cross_fitted: bool) -> TreeRows:
        parts = self.arrays(raw, cross_fitted=cross_fitted)
        return TreeRows(rows_of(parts, self.dtype), *self._weighted(raw, cross_fitted), raw.first_row)

    def encode_columns(self, raw: RawBlock, *, cross_fitted: bool) -> TreeRows:
        """Encode one block without putting its columns side by side: `matrix` is the list of them."""
        parts: Any = self.arrays(raw, cross_fitted=cross_fitted)
        return TreeRows(parts, *self._weighted(raw, cross_fitted), raw.first_row)

    def _weighted(self, raw: RawBlock, training: bool) -> tuple[Any, Any]:
        """Return labels and weights, those of training times what their classes weigh."""
        label, weight = self._roles(raw)
        if not training or not self.class_weight or label is None:
            return label, weight
        factor = np.asarray(self.class_weight)[label.astype(np.intp)]
        return label, factor if weight is None else weight * factor

    @property
    def weighted(self) -> bool:
        """Whether training rows have weights."""
        return self.weight is not None or bool(self.class_weight)

    def describe(self) -> list[str]:
        """Return one line a column and pair: what was done with it."""
        lines = [f"{each.name} ({type_name(each.arrow_type)}): {each.describe()}" for each in self.columns]
        return [*lines, *(joined.describe() for joined in self.pairs)]

    def state(self) -> State:
        """Return what `from_state` rebuilds it from; the tables of the training folds are not part of it."""
        arrays: dict[str, NDArray[Any]] = {}

        def kept(means: TargetMeans | None, name: str) -> dict[str, Any] | None:
            if means is None:
                return None
            data, arrays[name] = means.state()
            return {**data, "table": name}

        columns = [
            {
                "name": c.name,
                "arrow_type": c.arrow_type,
                "kind": c.kind,
                "categories": None if c.categories is None else list(c.categories),
                "means": kept(c.means, f"means{k}"),
                "coded": c.coded,
                "numbered": c.numbered,
                "distrust": c.distrust,
            }
            for k, c in enumerate(self.columns)
        ]
        pairs = [
            {"names": list(p.pair.names), "means": kept(p.means, f"pair{k}")}
            for k, p in enumerate(self.pairs)
        ]
        labels = None if self.labels is None else self.labels.to_json()
        document = {"columns": columns, "pairs": pairs, "labels": labels, "weight": self.weight}
        return State({"format": FORMAT, **document}, arrays)

    @classmethod
    def _rebuilt(cls, state: State) -> TreeEncoder:
        def means(data: Mapping[str, Any]) -> TargetMeans:
            return TargetMeans.from_state(data, state.arrays[data["table"]])

        columns = [
            TreeColumn(
                c["name"],
                c["arrow_type"],
                c["kind"],
                None if c["categories"] is None else tuple(c["categories"]),
                None if c["means"] is None else means(c["means"]),
                bool(c.get("coded", False)),
                bool(c.get("numbered", False)),
                str(c.get("distrust", "")),
            )
            for c in state.document["columns"]
        ]
        check_columns([(c.name, c.arrow_type, c.kind) for c in columns])
        for c in columns:
            c.check()
        known = {c.name: c.categories for c in columns if c.categories is not None and not c.left_out}
        pairs = []
        for p in state.document["pairs"]:
            first, second = p["names"]
            pairs.append(PairMeans(Pair((first, second), (known[first], known[second])), means(p["means"])))
        labels, weight = cls._saved_roles(state.document)
        return cls(columns, labels, weight, pairs=pairs)

    def for_prediction(self) -> TreeEncoder:
        """Return the encoder as it is used after training."""
        return TreeEncoder(self.columns, self.labels, self.weight, pairs=self.pairs)

    def with_labels(self, labels: Labels | None) -> TreeEncoder:
        """Return the encoder with another target column."""
        return TreeEncoder(
            self.columns, labels, self.weight, self.cross_fitted, self.pairs, self.class_weight
        )

    def with_weight(self, weight: str | None) -> TreeEncoder:
        """Return the encoder as it is used for validation rows, whose weights are in another column or none."""
        return TreeEncoder(self.columns, self.labels, weight, pairs=self.pairs)

    def with_class_weight(self, class_weight: tuple[float, ...]) -> TreeEncoder:
        """Return the encoder whose training rows weigh as their classes do."""
        return TreeEncoder(
            self.columns, self.labels, self.weight, self.cross_fitted, self.pairs, class_weight
        )


def rows_of(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """Return the columns `parts` side by side as one C-contiguous matrix of `dtype`."""
    matrix = np.empty((len(parts[0]) if parts else 0, len(parts)), dtype)
    for start in range(0, len(matrix), _STRIP):
        strip = matrix[start : start + _STRIP]
        for j, part in enumerate(parts):
            strip[:, j] = part[start : start + _STRIP]
    return matrix


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
