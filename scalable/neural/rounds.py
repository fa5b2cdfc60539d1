"""Replicas of a network: each learns from rows of its own for a round, on threads or on a cluster, then all merge.

An epoch is shared by replicas and rounds as `Batches` share it by ranks: every row goes to one replica in one round,
and all replicas make as many steps. After a round, parameters and the state of the optimizer are the means of the
replicas' (local SGD: McMahan et al., 2017; Stich, 2019). The number of replicas is part of the result, so that neither
the executor nor the number of workers can change a bit of it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import progress
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.work import GroupRows, StoppedError, Work
from scalable.minibatches.batches import Batches
from scalable.models.checkpoint import Checkpoint
from scalable.neural.training import CHECKPOINT_SECONDS, Training

ROUND_ROWS = (
    2**17
)  # of a replica: 128 steps of 1,024 rows; merging then costs little, and replicas part little


@dataclass(frozen=True)
class Shared:
    """How an epoch is divided.

    Parameters
    ----------
    executor : Executor
        Who does the work; it cannot change the result.
    n_replicas, n_rounds : int
        Replicas, and how many rounds an epoch has: together the ranks of the batches.
    """

    executor: Executor
    n_replicas: int
    n_rounds: int

    @classmethod
    def of(cls, executor: Executor, n_replicas: int, n_rows: int) -> Shared:
        """Return what suits so many rows."""
        return cls(executor, n_replicas, max(1, round(n_rows / n_replicas / ROUND_ROWS)))

    @property
    def n_ranks(self) -> int:
        """Parts of an epoch."""
        return self.n_replicas * self.n_rounds

    def train(
        self,
        training: Training,
        loader: Batches,
        held_out: Batches | None,
        checkpoint: Checkpoint,
        label: str,
    ) -> None:
        """Train until the loss stops falling or `max_iter` epochs are over.

        Parameters
        ----------
        training : Training
            What all replicas begin from; afterwards, what they have learned together.
        loader : Batches
            Of `n_ranks` ranks, at the epoch that comes next.
        held_out : Batches or None
            Rows whose loss ends the training.
        checkpoint : Checkpoint
            Written between rounds.
        label : str
            Shown as progress.

        Raises
        ------
        DataError
            When the loss is no longer a number.
        """
        course, epochs, last = training.course, training.settings.max_iter, time.monotonic()
        steps = len(loader) * self.n_rounds
        with progress.task(label, epochs * loader.n_rows) as shown:
            while loader.epoch < epochs and not course.stopped:
                for number in range(course.step % steps // len(loader), self.n_rounds):
                    self._round(training, loader, epochs * steps, number)
                    shown.advance(loader.n_rows // self.n_rounds)
                    training.check(course.loss)
                    late = time.monotonic() - last > CHECKPOINT_SECONDS
                    if checkpoint.path is not None and late and number + 1 < self.n_rounds:
                        training.write(checkpoint, loader)
                        last = time.monotonic()
                loader.epoch += 1
                training.end_epoch(held_out)
                if checkpoint.path is not None:
                    training.write(checkpoint, loader)
        training.keep_best()

    def _round(self, training: Training, loader: Batches, steps: int, number: int) -> None:
        """Let every replica learn for one round of an epoch, and merge them."""
        shard = loader.source.shards[0]  # a group stands for a replica, whose rows come from its batches
        groups = ((shard,),) * self.n_replicas
        work = Work(
            _Round(training, loader, self.n_replicas, number, steps), BlockReader(loader.source), groups
        )
        merge(training, self.executor.run(work, lambda n_rows, metrics: None))


@dataclass(frozen=True)
class _Round:
    """What a replica does in a round; `steps` are those of all epochs, which the learning rate goes by."""

    training: Training
    loader: Batches
    n_replicas: int
    number: int
    steps: int

    def run(self, rows: GroupRows) -> Training:
        """Return the training of one replica after its part."""
        training, loader = self.training.replica(rows.position, self.n_replicas), copy.copy(self.loader)
        loader.n_workers, loader.rank, loader.step = 1, self.number * self.n_replicas + rows.position, 0
        for batch in loader:
            if rows.stopped():
                raise StoppedError
            training.step(batch, training.rate(self.steps))
        return training


def merge(start: Training, replicas: Sequence[Training]) -> None:
    """Put the means of the replicas' parameters and optimizers, and the sums of their losses, into their start.

    An embedding is the mean of those replicas that had its category, if any: the others know nothing of it.
    """
    own = start.network
    networks = [replica.network for replica in replicas]
    moved = np.array([(each.table != own.table).any(axis=1) for each in networks])
    own.vector[:] = _mean([each.vector for each in networks])
    for name, array in own.moments.items():
        array[:] = _mean([each.moments[name] for each in networks])
    some = np.maximum(1, moved.sum(axis=0))[:, None]
    for mine, theirs in (
        (own.table, [each.table for each in networks]),
        *zip(start.table_moments, zip(*(r.table_moments for r in replicas), strict=True), strict=True),
    ):
        change = sum(each.astype(np.float64) - mine for each in theirs)
        mine[:] = mine + change / some
    start.moments[:] = _mean([replica.moments for replica in replicas])
    before = start.course
    start.course.loss += sum(replica.course.loss - before.loss for replica in replicas)
    start.course.weight += sum(replica.course.weight - before.weight for replica in replicas)
    start.course.step = replicas[0].course.step


def _mean(arrays: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Return the mean, summed in order in double precision."""
    total = arrays[0].astype(np.float64)
    for array in arrays[1:]:
        total += array
    return np.asarray(total / len(arrays))
