"""Raw blocks to the dense columns and feature indices that linear models learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import Block, RawBlock
from scalable.data.columns import require_column
from scalable.data.raw_block import LazyBlock, RawFloats, float_columns, stored_floats
from scalable.data.readers.stored import StoredColumns
from scalable.data.readers.tiles import TileReader
from scalable.data.source import Source
from scalable.data.values import numbers, place_of, placed
from scalable.errors import DataError
from scalable.features.categories import calendar_codes, category_table, hashed_codes, number_codes
from scalable.features.encoder import Encoder, as_trained, type_name
from scalable.features.linear_column import EncoderOptions, LinearColumn, plan_column
from scalable.features.profile import Profile
from scalable.features.state import FORMAT, State
from scalable.features.summary import refuse_unusable
from scalable.features.target import Labels
from scalable.kernels.buffers import take
from scalable.kernels.encode import columns as kernels

MOST_BUCKETS = 2**28  # of a model that is read back


class LinearEncoder(Encoder):
    """Immutable, picklable map from `RawBlock` to `Block`.

    Parameters
    ----------
    columns : sequence of LinearColumn
        Treatment of every feature column, in order.
    n_buckets : int
        Feature indices that hashed columns would share, a power of two; the encoder's are 0 when it hashes none.
    labels : Labels or None
        How the target column is read.
    weight : str or None
        Weight column.
    dtype : str
        ``"float32"``, or ``"float64"`` for exact least squares.
    """

    def __init__(
        self,
        columns: Sequence[LinearColumn],
        n_buckets: int,
        labels: Labels | None = None,
        weight: str | None = None,
        dtype: str = "float32",
    ) -> None:
        self.columns = tuple(columns)
        self.labels = labels
        self.weight = weight
        self.dtype = dtype
        *self._bases, self.n_known = np.cumsum([0, *(column.n_known for column in self.columns)]).tolist()
        self.n_columns = sum(column.n_columns for column in self.columns)
        self.n_ids = sum(column.n_ids for column in self.columns)
        self._shared = n_buckets
        self.n_buckets = n_buckets if any(column.action == "hashed" for column in self.columns) else 0
        self.n_indices = self.n_known + self.n_buckets
        treated = [column for column in self.columns if column.action == "number"]
        self._scales = np.array(
            [[c.log_unit or 0.0, c.offset, c.scale, c.fill, c.missing_rate] for c in treated], np.float64
        ).reshape(-1, kernels.RATE + 1)
        self._numbers = np.zeros((len(treated), kernels.NUMBER_FIELDS), np.int64)
        self._numbers[:, kernels.INDICATOR] = [column.indicator for column in treated]
        self._numbers[1:, kernels.TO] = np.cumsum([column.n_columns for column in treated])[:-1]
        self._forbids_missing = np.array([column.forbid_missing for column in treated], np.bool_)
        self._floats = [
            (column.name, (column.offset, column.scale, column.log_unit or 0.0))
            for column in treated
            if column.arrow_type == "float" and column.simple
        ]
        self._float_plan = np.array([how for _, how in self._floats], np.float64).reshape(-1, 3).T.copy()

    @classmethod
    def learn(
        cls,
        profile: Profile,
        source: Source,
        labels: Labels | None = None,
        options: EncoderOptions | None = None,
    ) -> LinearEncoder:
        """Plan every feature column of a source from its profile.

        Raises
        ------
        DataError
            When a column holds infinite values, missing ones where they are forbidden, or no
            column is left to learn from.
        """
        options, names = options or EncoderOptions(), source.feature_names
        for what, given in (("categorical", options.categorical), ("log", options.log)):
            for name in given if isinstance(given, tuple) else ():
                require_column(source.full_schema, name, source.describe_place(), what)
        for name in options.categorical:
            if name in names and profile.columns[name].kind in ("float", "temporal"):
                raise DataError(
                    f"{source.describe_place()}: column {name!r} is {source.field_type(name)}, and categories are text "
                    "or integers; cast it ('Int64' in pandas keeps missing values), or leave it out of categorical"
                )
        refuse_unusable(profile, source, missing=options.missing == "error")
        columns = [plan_column(profile.columns[name], options) for name in names]
        if all(column.action == "drop" for column in columns) and not options.keep_constant:
            raise DataError(
                f"all {len(columns)} feature columns are constant or empty ({', '.join(names[:5])}): nothing to learn"
            )
        return cls(columns, options.n_buckets, labels, source.weight, options.dtype)

    @property
    def bases(self) -> list[int]:
        """First feature index of each column's own ones."""
        return list(self._bases)

    @property
    def needed(self) -> list[str]:
        """Names of the feature columns it reads."""
        return [column.name for column in self.columns if column.action != "drop"]

    @property
    def column_types(self) -> list[tuple[str, str, str]]:
        """Name, Arrow type and kind of each feature column, those that it leaves out too."""
        return [(column.name, column.arrow_type, column.kind) for column in self.columns]

    @property
    def stored(self) -> list[str]:
        """Names of the columns that kernels may read in their file: all, where all are simple float32 columns."""
        simple = self.dtype == "float32" and not self.n_ids and len(self._floats) == self.n_columns
        return [name for name, _ in self._floats] if simple else []

    @property
    def features_only(self) -> LinearEncoder:
        """The same encoder as prediction uses it, without label and weight."""
        return LinearEncoder(self.columns, self._shared, None, None, self.dtype)

    def with_labels(self, labels: Labels) -> LinearEncoder:
        """Return the same encoder for a target that is read so."""
        return LinearEncoder(self.columns, self._shared, labels, self.weight, self.dtype)

    def encode(self, raw: RawBlock) -> Block:
        """Encode one block; label and weight too where the block has their columns.

        Raises
        ------
        DataError
            On infinite values, forbidden missing ones, text where a number was (or the reverse),
            unknown labels, or unusable weights.
        """
        label, weight = self._roles(raw)
        floats = self._raw_floats(raw)
        if floats is not None:
            return LazyBlock(floats, lambda: self._columns(raw)[0], label, weight, raw.first_row, raw.n_rows)
        columns, ids = self._columns(raw)
        return Block(columns, ids, label, weight, raw.first_row)

    def encode_stored(self, raw: RawBlock, stored: StoredColumns | TileReader, row: int) -> Block:
        """Do `encode` for features that are still in their file.

        Parameters
        ----------
        raw : RawBlock
            Label and weight.
        stored : StoredColumns or TileReader
            The features, in the order of `needed`, all float32; only where they are `stored`.
        row : int
            Where the block begins in that file.
        """
        label, weight = self._roles(raw)

        def load() -> NDArray[Any]:
            arrays = dict(zip(self.needed, stored.read(row, raw.n_rows), strict=True))
            return self._columns(replace(raw, arrays=arrays))[0]

        offsets, scales, units = self._float_plan
        floats = stored_floats(stored, row, len(offsets), (offsets, scales, units))
        return LazyBlock(floats, load, label, weight, raw.first_row, raw.n_rows)

    def _columns(self, raw: RawBlock) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Return dense columns and feature indices."""
        columns = take((self.n_columns, raw.n_rows), self.dtype)
        ids = take((self.n_ids, raw.n_rows), np.int32)
        found, known, held = self._numbers.copy(), list[list[int]](), list[Any]()
        j = h = 0
        for column, base in zip(self.columns, self._bases, strict=True):
            if column.action == "drop":
                continue
            array = as_trained(
                raw.arrays[column.name], column.name, column.arrow_type, column.kind, raw.place
            )
            if column.action == "number":
                values = placed(array)
                found[j, : kernels.TO] = place_of(values)
                held.append(values)
                j += 1
                if column.calendar:
                    out = ids[h : h + column.n_ids]
                    calendar_codes(array, column.calendar, column.day_ticks, base, out)
            elif column.action == "hashed":
                hashed_codes(array, column.salt, self.n_known, self.n_buckets, ids[h])
            elif pa.types.is_dictionary(array.type):
                other = base + len(column.categories)
                table = category_table(array, column.categories, base, other, other + 1)
                codes = (
                    array.indices if array.type.index_type == pa.int32() else array.indices.cast(pa.int32())
                )
                at = table.__array_interface__["data"][0]
                known.append([*place_of(codes)[:3], at, h, len(table) - 1])
                held += (codes, table)
            else:
                number_codes(array, column.categories, ids[h], base)
            h += column.n_ids
        categories = np.array(known, np.int64).reshape(-1, kernels.CATEGORY_FIELDS)
        single = None if self.dtype == "float64" else 1
        kernels.encode_columns(found, self._scales, categories, single, columns, ids)
        if found[:, kernels.BAD].any():
            self._refuse(raw, found, columns)
        return columns, ids

    def encode_places(self, places: NDArray[np.int64], columns: NDArray[Any], ids: NDArray[np.int32]) -> bool:
        """Write the dense columns of numbers at known places in memory.

        Parameters
        ----------
        places : int64 array of shape (n_numbers, 4)
            See `scalable.data.values.place_of`.
        columns : array of shape (n_columns, n_rows)
            Output, of the encoder's dtype.
        ids : int32 array of shape (n_ids, n_rows)
            Left as it is.

        Returns
        -------
        bool
            Whether none is infinite, or missing though that is forbidden.
        """
        found, single = self._numbers.copy(), None if self.dtype == "float64" else 1
        found[:, : kernels.TO] = places
        kernels.encode_columns(found, self._scales, _NO_CATEGORIES, single, columns, ids)
        bad, missing = found[:, kernels.BAD], found[:, kernels.MISSING]
        return not bool(np.any((missing < bad) | (self._forbids_missing & (missing > 0))))

    def _refuse(self, raw: RawBlock, found: NDArray[np.int64], columns: NDArray[Any]) -> None:
        """Raise a DataError where numbers are infinite, or missing though that is forbidden."""
        treated = [column for column in self.columns if column.action == "number"]
        for column, (to, _, bad, missing) in zip(treated, found[:, kernels.TO :].tolist(), strict=True):
            if missing < bad:
                at = int(np.flatnonzero(~(np.abs(columns[to]) <= 1e30))[0])
                value = numbers(raw.arrays[column.name])[at].item()
                raise DataError(
                    f"{raw.where(at)}: column {column.name!r} is {value!r}, infinite or far outside the range seen in "
                    "training; clean the column or leave it out of the features"
                )
            if missing and column.forbid_missing:
                at = int(np.flatnonzero(np.isnan(numbers(raw.arrays[column.name])))[0])
                raise DataError(
                    f"{raw.where(at)}: column {column.name!r} is missing or NaN, which missing='error' forbids; fill it"
                )

    def _raw_floats(self, raw: RawBlock) -> RawFloats | None:
        """Return the features as they are in memory, when all are simple float32 columns."""
        if not self.stored:
            return None
        arrays = [raw.arrays[name] for name, _ in self._floats]
        if any(array.type != _FLOAT32 or array.null_count for array in arrays):
            return None
        offsets, scales, units = self._float_plan
        return RawFloats(float_columns(arrays, (offsets, scales, units)), arrays)

    def column_scales(self) -> NDArray[np.float64]:
        """Return the raw units per unit of each dense column, shape (n_columns,)."""
        return np.array([s for column in self.columns for s in column.column_scales], np.float64)

    def column_offsets(self) -> NDArray[np.float64]:
        """Return the raw value at which each dense column is 0, shape (n_columns,)."""
        return np.array([o for column in self.columns for o in column.column_offsets], np.float64)

    @property
    def one_to_one(self) -> bool:
        """Whether every feature is one number (or dropped), so coefficients can be per feature."""
        return all(c.action == "drop" or (c.n_columns == 1 and not c.n_ids) for c in self.columns)

    def term_names(self) -> list[str]:
        """Return names of the dense columns, then of the known categories; buckets have none."""
        dense = [name for column in self.columns for name in column.column_names]
        return dense + [name for column in self.columns for name in column.category_names]

    def unvaried(self, rows: int) -> str:
        """Return what to say where columns of the first `rows` rows of parts are left out for good; empty if none."""
        names = [column.name for column in self.columns if column.action == "drop"]
        if not names:
            return ""
        listed = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
        return (
            f"{listed} did not vary in the first {rows:,} rows and will be left out of all that follow; begin with a "
            "part in which every column varies, or leave it out yourself"
        )

    def describe(self) -> list[str]:
        """Return one line a column: what was done with it."""
        return [f"{c.name} ({type_name(c.arrow_type)}): {c.describe(self._shared)}" for c in self.columns]

    def state(self) -> State:
        """Return what `from_state` rebuilds it from."""
        return State(
            {
                "format": FORMAT,
                "columns": [column.to_json() for column in self.columns],
                "n_buckets": self._shared,
                "labels": None if self.labels is None else self.labels.to_json(),
                "weight": self.weight,
                "dtype": self.dtype,
            }
        )

    @classmethod
    def _rebuilt(cls, state: State) -> LinearEncoder:
        data = state.document
        columns = [LinearColumn.from_json(item) for item in data["columns"]]
        if len({column.name for column in columns}) < len(columns):
            raise ValueError("two columns have one name")
        n, dtype = data["n_buckets"], data["dtype"]
        least = int(any(column.action == "hashed" for column in columns))
        if (
            dtype not in ("float32", "float64")
            or type(n) is not int
            or not least <= n < MOST_BUCKETS
            or n & (n - 1)
        ):
            raise ValueError(f"{n!r:.60} buckets of {dtype!r:.60}")
        return cls(columns, n, *cls._saved_roles(data), dtype)


_FLOAT32 = pa.float32()
_NO_CATEGORIES = np.empty((0, kernels.CATEGORY_FIELDS), np.int64)
