"""Raw blocks to the dense columns and slots that linear models learn from."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import Block, RawBlock
from scalable.data.buffers import take
from scalable.data.raw_block import LazyBlock, RawFloats
from scalable.data.readers.stored import StoredColumns
from scalable.data.values import numbers, text_of_nulls
from scalable.errors import DataError, ModelError
from scalable.features.categories import calendar_slots, hashed_slots, level_slots
from scalable.features.linear_columns import ColumnPlan, EncoderOptions, plan_column
from scalable.features.profile import Profile
from scalable.features.target import Labels
from scalable.kernels.encode import encoding


class LinearEncoder:
    """Immutable, picklable map from `RawBlock` to `Block`.

    Parameters
    ----------
    plans : sequence of ColumnPlan
        Treatment of every feature column, in order.
    n_bins : int
        Slots that hashed features share, a power of two.
    labels : Labels or None
        How the target column is read.
    weight : str or None
        Weight column.
    dtype : str
        ``"float32"``, or ``"float64"`` for exact least squares.
    """

    def __init__(
        self,
        plans: Sequence[ColumnPlan],
        n_bins: int,
        labels: Labels | None = None,
        weight: str | None = None,
        dtype: str = "float32",
    ) -> None:
        self.plans = tuple(plans)
        self.n_bins = n_bins
        self.labels = labels
        self.weight = weight
        self.dtype = dtype
        base = 0
        bases = []
        for plan in self.plans:
            bases.append(base)
            base += plan.n_own_slots
        self._bases = tuple(bases)
        self._hash_base = base
        self.n_columns = sum(plan.n_columns for plan in self.plans)
        self.n_ids = sum(plan.n_ids for plan in self.plans)
        self.hashed = any(plan.action == "hash" for plan in self.plans)
        self.n_slots = base + (n_bins if self.hashed else 0)
        place = np.cumsum([0, *(plan.n_columns for plan in self.plans)]).tolist()
        self._floats = [
            (plan.name, (place[k], plan.offset, plan.scale, plan.log_unit or 0.0))
            for k, plan in enumerate(self.plans)
            if plan.arrow_type == "float" and plan.simple
        ]
        self._float_places = np.array([numbers[0] for _, numbers in self._floats], np.int64)
        self._float_plan = (
            np.array([numbers[1:] for _, numbers in self._floats], np.float64).reshape(-1, 3).T.copy()
        )

    @classmethod
    def learn(
        cls,
        profile: Profile,
        names: Sequence[str],
        labels: Labels | None = None,
        weight: str | None = None,
        options: EncoderOptions | None = None,
    ) -> LinearEncoder:
        """Plan every feature column from a profile of the data.

        Raises
        ------
        DataError
            When a column holds infinite values, missing ones where they are forbidden, or no
            column is left to learn from.
        """
        options = options or EncoderOptions()
        plans = [plan_column(profile.columns[name], options) for name in names]
        if all(plan.action == "drop" for plan in plans) and not options.keep_constant:
            raise DataError(
                f"all {len(plans)} feature columns are constant or empty ({', '.join(names[:5])}): nothing to learn"
            )
        return cls(plans, options.n_bins, labels, weight, options.dtype)

    @property
    def needed(self) -> list[str]:
        """Names of the feature columns it reads."""
        return [plan.name for plan in self.plans if plan.action != "drop"]

    columns = needed

    @property
    def floats_only(self) -> bool:
        """Whether every feature that is used is a simple float32 column."""
        return self.dtype == "float32" and not self.n_ids and len(self._floats) == self.n_columns > 0

    @property
    def features_only(self) -> LinearEncoder:
        """The same encoder as prediction uses it, without label and weight."""
        return LinearEncoder(self.plans, self.n_bins, None, None, self.dtype)

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

    def encode_stored(self, raw: RawBlock, stored: StoredColumns, row: int) -> Block:
        """Do `encode` for features that are still in their file.

        Parameters
        ----------
        raw : RawBlock
            Label and weight.
        stored : StoredColumns
            The features, in the order of `needed`, all float32; only where `floats_only`.
        row : int
            Where the block begins in that file.
        """
        label, weight = self._roles(raw)
        offsets, scales, units = self._float_plan
        floats = RawFloats(
            _NOWHERE, stored.descriptor, stored.places, stored.bounds, row, offsets, scales, units, stored
        )

        def load() -> NDArray[Any]:
            arrays = dict(zip(self.needed, stored.read(row, raw.n_rows), strict=True))
            return self._columns(RawBlock(arrays, raw.first_row, raw.n_rows))[0]

        return LazyBlock(floats, load, label, weight, raw.first_row, raw.n_rows)

    def _roles(self, raw: RawBlock) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        label = weight = None
        if self.labels is not None and self.labels.column in raw.arrays:
            label = self.labels.encode(raw.arrays[self.labels.column])
        if self.weight is not None and self.weight in raw.arrays:
            weight = read_weights(raw.arrays[self.weight], self.weight)
        return label, weight

    def _columns(self, raw: RawBlock) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Return dense columns and slots."""
        columns = take((self.n_columns, raw.n_rows), self.dtype)
        ids = take((self.n_ids, raw.n_rows), np.int32)
        done = self._fill_floats(raw, columns)
        j = h = 0
        for plan, base in zip(self.plans, self._bases, strict=True):
            if plan.action == "drop":
                continue
            if plan.name in done:
                j += 1
                continue
            array = raw.arrays[plan.name]
            if plan.kind == "text":
                array = text_of_nulls(array)
            _check_kind(plan, array)
            if plan.action == "number":
                values = numbers(array)
                _fill_number(plan, values, columns[j : j + plan.n_columns], raw.first_row)
                if plan.calendar:
                    calendar_slots(plan, values, base, ids[h : h + plan.n_ids])
            elif plan.action == "levels":
                level_slots(plan, array, base, ids[h])
            else:
                salt = zlib.crc32(plan.name.encode())
                hashed_slots(plan, array, salt, self._hash_base, self.n_bins, ids[h])
            j += plan.n_columns
            h += plan.n_ids
        return columns, ids

    def _raw_floats(self, raw: RawBlock) -> RawFloats | None:
        """Return the features as they are in memory, when all are simple float32 columns."""
        if not self.floats_only:
            return None
        arrays = [raw.arrays[name] for name, _ in self._floats]
        if any(array.type != _FLOAT32 or array.null_count for array in arrays):
            return None
        addresses = np.array([a.buffers()[1].address + 4 * a.offset for a in arrays], np.uint64)
        offsets, scales, units = self._float_plan
        return RawFloats(addresses, -1, _NO_PAGES, _NO_BOUNDS, 0, offsets, scales, units, arrays)

    def _fill_floats(self, raw: RawBlock, columns: NDArray[Any]) -> set[str]:
        """Standardise the simple float32 columns, all in one call; return the names of those that are done."""
        ready: list[tuple[int, str, int]] = []
        if self.dtype != "float32":
            return set()
        for k, (name, _) in enumerate(self._floats):
            array = raw.arrays[name]
            if array.type == _FLOAT32 and not array.null_count:
                ready.append((k, name, array.buffers()[1].address + 4 * array.offset))
        if not ready:
            return set()
        chosen = [k for k, _, _ in ready]
        bad = np.empty(len(ready), np.int64)
        places = self._float_places[chosen]
        offsets, scales, units = np.ascontiguousarray(self._float_plan[:, chosen])
        addresses = np.array([address for _, _, address in ready], np.uint64)
        encoding.standardize_columns(addresses, places, offsets, scales, units, bad, columns)
        # What is missing or infinite is treated, or refused, with its column.
        return {name for (_, name, _), n in zip(ready, bad.tolist(), strict=True) if not n}

    def column_scales(self) -> NDArray[np.float64]:
        """Return the raw units per unit of each dense column, shape (n_columns,)."""
        return np.array([s for plan in self.plans for s in plan.column_scales], np.float64)

    def column_offsets(self) -> NDArray[np.float64]:
        """Return the raw value at which each dense column is 0, shape (n_columns,)."""
        return np.array([o for plan in self.plans for o in plan.column_offsets], np.float64)

    @property
    def one_to_one(self) -> bool:
        """Whether every feature is one number (or dropped), so coefficients can be per feature."""
        return all(plan.action == "drop" or (plan.n_columns == 1 and not plan.n_ids) for plan in self.plans)

    def term_names(self) -> list[str]:
        """Return names of the dense columns, then of the own slots; hashed slots have none."""
        dense = [name for plan in self.plans for name in plan.column_names]
        return dense + [name for plan in self.plans for name in plan.slot_names]

    def describe(self) -> list[str]:
        """Return one line a column: what was done with it."""
        return [f"{plan.name} ({plan.arrow_type}): {plan.describe(self.n_bins)}" for plan in self.plans]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return {
            "columns": [plan.to_json() for plan in self.plans],
            "n_bins": self.n_bins,
            "labels": None if self.labels is None else self.labels.to_json(),
            "weight": self.weight,
            "dtype": self.dtype,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LinearEncoder:
        """Rebuild an encoder from `to_json`."""
        try:
            plans = [ColumnPlan.from_json(item) for item in data["columns"]]
            labels = None if data["labels"] is None else Labels.from_json(data["labels"])
            return cls(plans, int(data["n_bins"]), labels, data["weight"], data["dtype"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the model's encoder is damaged ({error!r}); train or copy the model again"
            ) from error


_FLOAT32 = pa.float32()
_NOWHERE = np.empty(0, np.uint64)
_NO_PAGES = np.empty((0, 3), np.int64)
_NO_BOUNDS = np.zeros(1, np.int64)


def read_weights(array: pa.Array, name: str) -> NDArray[np.float64]:
    """Return sample weights, checked.

    Raises
    ------
    DataError
        On a negative, missing or infinite weight.
    """
    weight = numbers(array).astype(np.float64)
    if not np.all(np.isfinite(weight) & (weight >= 0)):
        raise DataError(
            f"weight column {name!r} holds a negative, missing or infinite weight; weights are >= 0"
        )
    return weight


def _check_kind(plan: ColumnPlan, array: pa.Array) -> None:
    if (plan.kind == "text") != pa.types.is_dictionary(array.type):
        raise DataError(
            f"column {plan.name!r} is {array.type} here but was {plan.arrow_type} in training; "
            "give data of the training schema"
        )


def _fill_log(plan: ColumnPlan, values: NDArray[Any], out: NDArray[Any]) -> int:
    """Standardise logarithms; of integers of a small range, one logarithm a value that can occur."""
    assert plan.log_unit is not None
    if values.dtype.kind in "iu" and values.size:
        low, high = int(values.min()), int(values.max())
        if high - low < values.size // 4:
            table = np.empty(high - low + 1, out.dtype)
            every = np.arange(low, high + 1)
            if not encoding.log_standardize(every, plan.log_unit, plan.offset, plan.scale, table):
                encoding.look_up(table, values, low, out)
                return 0
    return int(encoding.log_standardize(values, plan.log_unit, plan.offset, plan.scale, out))


def _fill_number(plan: ColumnPlan, values: NDArray[Any], out: NDArray[Any], first_row: int) -> None:
    """Standardise into ``out[0]``, then deal with what is missing; indicator in ``out[1]`` if planned."""
    if plan.log_unit is not None:
        bad = _fill_log(plan, values, out[0])
    elif values.dtype == out.dtype == np.float32:
        bad = encoding.standardize_floats(values, plan.offset, plan.scale, out[0])
    else:
        bad = encoding.standardize(values, plan.offset, plan.scale, out[0])
    indicator = out[1] if plan.indicator else np.empty(0, out.dtype)
    if not bad and not plan.indicator:
        return
    rate = plan.missing_rate
    missing = encoding.mark_missing(out[0], plan.fill, indicator, -rate, 1.0 - rate)
    if missing < bad:
        row = first_row + int(np.flatnonzero(~(np.abs(out[0]) <= 1e30))[0])
        raise DataError(
            f"column {plan.name!r} is infinite, or far outside the range seen in training, at row {row:,}; "
            "clean the column or leave it out of the features"
        )
    if missing and plan.forbid_missing:
        raise DataError(f"column {plan.name!r} contains NaN or missing values, which missing='error' forbids")
