"""Events of some entities in order of time, and their features at given times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.errors import DataError
from scalable.feature_store.bind import BoundView
from scalable.feature_store.definitions import Feature
from scalable.feature_store.value_words import Words, floats_of
from scalable.kernels.timeline.group import (
    assign_groups,
    find_groups,
    group_rows,
    is_sorted,
    mark_repeated,
    sort_runs,
    value_numbers,
)
from scalable.kernels.timeline.windows import first_too_large, latest, slide, slide_distinct
from scalable.kernels.timeline.words import MINUS_ZERO_WORD, MISSING, fixed_floats, float_words


@dataclass
class Entities:
    """A hash table of the entities of some rows.

    Attributes
    ----------
    table, checks, groups : arrays
        See `assign_groups`.
    n : int
        How many there are.
    """

    table: NDArray[np.int64]
    checks: Words
    groups: NDArray[np.int32]
    n: int

    def find(self, entity: Words, check: Words) -> NDArray[np.int32]:
        """Return the number of the entity of other rows, -1 for unknown ones."""
        found = np.empty(len(entity), np.int32)
        find_groups(entity, check, self.table, self.checks, found)
        return found


def entities_of(entity: Words, check: Words) -> Entities:
    """Return the entities of some rows."""
    found = _assigned(entity, check)
    if 4 * found.n > len(entity):
        return found
    first = np.empty(found.n, np.int64)
    first[found.groups[::-1]] = np.arange(len(entity))[::-1]
    compact = _assigned(entity[first], check[first])  # the same numbers, in a table that stays in the cache
    return Entities(compact.table, compact.checks, found.groups, found.n)


def _assigned(entity: Words, check: Words) -> Entities:
    table = np.full((1 << max(1, int(2 * len(entity) - 1).bit_length()), 2), -1, np.int64)
    checks, groups = np.empty(len(entity), np.int64), np.empty(len(entity), np.int32)
    return Entities(table, checks, groups, int(assign_groups(entity, check, table, checks, groups)))


def grouped(
    groups: NDArray[np.int32], n_groups: int, first: Words, second: Words
) -> tuple[Words, Words, Words, Words]:
    """Return rows sorted by group, then by two keys, stably; where groups start; and the keys in this order."""
    starts, order = np.zeros(n_groups + 2, np.int64), np.empty(len(groups), np.int64)
    group_rows(groups, starts, order)
    starts = starts[:-1]
    order = order[: starts[-1]]
    keys = _sorted(order, first, second)
    if not is_sorted(starts, *keys):
        sort_runs(order, starts, first, second, np.empty(len(order), np.int64))
        keys = _sorted(order, first, second)
    return order, starts, *keys


def _sorted(order: Words, first: Words, second: Words) -> tuple[Words, Words]:
    keys = first[order]
    return keys, keys if second is first else second[order]


class Timeline:
    """Events by entity and time, with values as words.

    Parameters
    ----------
    bound : BoundView
    groups : array of shape (n,), int32
        Entity of each event; negative ones are left out.
    n_groups : int
    event, created : arrays of shape (n,), int64
    words : array of shape (n_columns, n), int64
        In the order of the view's columns.

    Attributes
    ----------
    rows : array
        Which event of those given is at each place.
    starts : array of shape (n_groups + 1,)
    event, created
        Sorted, without what the view drops.
    words
        As given.
    repeated : int
        Events that equal a later one.
    """

    def __init__(
        self,
        bound: BoundView,
        groups: NDArray[np.int32],
        n_groups: int,
        event: Words,
        created: Words,
        words: Words,
    ) -> None:
        self.bound = bound
        rows, starts, self.event, self.created = grouped(groups, n_groups, event, created)
        self.words = words
        repeated = np.empty(len(rows), np.bool_)
        self.repeated = int(mark_repeated(starts, rows, self.event, self.created, words, repeated))
        if self.repeated and bound.view.duplicates == "drop":
            kept = ~repeated
            before = np.concatenate([[0], np.cumsum(kept)])
            starts, rows = before[starts], rows[kept]
            self.event, self.created = self.event[kept], self.created[kept]
        self.rows, self.starts = rows, starts
        self.visible = self.event if created is event else np.maximum(self.event, self.created)
        self.order = self.rank = np.arange(len(rows), dtype=np.int64)
        if created is not event and not is_sorted(starts, self.visible, self.visible):
            self.order = self.order.copy()
            sort_runs(self.order, starts, self.visible, self.visible, np.empty(len(rows), np.int64))
            self.rank[self.order] = np.arange(len(rows))
        self._fixed: dict[str | None, tuple[Words, Words]] = {}
        self._slid: dict[str | None, dict[int, NDArray[np.int64]]] = {}

    def column(self, name: str | None) -> tuple[Words, Words]:
        """Return the values of a column to add, and to compare; of None, ones.

        Raises
        ------
        DataError
            A value or a possible sum does not fit 63 bits.
        """
        if name not in self._fixed:
            self._fixed[name] = self._prepare(name)
        return self._fixed[name]

    def _prepare(self, name: str | None) -> tuple[Words, Words]:
        view = self.bound.view
        if name is None:
            ones = np.zeros(len(self.rows), np.int64)
            return ones, ones
        words = self.words[view.columns.index(name)][self.rows]
        added = any(f.column == name and f.function in ("sum", "mean") for f in view.features)
        kind, bad = self.bound.types[name], -1
        if pt.is_floating(kind):
            fixed = np.empty(len(words), np.int64)
            scale = 10.0 ** view.decimals(name) if added else 0.0
            values = floats_of(words)
            if not added:
                values = np.where(np.isnan(values), values, 0.0)
            bad = int(fixed_floats(values, scale, words, fixed))
        else:
            fixed = words if added else np.where(words == MISSING, MISSING, 0)
        bad = bad if bad >= 0 or not added else int(first_too_large(self.starts, fixed))
        if bad >= 0:
            value = floats_of(words[bad : bad + 1])[0] if pt.is_floating(kind) else words[bad]
            raise DataError(
                f"{view.source}: sums of {name!r} of view {view.name!r} do not fit 63 bits with {view.decimals(name)} "
                f"decimals (a value is {value}); give the aggregate fewer decimals, or leave such rows out"
            )
        return fixed, words

    def windows(self, column: str | None, times: Words, starts: Words) -> dict[int, NDArray[np.int64]]:
        """Return number, sum, least and greatest of a column in its windows before sorted times, by width."""
        if column not in self._slid:
            fixed, words = self.column(column)
            mine = [f for f in self.bound.view.features if f.column == column and f.window is not None]
            widths = sorted({int(f.window or 0) for f in mine}, reverse=True)
            extremes = any(f.function in ("min", "max") for f in mine)
            out = np.empty((len(widths), 4, len(times)), np.int64)
            slide(
                self.starts, starts, times, self.event, self.visible, self.order, self.rank, fixed, words,
                np.array(widths, np.int64), extremes, np.empty((2, len(words) if extremes else 0), np.int64), out,
            )  # fmt: skip
            self._slid[column] = dict(zip(widths, out, strict=True))
        return self._slid[column]

    def features(self, times: Words, starts: Words, asked: Words, only: int | None = None) -> list[Words]:
        """Return the words of the view's features at sorted times.

        Parameters
        ----------
        times : array of shape (n_keys,), int64
            Until when events are known, ascending within an entity.
        starts : array of shape (n_groups + 1,), int64
            Where the times of each entity start.
        asked : array of shape (n_keys,), int64
            From when the age of the latest event counts: `times`, or one later where they are left out.
        only : int, optional
            The one feature that is wanted.
        """
        self._slid = {}
        found = np.empty(len(times), np.int64)
        latest(self.starts, starts, times, self.visible, self.order, found)
        known = found >= 0
        if self.bound.view.ttl is not None and len(self.event):
            known &= ages_of(asked, self.event[found]) < np.uint64(self.bound.view.ttl)
        wanted = self.bound.view.features if only is None else [self.bound.view.features[only]]
        return [self._feature(f, found, known, times, starts, asked) for f in wanted]

    def _feature(
        self,
        feature: Feature,
        found: Words,
        known: NDArray[np.bool_],
        times: Words,
        starts: Words,
        asked: Words,
    ) -> Words:
        name = feature.function
        if name in ("latest", "time_since_last"):
            out = np.full(len(times), MISSING, np.int64)
            if not len(self.event):
                return out
            if name == "latest":
                out[known] = self.words[self.bound.view.columns.index(str(feature.column))][
                    self.rows[found[known]]
                ]
            else:
                out[known] = words_of(ages_of(asked, self.event[found])[known] / 1e9)
            return out
        assert feature.window is not None
        if name == "distinct":
            return self._distinct(feature, times, starts)
        held = self.windows(feature.column, times, starts)[feature.window]
        count, total, low, high = held[0], held[1], held[2], held[3]
        plain: Words | None = {"count": count, "min": low, "max": high}.get(name)
        if plain is not None:
            return plain
        assert feature.column is not None
        if name == "sum" and not pt.is_floating(self.bound.types[feature.column]):
            return np.asarray(total)
        return sums_of(total, count, self.bound, feature)

    def _distinct(self, feature: Feature, times: Words, starts: Words) -> Words:
        _, words = self.column(feature.column)
        if pt.is_floating(self.bound.types[str(feature.column)]):
            words = np.where(words == MINUS_ZERO_WORD, 0, words)
        longest = int(np.diff(self.starts).max(initial=1))
        numbers = np.empty(len(words), np.int64)
        value_numbers(self.starts, words, np.empty(1 << int(2 * longest - 1).bit_length(), np.int64), numbers)
        out = np.empty(len(times), np.int64)
        slide_distinct(
            self.starts, starts, times, self.event, self.visible, self.order, self.rank, words, numbers,
            int(feature.window or 0), np.empty(len(words), np.int64), out,
        )  # fmt: skip
        return out


def ages_of(asked: Words, event: Words) -> NDArray[np.uint64]:
    """Return the nanoseconds from events to times that are not before them, which may be more than int64 holds.

    Where the time is before the event it is no age.
    """
    return (asked - event).view(np.uint64)


def words_of(values: NDArray[Any]) -> Words:
    """Return the words of floats."""
    out = np.empty(len(values), np.int64)
    float_words(np.ascontiguousarray(values, np.float64).view(np.int64), out)
    return out


def sums_of(total: Words, count: Words, bound: BoundView, feature: Feature) -> Words:
    """Return the words of sums or means from whole sums; a mean of nothing is missing."""
    assert feature.column is not None
    floating = pt.is_floating(bound.types[feature.column])
    scale = 10.0 ** bound.view.decimals(feature.column) if floating else 1.0
    sums = total.astype(np.float64) / scale
    if feature.function == "sum":
        return words_of(sums)
    out = np.full(len(total), MISSING, np.int64)
    some = count > 0
    out[some] = words_of(sums[some] / count[some])
    return out
