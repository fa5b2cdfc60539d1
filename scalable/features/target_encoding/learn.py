"""The pass that learns mean targets and shares of columns with many levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.shard import Shard
from scalable.data.source import Source
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.rounds import run_replicas
from scalable.features.identifiers import MANY_LEVELS, named_identifier
from scalable.features.survey import Survey
from scalable.features.target import Labels
from scalable.features.target_encoding.cross_fitted import FoldRates
from scalable.features.target_encoding.means import MAX_MEANS
from scalable.kernels.encode.target_means import add_targets

PARTIAL_SUMS = 4  # where the rounding of sums depends on their order


class Levels(Protocol):
    """A column, or some together, whose rows each have a slot."""

    @property
    def name(self) -> str:
        """How it is called."""

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that it reads."""

    @property
    def n_slots(self) -> int:
        """Slots of values that are not missing; those that are have the next."""

    def slots(self, arrays: Mapping[str, pa.Array]) -> NDArray[np.int32]:
        """Return the slot of each row."""


@dataclass(frozen=True, slots=True)
class RatesReduction:
    """Reduction from raw blocks to the `FoldRates` of columns or pairs with many levels.

    Parameters
    ----------
    keys : tuple of Levels
        What has levels.
    labels : Labels
        The target.
    """

    keys: tuple[Levels, ...]
    labels: Labels

    @property
    def exact(self) -> bool:
        """Whether sums are of whole numbers, so that their order does not matter."""
        return self.labels.classes is not None

    @property
    def n_means(self) -> int:
        """Mean targets per level: one, one per class, or none for very many classes."""
        n_classes = 1 if self.labels.classes is None else len(self.labels.classes)
        if n_classes <= 2:
            return 1
        return n_classes if n_classes <= MAX_MEANS else 0

    def init(self) -> dict[str, FoldRates]:
        """Return zero tables."""
        return {key.name: FoldRates.zeros(key.n_slots, self.n_means, classes=self.exact) for key in self.keys}

    def step(self, state: dict[str, FoldRates], block: RawBlock) -> dict[str, FoldRates]:
        """Add a block; the tables are updated in place, those of an empty state made."""
        state = state or self.init()
        label = self.labels.encode(block.arrays[self.labels.column])
        for key in self.keys:
            rates = state[key.name]
            add_targets(key.slots(block.arrays), label, block.first_row, rates.counts, rates.sums)
        return state

    def merge(self, left: dict[str, FoldRates], right: dict[str, FoldRates]) -> dict[str, FoldRates]:
        """Return the tables of the rows of both, which are the left's."""
        for name, rates in right.items():
            left[name].add(rates)
        return left

    def finish(self, state: dict[str, FoldRates]) -> dict[str, FoldRates]:
        """Return the tables."""
        return state


def learn_rates(
    executor: Executor, source: Source, keys: tuple[Levels, ...], labels: Labels
) -> dict[str, FoldRates]:
    """Return the sums of `keys` over all rows of a source; the executor cannot change their bits.

    Tables are large and rows are quick, so each worker keeps one set of tables for all its shards; only sums of
    fractions, whose rounding depends on their order, are summed in a fixed number of partial sums.
    """
    reduction = RatesReduction(keys, labels)
    names = dict.fromkeys(name for key in keys for name in key.names)
    reader = BlockReader(source, columns=(*names, labels.column))
    stretches = _stretches(source.shards, executor.n_workers if reduction.exact else PARTIAL_SUMS)
    nothing: dict[str, FoldRates] = {}
    states = run_replicas(executor, reduction, reader, nothing, stretches, label="encode levels")
    total = reduction.init() if not states else states.pop(0) or reduction.init()
    while states:
        total = reduction.merge(total, states.pop(0))
    return reduction.finish(total)


def _stretches(shards: Sequence[Shard], n: int) -> list[Sequence[Shard]]:
    """Cut shards into at most `n` runs of about equally many."""
    n = min(n, len(shards))
    return [shards[len(shards) * k // n : len(shards) * (k + 1) // n] for k in range(n)]


def identifiers_of(source: Source, survey: Survey) -> tuple[str, ...]:
    """Return the integer features that are named like identifiers and show many levels in the sample."""
    named = [f.name for f in source.schema if pt.is_integer(f.type) and named_identifier(f.name)]
    return tuple(name for name in named if _shows_many(survey, name))


def _shows_many(survey: Survey, name: str) -> bool:
    found: set[int] = set()
    for block in survey.sample:
        found.update(block.arrays[name].drop_null().unique().to_pylist())
        if len(found) > MANY_LEVELS:
            return True
    return False
