"""Kernel machines by descent: steps of batches over features that are never stored.

Features of one kernel have curvatures that fall by orders of magnitude from one direction to the next, and descent
that goes by the gradient alone learns only the first of them. So a step is multiplied by the inverse curvature of a
sample (Rudi, Carratino and Rosasco, 2017, "FALKON"; Ma and Belkin, 2017): one product of a matrix with a vector for
two rows a feature. Directions of which the sample knows nothing are held at the curvature of one row. The result is
an average of the steps (Polyak and Juditsky, 1992), the later ones counting more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import lapack
from scalable.data.block import Block
from scalable.errors import DataError
from scalable.execution.executors import Executor
from scalable.execution.process_wide import one_blas_thread
from scalable.execution.reader import BlockReader
from scalable.execution.replicas import partition_rounds, run_round
from scalable.kernel_approximation.single_precision import directions_of, padded, room
from scalable.kernels.cosines.cosine_rows import (
    Directions,
    Floats,
    add_gradient_of_rows,
    cosines_of_rows,
    times_vector,
)
from scalable.linear.mixing import MIX_BYTES, mixed
from scalable.models.arrays.model import complete

SAMPLE_ROWS, BATCH_ROWS = 4, 2  # a feature: of the sample that tells the curvature, and of a batch
SLOWING = 64.0  # steps after which the length of a step begins to fall, with the root of their number
LEAST_BATCH = 256
REPLICA_STEPS = 64  # of a pass: replicas of fewer would learn less from each other than they lose by parting
MAX_REPLICAS = 8
ROUND_STEPS = 8  # of a replica in the first round; each round is twice as long as the one before
ENOUGH = 500  # rows a feature: one pass then ends as near the optimum as the rows tell it
LATE = 1.0  # power of the number of steps by which they count in the average
_CHUNK = 2_048
_NO_WEIGHTS = np.empty(0)


@dataclass
class Steps:
    """What a replica has learned.

    Attributes
    ----------
    coef, average : float64 arrays of shape (n_components + 1,)
        Coefficients, the intercept last, and the average of those of all steps.
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


