"""Collect a forest's distinct decisions into columns of sorted thresholds and category sets.

The block kernel makes the decisions of a column of numbers from a plane a chunk of thresholds and one a place in a
chunk, see ``kernels.forest.rank.threshold_planes``; a category set is a plane of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.inference.forest.trees import Trees
from scalable.kernels.forest.category import MAX_TABULATED, OCTET
from scalable.kernels.forest.rank import CHUNK, MAX_THRESHOLDS, RANK_CATEGORY, RANK_NAN, RANK_ZERO, ladder_of
from scalable.kernels.forest.tables import (
    CATEGORICAL,
    COLUMN,
    DEFAULT_LEFT,
    MISSING_IS_ZERO,
    MISSING_OR_ZERO,
)

MOST_OF_A_BYTE = 255  # thresholds whose ranks are single bytes
ONES, FIRST_PLANE = 0, 2  # a plane of all rows, one of none behind it, then those of columns


@dataclass(slots=True)
class Decisions:
    """Columns of decisions, which are numbered: a numeric threshold or a category set each.

    Attributes
    ----------
    columns, thresholds, to_class, signatures, masks
        See ``kernels.forest.tables.Program``; columns are ordered by feature.
    decision : int64 (n_nodes,)
        Each node's; rows go right where it holds.
    n_planes : int
        That the block kernel makes them from; the first two are ones and zeros.
    """

    columns: np.ndarray
    thresholds: np.ndarray
    to_class: np.ndarray
    signatures: np.ndarray
    masks: np.ndarray
    decision: np.ndarray
    n_planes: int

    @property
    def categorical(self) -> np.ndarray:
        """Which columns are of categories, bool (n_columns,)."""
        found: np.ndarray = self.columns["kind"] == RANK_CATEGORY
        return found

    def columns_of_nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each node's column and the offset of its decision within the column."""
        order = np.argsort(self.columns["decision"], kind="stable")
        first = self.columns["decision"][order]
        place = np.searchsorted(first, self.decision, "right") - 1
        return order[place], self.decision - first[place]

    def ladders(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where each column's thresholds begin among those of all, and these, as kernels find ranks in them."""
        rungs, begins, parts, length = (
            np.zeros(len(self.columns), np.int64),
            dict[int, int](),
            [np.empty(0)],
            0,
        )
        for c in np.flatnonzero(~self.categorical):
            first, count = int(self.columns["first"][c]), int(self.columns["count"][c])
            if first not in begins:
                parts.append(ladder_of(self.thresholds[first : first + count]))
                begins[first], length = length, length + len(parts[-1])
            rungs[c] = begins[first]
        return rungs, np.concatenate(parts)

    def planes_of_nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the planes that each node's decision is made of, see ``kernels.forest.bitplanes.split``."""
        column, offset = self.columns_of_nodes()
        at, categorical = self.columns["at"][column], self.categorical[column]
        chunk, place = np.divmod(offset, CHUNK)
        chunks = _chunks(self.columns["count"][column])
        above = np.where(categorical, ONES, at + chunk)
        return above, np.where(categorical, at + offset, at + 1 + chunks + place)


def planes_of(columns: np.ndarray) -> np.ndarray:
    """Return how many planes the decisions of each column are made of."""
    count = columns["count"]
    of_numbers = 1 + _chunks(count) + np.minimum(count, CHUNK)
    return np.where(columns["kind"] == RANK_CATEGORY, columns["sets"], of_numbers)


def _chunks(count: np.ndarray) -> np.ndarray:
    return -(-count // CHUNK)


def _column(**values: int) -> Any:
    row = np.zeros(1, COLUMN)
    for name, value in values.items():
        row[name] = value
    return row


def _numeric(trees: Trees, nodes: np.ndarray, decision: np.ndarray) -> tuple[list[Any], np.ndarray, int]:
    """Give numeric nodes their decisions; return the columns, padded thresholds and how many decisions there are.

    Nodes that differ in where missing values go, and in nothing else, share thresholds: their columns lie side by side,
    and the block kernel ranks values once for both.
    """
    missing = (trees.rule[nodes] >> 2).astype(np.int64) & 3
    left = ((trees.rule[nodes] & DEFAULT_LEFT) > 0) & (missing != MISSING_IS_ZERO)
    threshold, feature = trees.bounds()[nodes], trees.feature[nodes]
    columns, padded, base, following = [], [np.empty(0)], 0, 0
    order = np.lexsort((missing, feature))
    f, m = feature[order], missing[order]
    starts = np.flatnonzero(np.r_[True, (f[1:] != f[:-1]) | (m[1:] != m[:-1])])
    for group in np.split(order, starts[1:]):
        sides = [side for side in (False, True) if (left[group] == side).any()]
        for together in _shared(threshold[group], left[group], sides):
            mine = group[np.isin(left[group], together)]
            values, place = np.unique(threshold[mine], return_inverse=True)
            kind_of_missing, name = int(missing[mine[0]]), int(feature[mine[0]])
            kind = RANK_ZERO if kind_of_missing == MISSING_OR_ZERO else RANK_NAN
            for first in range(0, len(values), MAX_THRESHOLDS):
                part = values[first : first + MAX_THRESHOLDS]
                count, size = len(part), (1 << len(part).bit_length()) - 1
                padded.append(np.r_[part, np.full(size - count, np.inf)])
                inside = (place >= first) & (place < first + count)
                for side in together:
                    special = 0 if side else count
                    if kind_of_missing == MISSING_IS_ZERO:
                        special = int(np.searchsorted(part, 0.0, "left"))
                    chosen = inside & (left[mine] == side)
                    decision[nodes[mine[chosen]]] = following + place[chosen] - first
                    columns.append(
                        _column(
                            feature=name,
                            kind=kind,
                            missing=special,
                            first=base,
                            count=count,
                            decision=following,
                        )
                    )
                    following += count
                base += size
    return columns, np.concatenate(padded), following


def _shared(threshold: np.ndarray, left: np.ndarray, sides: list[bool]) -> list[list[bool]]:
    """Return which sides share thresholds: all, unless ranks that fit a byte would not, which a single row needs."""
    if len(sides) == 1:
        return [sides]
    alone = [len(np.unique(threshold[left == side])) for side in sides]
    fits = max(alone) > MOST_OF_A_BYTE or len(np.unique(threshold)) <= MOST_OF_A_BYTE
    return [sides] if fits else [[side] for side in sides]


def _members(words: np.ndarray) -> np.ndarray:
    """Return the categories in a bitset, ascending."""
    return np.flatnonzero(np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little"))


@dataclass(slots=True)
class _Sets:
    """The distinct category sets of one feature: members, and whether missing values go left."""

    members: list[np.ndarray]
    missing_left: list[bool]

    def classes(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Return the class of each category, which classes go left at which set, and the class of missing values.

        Class 0 goes right everywhere.
        """
        used = np.unique(np.concatenate([np.empty(0, np.int64), *self.members]))
        n, sets = len(used), len(self.members)
        left = np.zeros((n + 2, sets), bool)
        for d, inside in enumerate(self.members):
            left[1 + np.searchsorted(used, inside), d] = True
        left[n + 1] = self.missing_left
        missing = n + 1 if any(self.missing_left) else 0
        to_class = np.zeros(int(used[-1]) + 1 if n else 0, np.uint32)
        to_class[used] = np.arange(1, n + 1)
        return to_class, left[: 1 + max(n, missing)], missing


def _sets_of(trees: Trees, nodes: np.ndarray, decision: np.ndarray, following: int) -> _Sets:
    """Give the nodes of one feature their decisions, numbered from `following` on."""
    found: dict[tuple[bytes, bool], int] = {}
    sets = _Sets([], [])
    for node in nodes:
        inside = _members(trees.cat_words[trees.cat_start[node] : trees.cat_stop[node]])
        missing_left = int(trees.rule[node]) & DEFAULT_LEFT > 0
        index = found.setdefault((inside.tobytes(), missing_left), len(sets.members))
        if index == len(sets.members):
            sets.members.append(inside)
            sets.missing_left.append(missing_left)
        decision[node] = following + index
    return sets


def _categorical(
    trees: Trees, nodes: np.ndarray, decision: np.ndarray, following: int
) -> tuple[list[Any], np.ndarray, np.ndarray, np.ndarray]:
    """Give categorical nodes their decisions; return columns, the class map, signatures and masks."""
    columns: list[Any] = []
    classes, signatures, masks = [np.empty(0, np.uint32)], [np.empty(0, np.uint64)], [np.empty(0, np.uint8)]
    class0 = signature0 = mask0 = 0
    for feature in np.unique(trees.feature[nodes]):
        sets = _sets_of(trees, nodes[trees.feature[nodes] == feature], decision, following)
        to_class, left, missing = sets.classes()
        n_classes, n_sets = left.shape
        n_words = (n_sets + 63) // 64
        bits = np.ones((n_classes, 64 * n_words), np.uint8)
        bits[:, :n_sets] = ~left
        # An unused octet keeps the kernel's loop over octets from being empty.
        octets = max(1, -(-(n_classes - 1) // OCTET)) if n_classes <= MAX_TABULATED + 1 else 0
        inside = np.zeros((octets * OCTET, n_sets), np.uint8)
        inside[: n_classes - 1] = left[1:] if octets else 0
        by_octet = np.packbits(inside.reshape(octets, OCTET, n_sets), axis=1, bitorder="little").ravel()
        packed = np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64).ravel()
        columns.append(
            _column(
                feature=int(feature), kind=RANK_CATEGORY, missing=missing, first=class0,
                count=len(to_class), decision=following, sets=n_sets, words=n_words, signature=signature0, mask=mask0,
                octets=octets,
            )
        )  # fmt: skip
        classes.append(to_class)
        signatures.append(packed)
        masks.append(by_octet)
        class0 += len(to_class)
        signature0 += packed.size
        mask0 += by_octet.size
        following += n_sets
    return columns, np.concatenate(classes), np.concatenate(signatures), np.concatenate(masks)


def collect(trees: Trees) -> Decisions:
    """Return the distinct decisions of all nodes."""
    decision = np.zeros(len(trees.feature), np.int64)
    categorical = (trees.rule & CATEGORICAL) > 0
    numeric_nodes, category_nodes = np.flatnonzero(~categorical), np.flatnonzero(categorical)
    rows: list[Any] = []
    thresholds, n_numeric = np.empty(0), 0
    if numeric_nodes.size:
        rows, thresholds, n_numeric = _numeric(trees, numeric_nodes, decision)
    more, to_class, signatures, masks = _categorical(trees, category_nodes, decision, n_numeric)
    columns = np.concatenate([np.empty(0, COLUMN), *rows, *more])
    columns = columns[np.argsort(columns["feature"], kind="stable")]
    ends = FIRST_PLANE + np.cumsum(planes_of(columns))
    columns["at"] = ends - planes_of(columns)
    n_planes = int(ends[-1]) if len(columns) else FIRST_PLANE
    return Decisions(columns, thresholds, to_class, signatures, masks, decision, n_planes)
