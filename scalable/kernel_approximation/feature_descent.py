"""Kernel machines by descent: steps of batches over features that are never stored.

A step is the gradient of a batch times the inverse curvature of a sample, see `feature_curvature`. The result is an
average of the steps (Polyak and Juditsky, 1992), the later ones counting more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import Block
from scalable.errors import DataError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.replicas import partition_rounds, run_round
from scalable.execution.threads import Threads
from scalable.kernel_approximation.single_precision import padded, room, to_features
from scalable.kernels.cosines.class_rows import add_gradient_of_classes
from scalable.kernels.cosines.cosine_rows import (
    Directions,
    Floats,
    add_gradient_of_rows,
    times_vector,
)
from scalable.linear.mixing import MIX_BYTES, mixed
from scalable.models.arrays.model import complete

SLOWING = 64.0  # steps after which the length of a step begins to fall, with the root of their number
REPLICA_STEPS = 64  # of a pass: replicas of fewer would learn less from each other than they lose by parting
MAX_REPLICAS = 8
ROUND_STEPS = 8  # of a replica in the first round; each round is twice as long as the one before
ENOUGH = 500  # rows a feature: one pass then ends as near the optimum as the rows tell it
LATE = 1.0  # power of the number of steps by which they count in the average
PARTS = 4  # of a batch, whose gradients are computed side by side and added in order
SIDE_BY_SIDE = 2**20  # features of all rows of a batch from which on that pays
_NO_WEIGHTS = np.empty(0)


@dataclass
class Steps:
    """What a replica has learned.

    Attributes
    ----------
    coef, average : float64 arrays of shape (k, n_components + 1)
        Coefficients of each class, or of the second of two; the intercept last; and the average of those of all steps.
    steps : float
        How many.
    loss, weight : float
        Progressive loss of this pass, and the weight it is over.
    """

    coef: NDArray[np.float64]
    average: NDArray[np.float64]
    steps: float = 0.0
    loss: float = 0.0
    weight: float = 0.0


class Part:
    """Memory for a part of a batch: what features are computed in, and gradients of `k` classes."""

    def __init__(self, directions: Directions, k: int) -> None:
        self.room = room(directions, k)
        self.gradient, self.bias = np.empty((k, len(directions.shift)), np.float32), np.empty(k)


@contextmanager
def side_by_side(threads: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Give what maps a function over sequences, on so many threads, its results in order."""
    if threads < 2:
        yield map
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="step") as pool:
        yield pool.map


@dataclass(frozen=True)
class LossOfSteps:
    """What steps need to know of a loss.

    Attributes
    ----------
    code : int or None
        Its number; None is the logistic loss, for which alone kernels are then compiled. Of several classes the loss
        is that of softmax.
    bend : float
        The second derivative that steps go by, whatever the scores: the greatest of the logistic loss (Boehning, 1992),
        so that the few positives of a rare class, too, cannot make a step too long.
    start : tuple of float
        The intercept of each class to begin with; of two, that of the second alone.
    """

    code: int | None
    bend: float
    start: tuple[float, ...]