@dataclass(frozen=True)
class LossOfSteps:
    """What steps need to know of a loss.

    Attributes
    ----------
    code : int or None
        Its number; None is the logistic loss, for which alone kernels are then compiled.
    bend : float
        The second derivative that steps go by, whatever the scores: the greatest of the logistic loss (Boehning, 1992),
        so that the few positives of a rare class, too, cannot make a step too long.
    start : float
        The intercept to begin with.
    """

    code: int | None
    bend: float
    start: float


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
    loss : LossOfSteps
        What is minimised.
    penalty : float
        A row's share of the strength of the penalty.
    batch : int
        Rows a step.
    rate : float
        Length of the first steps, 1 being Newton's.
    """

    names: tuple[str, ...]
    directions: Directions
    inverse: Floats
    loss: LossOfSteps
    penalty: float
    batch: int
    rate: float = 1.0

    def begin(self, start: Steps) -> Steps:
        """Return a copy to learn on."""
        return replace(start, coef=start.coef.copy(), average=start.average.copy())

    def step(self, model: Steps, block: Block) -> Steps:
        """Learn from a block, in about equal batches."""
        columns = np.ascontiguousarray(complete(block, self.names))
        assert block.label is not None
        weight = _NO_WEIGHTS if block.weight is None else block.weight
        n = len(model.coef) - 1
        memory, gradient = room(self.directions), np.empty(len(self.directions.shift), np.float32)
        count = max(1, round(block.n_rows / self.batch))
        edges = [block.n_rows * k // count for k in range(count + 1)]
        move = np.empty(n + 1, np.float32)
        for low, high in pairwise(edges):
            gradient[:] = 0.0
            coef = padded(model.coef[:n], self.directions)
            loss, bias, total = add_gradient_of_rows(
                self.loss.code,
                columns,
                low,
                high,
                block.label,
                weight,
                self.directions,
                coef,
                model.coef[n],
                memory,
                gradient,
            )
            if total <= 0.0:
                continue
            if not np.isfinite(loss):
                raise DataError("the loss is no longer a number; scale the columns")
            slope = np.append(gradient[:n] * np.sqrt(2.0 / n), bias) / total
            slope[:n] += self.penalty * model.coef[:n]
            times_vector(self.inverse, slope.astype(np.float32), move)
            model.steps += 1.0
            share = min(1.0, (high - low) / self.batch)  # a step from few rows is a short one
            model.coef -= share * self.rate / np.sqrt(1.0 + model.steps / SLOWING) * move
            model.average += (1.0 + LATE) / (model.steps + LATE) * (model.coef - model.average)
            model.loss += loss
            model.weight += total
        return model

    def merge(self, start: Steps, models: Sequence[Steps]) -> Steps:
        """Return the means of the replicas."""
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


def descent_from(
    sample: NDArray[np.float64],
    drawn: dict[str, NDArray[Any]],
    names: tuple[str, ...],
    loss: LossOfSteps,
    alpha: float,
    total: float,
) -> tuple[FeatureDescent, dict[str, NDArray[Any]]]:
    """Return what replicas do, and the arrays of the map with its centre.

    Parameters
    ----------
    sample : float64 array of shape (n_rows, n_columns)
        Rows from all over; so many that there are `SAMPLE_ROWS` for each feature tell the curvature.
    drawn : dict of str to array
        Of `draw_map`.
    names : tuple of str
    loss : LossOfSteps
    alpha, total : float
        Strength of the penalty, and the weight of all rows.
    """
    drawn = {**drawn, "centre": sample.mean(axis=0)}
    directions, n = directions_of(drawn), len(drawn["shift"])
    rows = sample[:: max(1, len(sample) // (SAMPLE_ROWS * n))]
    square = np.zeros((n + 1, n + 1))
    memory, scale = room(directions), np.float32(np.sqrt(2.0 / n))
    out = np.empty((_CHUNK, len(directions.shift)), np.float32)
    with one_blas_thread():  # the order of its sums must not depend on free processors
        for low in range(0, len(rows), _CHUNK):
            some = np.ascontiguousarray(rows[low : low + _CHUNK].T)
            cosines_of_rows(some, directions, memory, out)
            z = np.ones((some.shape[1], n + 1), np.float32)
            np.multiply(out[: len(z), :n], scale, out=z[:, :n])
            square += z.T @ z
        square *= loss.bend / len(rows)
        square.flat[:: n + 2] += np.append(
            np.full(n, loss.bend / len(rows) + alpha / total), 1e-6 * loss.bend
        )
        inverse = lapack.inverse_of_positive(square).astype(np.float32)
    batch = max(LEAST_BATCH, BATCH_ROWS * n)
    return FeatureDescent(names, directions, inverse, loss, alpha / total, batch), drawn


def descend(
    executor: Executor,
    learner: FeatureDescent,
    reader: BlockReader,
    start: NDArray[np.float64],
    max_passes: int,
    tol: float,
    seed: int,
    label: str,
) -> tuple[NDArray[np.float64], int, bool]:
    """Return the average coefficients, passes made, and whether the loss fell by less than `tol` in the last pass.

    One pass is all there is where rows are `ENOUGH` for each coefficient. The rows are mixed on the way, so that data
    that is sorted teaches as well as any other.
    """
    n_rows, p = reader.source.n_rows, len(learner.names)
    mixes: Any = mixed(reader, seed, max(MAX_REPLICAS, -(-n_rows * (8 * p + 16) // MIX_BYTES)))
    n_replicas = min(MAX_REPLICAS, max(1, n_rows // (REPLICA_STEPS * learner.batch)))
    enough = n_rows >= ENOUGH * len(start)
    state, before, done = Steps(start, start.copy()), np.inf, 0
    while done < max_passes:
        state = replace(state, loss=0.0, weight=0.0)
        shards = mixes.source.shards
        if done:
            shards = tuple(shards[k] for k in np.random.default_rng([seed, done]).permutation(len(shards)))
        rounds = partition_rounds(shards, n_replicas, ROUND_STEPS * learner.batch, n_rows)
        for subsets in rounds:
            state = run_round(executor, learner, mixes, state, subsets, label)
        done += 1
        mean = state.loss / max(state.weight, 1e-300)
        if enough or before - mean < tol * max(mean, 1e-3):
            return state.average, done, True
        before = mean
    return state.average, done, False
