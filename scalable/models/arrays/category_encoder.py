"""Raw columns as plain numbers and, where they are categories, as cells: one a known category, or buckets of a hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import Block, RawBlock
from scalable.data.columns import column_kind, require_column
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.features.categories import category_codes, number_codes
from scalable.features.encoder import as_trained
from scalable.features.hashing import buckets_of, may_be_integers, named_identifier, with_integers
from scalable.features.number_encoder import NumberEncoder
from scalable.features.profile import profile_source
from scalable.features.state import State, check_categories, check_columns
from scalable.features.target import Labels
from scalable.storage.documents import typed


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """A column of categories.

    Attributes
    ----------
    name, arrow_type, kind : str
    known : tuple
        Its categories in order, a cell each; empty where they are hashed.
    n_buckets : int
        Cells that the hash chooses from, a power of two; 0 where categories are known.
    """

    name: str
    arrow_type: str
    kind: str
    known: tuple[Any, ...] = ()
    n_buckets: int = 0

    @property
    def n_cells(self) -> int:
        """Cells that belong to this column alone."""
        return self.n_buckets or len(self.known)

    def cells(self, array: pa.Array, base: int) -> NDArray[np.int32]:
        """Return the cell of each value, counted from `base`; -1 where it is missing or not known."""
        out = np.empty(len(array), np.int32)
        if self.n_buckets:
            return buckets_of(array, self.n_buckets, base=base, missing=-1, out=out)
        if pt.is_dictionary(array.type):
            category_codes(array, self.known, out, unknown=-1, missing=-1, base=base)
        else:
            number_codes(array, self.known, out, base)
            out[out >= base + len(self.known)] = -1
        return out


class CategoryEncoder(NumberEncoder):
    """Immutable, picklable map from `RawBlock` to a `Block` of numbers as they are, and of cells of categories.

    Parameters
    ----------
    columns : sequence of (str, str, str)
        Name, Arrow type and kind of each column of numbers.
    categories : sequence of CategoryColumn
        The others; the cells of each begin where those of the one before end.
    labels, weight
        As of `NumberEncoder`.
    """

    def __init__(
        self,
        columns: Sequence[tuple[str, str, str]],
        categories: Sequence[CategoryColumn],
        labels: Labels | None = None,
        weight: str | None = None,
    ) -> None:
        super().__init__(columns, labels, weight)
        self.categories = tuple(categories)
        *bases, total = np.cumsum([0, *(column.n_cells for column in self.categories)]).tolist()
        self.bases, self.n_cells = tuple(bases), int(total)

    @classmethod
    def of(
        cls, source: Source, executor: Executor, labels: Labels | None, categorical: Any, n_buckets: int
    ) -> CategoryEncoder:
        """Take every feature of a source, from one pass over the columns of categories.

        Text, integers named like identifiers (``..._id``) and the columns of `categorical` are categories: known ones
        where there are at most 1,024, else hashed.

        Parameters
        ----------
        categorical : sequence of str or int, "all", or None
            Names or places of further columns of categories.

        Raises
        ------
        UsageError, DataError
            When a name is not a column of categories, or such a column has no value.
        """
        schema = source.schema
        if n_buckets < 2 or n_buckets & (n_buckets - 1):
            raise UsageError(f"n_buckets must be a power of two, not {n_buckets!r}")
        named = _named(schema, categorical, source.describe_place())
        numbers, chosen = [], []
        perhaps = [field.name for field in schema if may_be_integers(field)]
        floats = profile_source(source, executor, perhaps, source.n_rows).columns if perhaps else {}
        whole = [name for name, column in floats.items() if column.kind == "integer"]
        for column in with_integers(schema, whole):
            kind = column_kind(column.type) or "float"
            counts = kind == "text" or column.name in named
            if counts or (kind == "integer" and named_identifier(column.name)):
                if kind not in ("text", "integer"):
                    raise DataError(
                        f"column {column.name!r} is {column.type}, and categories are text or integers; cast it, or "
                        "leave it out of categorical"
                    )
                chosen.append((column.name, str(column.type), kind))
            else:
                numbers.append((column.name, str(column.type), kind))
        profile = profile_source(source, executor, [name for name, _, _ in chosen], source.n_rows).columns
        categories = []
        for name, arrow_type, kind in chosen:
            levels = profile[name].levels
            if levels is not None and not levels:
                raise DataError(f"column {name!r} has no value; leave it out")
            known = () if levels is None else tuple(sorted(value for value, _ in levels))
            categories.append(CategoryColumn(name, arrow_type, kind, known, 0 if known else n_buckets))
        return cls(numbers, categories, labels, source.weight)

    @property
    def stored(self) -> list[str]:
        """Nothing: it reads other columns too."""
        return []

    @property
    def needed(self) -> list[str]:
        """Names of the feature columns it reads: numbers, then categories."""
        return super().needed + [column.name for column in self.categories]

    @property
    def features_only(self) -> CategoryEncoder:
        """The same encoder as prediction uses it, without label and weight."""
        return CategoryEncoder(self.columns, self.categories)

    @property
    def column_types(self) -> list[tuple[str, str, str]]:
        """Name, Arrow type and kind of each column that it reads."""
        return super().column_types + [(c.name, c.arrow_type, c.kind) for c in self.categories]

    def encode(self, raw: RawBlock) -> Block:
        """Encode one block: numbers, and a row of cells a column of categories, -1 where nothing is known."""
        block = super().encode(raw)
        ids = np.empty((len(self.categories), raw.n_rows), np.int32)
        for row, column, base in zip(ids, self.categories, self.bases, strict=True):
            array = raw.arrays[column.name]
            row[:] = column.cells(
                as_trained(array, column.name, column.arrow_type, column.kind, raw.place), base
            )
        return Block(block.columns, ids, block.label, block.weight, block.first_row, block.origin)

    def describe(self) -> list[str]:
        """Return one line a column: what was done with it."""
        return super().describe() + [
            f"{c.name} ({c.arrow_type}): "
            + (
                f"hashed into {c.n_buckets:,} buckets"
                if c.n_buckets
                else f"{len(c.known):,} known categories"
            )
            for c in self.categories
        ]

    def state(self) -> State:
        """Return what `from_state` rebuilds it from."""
        categories = [asdict(column) for column in self.categories]
        return State({**super().state().document, "categories": categories})

    @classmethod
    def _rebuilt(cls, state: State) -> CategoryEncoder:
        plain = NumberEncoder._rebuilt(state)
        categories = [_read(item) for item in state.document["categories"]]
        check_columns([*plain.columns, *((one.name, one.arrow_type, one.kind) for one in categories)])
        return cls(plain.columns, categories, plain.labels, plain.weight)


def _named(schema: pa.Schema, categorical: Any, place: str) -> set[str]:
    if categorical is None or (isinstance(categorical, str) and categorical == "all"):
        return set() if categorical is None else set(schema.names)
    names = set()
    if not isinstance(categorical, Iterable):
        raise UsageError(f"categorical takes names or places of columns, or 'all', not {categorical!r}")
    for which in [categorical] if isinstance(categorical, str) else categorical:
        if isinstance(which, str):
            require_column(schema, which, place, "feature")
        elif not 0 <= which < len(schema):
            raise UsageError(f"categorical names column {which!r} of {len(schema)}")
        names.add(which if isinstance(which, str) else schema.names[which])
    return names


def _read(item: Mapping[str, Any]) -> CategoryColumn:
    column = typed(CategoryColumn, item)
    n = column.n_buckets
    if n < 0 or n & (n - 1) or bool(n) == bool(column.known) or n > 2**28:
        raise ValueError(f"column {column.name!r} of {n} buckets and {len(column.known)} categories")
    check_categories(column.kind, column.known or (0,))
    return column
