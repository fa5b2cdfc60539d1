"""The pass that sums the targets of columns with many categories, and of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.source import Source
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.features.hashing import HashedCategories
from scalable.features.target import Labels, read_weights
from scalable.features.target_encoding.means import MAX_MEANS, TargetSums
from scalable.kernels.encode.target_means import add_targets

PARTIAL_SUMS = 4  # where the rounding of sums depends on their order


class Cells(Protocol):
    """A column, or some together, whose rows each belong to a cell."""

    @property
    def name(self) -> str:
        """How it is called."""

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that it reads."""

    @property
    def n_cells(self) -> int:
        """Cells of values that are not missing; those that are have the next."""

    def cells(self, arrays: Mapping[str, pa.Array]) -> NDArray[np.int32]:
        """Return the cell of each row."""


@dataclass(frozen=True, slots=True)
class TargetSumsReduction:
    """Reduction from raw blocks to the `TargetSums` of columns or pairs with many categories.

    Parameters
    ----------
    keys : tuple of Cells
        What has cells.
    labels : Labels
        The target.
    weight : str, optional
        Column of the rows' weights: a row without any is no observation.
    """

    keys: tuple[Cells, ...]
    labels: Labels
    weight: str | None = None

    @property
    def exact(self) -> bool:
        """Whether sums are of whole numbers, so that their order does not matter."""
        return self.labels.classes is not None

    @property
    def n_means(self) -> int:
        """Mean targets per cell: one, one per class, or none for very many classes."""
        n_classes = 1 if self.labels.classes is None else len(self.labels.classes)
        if n_classes <= 2:
            return 1
        return n_classes if n_classes <= MAX_MEANS else 0

    def init(self) -> dict[str, TargetSums]:
        """Return zero tables."""
        return {
            key.name: TargetSums.zeros(key.n_cells, self.n_means, classes=self.exact) for key in self.keys
        }

    def step(self, state: dict[str, TargetSums], block: RawBlock) -> dict[str, TargetSums]:
        """Add a block to the tables, in place."""
        label = self.labels.encode(block.arrays[self.labels.column], block.where)
        unseen = None
        if self.weight is not None:
            unseen = np.flatnonzero(read_weights(block.arrays[self.weight], self.weight, block.where) == 0.0)
        for key in self.keys:
            found, cells = state[key.name], key.cells(block.arrays)
            if unseen is not None:
                cells[unseen] = key.n_cells
            add_targets(cells, label, block.first_row, found.counts, found.sums)
            if isinstance(key, HashedCategories):
                found.groups.add_rows(block.arrays[key.name], label, unseen)
        return state

    def merge(self, left: dict[str, TargetSums], right: dict[str, TargetSums]) -> dict[str, TargetSums]:
        """Return the tables of the rows of both, which are the left's."""
        for name, sums in right.items():
            left[name].add(sums)
        return left

    def finish(self, state: dict[str, TargetSums]) -> dict[str, TargetSums]:
        """Return the tables."""
        return state


def learn_sums(
    executor: Executor, source: Source, keys: tuple[Cells, ...], labels: Labels
) -> dict[str, TargetSums]:
    """Return the sums of `keys` over all rows of a source; the executor cannot change their bits.

    Tables are large and rows are quick, so each worker keeps one set of tables for all its shards; only sums of
    fractions, whose rounding depends on their order, are summed in a fixed number of partial sums.
    """
    reduction = TargetSumsReduction(keys, labels, source.weight)
    names = dict.fromkeys([*(name for key in keys for name in key.names), *source.roles.learned_from])
    reader = BlockReader(source, columns=tuple(names))
    most = executor.n_workers if reduction.exact else PARTIAL_SUMS
    return run_reduction(executor, reduction, reader, label="encode categories", most_states=most)