@dataclass(frozen=True)
class FeatureDescent:
    """What replicas do, see `scalable.execution.replicas.Replica`.

    Parameters
    ----------
    names : tuple of str
        Columns, for messages.
    directions : Directions
        Of the cosines.
    inverse : float32 array of shape (n_components + 1, n_components + 1)
        Inverse curvature of a row, the intercept last.
    whiten : float32 array of shape (n_components, n_components), or None
        From kernels with landmarks to features.
    loss : LossOfSteps
        What is minimised.
    penalty : float
        A row's share of the strength of the penalty.
    batch : int
        Rows a step.
    rate : float
        Length of the first steps, 1 being Newton's.
    threads : int
        Work on a step of one replica; they do not change a bit of it.
    """

    names: tuple[str, ...]
    directions: Directions
    inverse: Floats
    whiten: Floats | None
    loss: LossOfSteps
    penalty: float
    batch: int
    rate: float = 1.0
    threads: int = 1

    def begin(self, start: Steps) -> Steps:
        """Return a copy to learn on."""
        return replace(start, coef=start.coef.copy(), average=start.average.copy())

    def step(self, model: Steps, block: Block) -> Steps:
        """Learn from a block, in about equal batches."""
        columns = np.ascontiguousarray(complete(block, self.names))
        count = max(1, round(block.n_rows / self.batch))
        edges = [block.n_rows * k // count for k in range(count + 1)]
        parts = [Part(self.directions, len(model.coef)) for _ in range(PARTS)]
        with side_by_side(self.threads) as each:
            for low, high in pairwise(edges):
                self._move(model, columns, block, low, high, parts, each)
        return model

    def _move(
        self,
        model: Steps,
        columns: NDArray[np.float64],
        block: Block,
        low: int,
        high: int,
        parts: Sequence[Part],
        each: Callable[..., Iterable[Any]],
    ) -> None:
        """Make the step of the rows from `low` to `high`."""
        n = model.coef.shape[1] - 1
        some = parts
        if (high - low) * n < SIDE_BY_SIDE:  # a thread would cost more than it takes off
            some, each = parts[:1], map

        def product(matrix: Floats, vector: NDArray[np.float64]) -> NDArray[np.float64]:
            out, rows = np.empty(len(matrix), np.float32), vector.astype(np.float32)
            bands = [len(matrix) * k // len(some) for k in range(len(some) + 1)]
            list(each(lambda a, b: times_vector(matrix[a:b], rows, out[a:b]), bands[:-1], bands[1:]))
            return out.astype(np.float64)

        def turned(values: NDArray[np.float64]) -> NDArray[np.float64]:
            if self.whiten is None:
                return to_features(values, None)
            return np.stack([product(self.whiten, row) for row in values])

        weights, intercept = padded(turned(model.coef[:, :n]), self.directions), model.coef[:, n].copy()
        edges = [low + (high - low) * k // len(some) for k in range(len(some) + 1)]

        def add(part: Part, first: int, last: int) -> tuple[float, float]:
            return self._add(part, columns, block, first, last, weights, intercept)

        loss, total = (sum(terms) for terms in zip(*each(add, some, edges[:-1], edges[1:]), strict=True))
        if total <= 0.0:
            return
        if not np.isfinite(loss):
            raise DataError(
                "the loss is no longer a number; scale the columns, and the weights if there are any"
            )
        gradient = sum(part.gradient[:, :n].astype(np.float64) for part in some)
        slope = np.column_stack([turned(np.asarray(gradient)), sum(part.bias for part in some)]) / total
        slope[:, :n] += self.penalty * model.coef[:, :n]
        move = np.stack([product(self.inverse, row) for row in slope])
        model.steps += 1.0
        share = min(1.0, (high - low) / self.batch)  # a step from few rows is a short one
        model.coef -= share * self.rate / np.sqrt(1.0 + model.steps / SLOWING) * move
        model.average += (1.0 + LATE) / (model.steps + LATE) * (model.coef - model.average)
        model.loss += loss
        model.weight += total

    def _add(
        self,
        part: Part,
        columns: NDArray[np.float64],
        block: Block,
        first: int,
        last: int,
        weights: Floats,
        intercept: NDArray[np.float64],
    ) -> tuple[float, float]:
        """Make the gradients of some rows; return the sums of their losses and weights."""
        assert block.label is not None
        weight = _NO_WEIGHTS if block.weight is None else block.weight
        part.gradient[:], part.bias[:] = 0.0, 0.0
        given = columns, first, last, block.label, weight, self.directions
        if len(weights) > 1:
            loss, total = add_gradient_of_classes(
                *given, weights, intercept, part.room, part.gradient, part.bias
            )
        else:
            loss, part.bias[0], total = add_gradient_of_rows(
                self.loss.code, *given, weights[0], intercept[0], part.room, part.gradient[0]
            )
        return loss, total

    def merge(self, start: Steps, models: Sequence[Steps], n_threads: int) -> Steps:
        """Return the means of the replicas; they are few numbers, for one thread."""
        n = len(models)
        return Steps(
            np.sum([model.coef for model in models], axis=0) / n,
            np.sum([model.average for model in models], axis=0) / n,
            max(model.steps for model in models),
            start.loss + sum(model.loss - start.loss for model in models),
            start.weight + sum(model.weight - start.weight for model in models),
        )

    def metrics(self, model: Steps) -> dict[str, float]:
        """Return the progressive loss for the progress display."""
        return {"loss": model.loss / model.weight} if model.weight > 0.0 else {}


def threads_of(executor: Executor) -> int:
    """Return the threads of this process that an executor works with."""
    return executor.n_workers if isinstance(executor, Threads) else 1


def descend(
    executor: Executor,
    learner: FeatureDescent,
    reader: BlockReader,
    n_rows: int,
    start: NDArray[np.float64],
    max_passes: int,
    tol: float,
    seed: int,
    label: str,
) -> tuple[NDArray[np.float64], int, bool]:
    """Return the average coefficients, passes made, and whether the loss fell by less than `tol` in the last pass.

    One pass is all there is where the `n_rows` that are selected are `ENOUGH` for each coefficient. The rows are mixed
    on the way, so that data that is sorted teaches as well as any other.
    """
    most, p = reader.source.n_rows, len(learner.names)
    mixes: Any = mixed(reader, seed, max(MAX_REPLICAS, -(-most * (8 * p + 16) // MIX_BYTES)))
    n_replicas = min(MAX_REPLICAS, max(1, n_rows // (REPLICA_STEPS * learner.batch)))
    learner = replace(learner, threads=max(1, threads_of(executor) // n_replicas))
    enough = n_rows >= ENOUGH * start.shape[1]
    state, before, done = Steps(start, start.copy()), np.inf, 0
    while done < max_passes:
        state = replace(state, loss=0.0, weight=0.0)
        shards = mixes.source.shards
        if done:
            shards = tuple(shards[k] for k in np.random.default_rng([seed, done]).permutation(len(shards)))
        rounds = partition_rounds(shards, n_replicas, ROUND_STEPS * learner.batch, most)
        for subsets in rounds:
            state = run_round(executor, learner, mixes, state, subsets, label)
        done += 1
        mean = state.loss / max(state.weight, 1e-300)
        if enough or before - mean < tol * max(mean, 1e-3):
            return state.average, done, True
        before = mean
    return state.average, done, False
