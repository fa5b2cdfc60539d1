"""Sums over the features of rows, which are made a chunk at a time: second moments, and what Newton's steps are of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from scalable.bayes.laplace import Laplace, LogisticSums, Mode, Sums
from scalable.data.block import Block
from scalable.kernel_approximation.feature_map import Map, feature_blocks
from scalable.models.arrays.model import complete
from scalable.models.arrays.second_moments import Moments, SecondMoments

State = TypeVar("State")


def _add_chunks(
    add: Callable[[State, Block], State], state: State, block: Block, columns: tuple[str, ...], arrays: Map
) -> State:
    """Add a block to sums over features, a chunk of features at a time."""
    complete(block, columns)
    for part in feature_blocks(arrays, block):
        state = add(state, part)
    return state


@dataclass(frozen=True)
class FeatureMoments(SecondMoments):
    """The second moments of the features of rows and their target."""

    columns: tuple[str, ...] = ()
    arrays: Map = field(default_factory=dict)

    def step(self, state: Moments, block: Block) -> Moments:
        """Add a block, a chunk of features at a time."""
        return _add_chunks(super().step, state, block, self.columns, self.arrays)


@dataclass(frozen=True)
class FeatureSums(LogisticSums):
    """The log loss over the features of rows, with its derivatives."""

    columns: tuple[str, ...] = ()
    arrays: Map = field(default_factory=dict)

    def step(self, state: Sums, block: Block) -> Sums:
        """Add a block, a chunk of features at a time."""
        return _add_chunks(super().step, state, block, self.columns, self.arrays)


@dataclass(frozen=True)
class FeatureNewton(Laplace):
    """Newton's steps over the features of rows."""

    columns: tuple[str, ...] = ()
    arrays: Map = field(default_factory=dict)

    def reduction(self, state: Mode) -> FeatureSums:
        """Return the sums at the state's coefficients."""
        return FeatureSums(state.coef, self.names, self.columns, self.arrays)
