"""Training: steps of a network over batches, until the loss stops falling; resumable between any two steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable import progress
from scalable.errors import DataError, UsageError
from scalable.kernels.neural import updates
from scalable.kernels.neural.batch_loss import batch_loss
from scalable.kernels.neural.embeddings import move_embeddings
from scalable.kernels.neural.updates import StepRule
from scalable.minibatches.batches import Batches
from scalable.minibatches.mix import Batch
from scalable.models.checkpoint import Checkpoint
from scalable.neural.network import Network
from scalable.neural.number_pieces import check_edges
from scalable.storage.documents import like, typed, understood

STAGE = "steps"
MOST_STEPS = 2**48  # of a checkpoint: keys are made of them
CHECKPOINT_SECONDS = 10.0
HEAVIEST = 1e30  # weight that float32 can still add up
_NO_WEIGHTS = np.empty(0, np.float32)


@dataclass(frozen=True)
class Settings:
    """How a network is trained; parameters of the estimators, see there."""

    solver: str = "adam"
    alpha: float = 1e-4
    rate: float = 1e-3
    schedule: str = "constant"
    warmup: float = 0.0
    momentum: float = 0.9
    nesterov: bool = True
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    dropout: float = 0.0
    max_iter: int = 200
    tol: float = 1e-4
    n_iter_no_change: int = 10
    seed: int = 0


@dataclass
class Course:
    """How far a training is, JSON-able.

    Attributes
    ----------
    step : int
        Steps done.
    loss, weight : float
        Of this epoch so far: sums.
    losses, held_out : list of float
        Mean loss of each epoch, of training and of held-out rows.
    best, waited : float, int
        Least loss so far, of held-out rows where there are any, and epochs since it fell by more than ``tol``.
    stopped : bool
        Whether the loss stopped falling.
    """

    step: int = 0
    loss: float = 0.0
    weight: float = 0.0
    losses: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    best: float = math.inf
    waited: int = 0
    stopped: bool = False


class Training:
    """A network, the state of its optimizer, and how far it is.

    Parameters
    ----------
    network : Network
        Trained in place.
    settings : Settings
        How.
    loss : int
        One of `scalable.kernels.neural.batch_loss`.
    by_class : sequence of float
        Weight of each class; empty for none.

    Attributes
    ----------
    course : Course
        How far it is.
    moments, table_moments : arrays of shape (2, p) and (2, n_indices, embedding)
        State of the optimizer.
    """

    def __init__(
        self, network: Network, settings: Settings, loss: int, by_class: Iterable[float] = ()
    ) -> None:
        self.network, self.settings, self.loss = network, settings, loss
        self.course = Course()
        self._by_class = np.array(tuple(by_class), np.float32)
        self.moments = np.zeros((2, len(network.vector)), network.dtype)
        self.table_moments = np.zeros((2, *network.table.shape), network.dtype)
        self._sums = np.zeros(network.table.shape, network.dtype)
        self._touched = np.zeros(len(network.table), bool)
        self._gradient = np.empty((0, network.shape.n_outputs), network.dtype)
        self._best: dict[str, NDArray[Any]] = {}
        self._position, self._n_replicas = 0, 1

    def replica(self, position: int, n_replicas: int) -> Training:
        """Return a training of its own that begins here; `position` of so many tells what it drops."""
        network = Network(self.network.shape, self.network.dtype)
        network.take(self.network.named())
        new = Training(network, self.settings, self.loss, self._by_class.tolist())
        new.course = replace(self.course)
        new.moments[:], new.table_moments[:] = self.moments, self.table_moments
        new._position, new._n_replicas = position, n_replicas
        return new

    def step(self, batch: Batch, rate: float) -> float:
        """Learn from a batch; return its mean loss, and add it to the course's.

        The loss counts the penalty, as scikit-learn's: ``alpha / 2`` times the squared weights over the rows.
        """
        network, s, n = self.network, self.settings, len(batch.X)
        self.course.step += 1
        key = self.course.step * self._n_replicas + self._position
        scores = network.forward(batch.X, batch.ids, training=True, rate=s.dropout, key=key)
        gradient = self._room(n)
        total, weight = batch_loss(scores, batch.y, self._weights(batch), self.loss, gradient)
        if s.alpha and s.solver != "adamw":
            weights = network.vector[: network.n_weights]
            total += 0.5 * s.alpha * float(weights @ weights) / n * weight
        if weight > 0.0:
            back = network.backward(gradient)
            self._move(batch.ids, back, rate, n)
        self.course.loss += total
        self.course.weight += weight
        return total / weight if weight > 0.0 else 0.0

    def run(
        self,
        loader: Batches,
        held_out: Batches | None,
        checkpoint: Checkpoint,
        label: str,
        epochs: int | None = None,
    ) -> None:
        """Train until the loss stops falling, `max_iter` epochs are over, or so many.

        Raises
        ------
        DataError
            When the loss is no longer a number.
        """
        s, course = self.settings, self.course
        last = time.monotonic()
        epochs = s.max_iter if epochs is None else epochs
        steps = epochs * len(loader)
        with progress.task(label, epochs * loader.n_rows) as shown:
            while loader.epoch < epochs and not course.stopped:
                for batch in loader:
                    loss = self.step(batch, self.rate(steps))
                    shown.advance(len(batch.X))
                    self.check(loss, batch.weight)
                    if (
                        checkpoint.path is not None
                        and time.monotonic() - last > CHECKPOINT_SECONDS
                        and loader.step < len(loader)
                    ):
                        self.write(checkpoint, loader)
                        last = time.monotonic()
                self.end_epoch(held_out)
                if checkpoint.path is not None:
                    self.write(checkpoint, loader)
        self.keep_best()

    def check(self, loss: float, weight: NDArray[Any] | None = None) -> None:
        """Raise DataError where the loss of rows of some weights is no number."""
        if not math.isfinite(loss):
            heaviest = 0.0 if weight is None else float(np.max(weight))
            if heaviest > HEAVIEST:
                raise DataError(
                    f"weights reach {heaviest:g} in float32, whose sums overflow; divide them by a constant"
                )
            raise DataError(
                f"the loss is {loss} at step {self.course.step:,}: the steps are too long; lower learning_rate_init, "
                "or standardise the target"
            )

    def keep_best(self) -> None:
        """Go back to the weights with the least held-out loss, where rows were held out."""
        if self._best:
            self.network.take(self._best)

    def mean_loss(self, loader: Batches) -> float:
        """Return the mean loss of rows, weighted."""
        total = whole = 0.0
        for batch in loader:
            scores = self.network.forward(batch.X, batch.ids)
            found, weight = batch_loss(
                scores, batch.y, self._weights(batch), self.loss, self._room(len(scores))
            )
            total, whole = total + found, whole + weight
        if whole == 0.0:
            raise DataError("the held-out rows have no weight; raise validation_fraction")
        return float(total / whole)

    def write(self, checkpoint: Checkpoint, loader: Batches) -> None:
        """Write all that a resumed training needs."""
        arrays = {f"network.{name}": array for name, array in self.network.named().items()}
        arrays |= {f"best.{name}": array for name, array in self._best.items()}
        arrays |= {"moments": self.moments, "table_moments": self.table_moments}
        checkpoint.write(STAGE, {"course": asdict(self.course), "loader": loader.state_dict()}, arrays)

    def resume(self, checkpoint: Checkpoint, loader: Batches) -> None:
        """Go on where `write` was called, if it was.

        Raises
        ------
        UsageError
            When the checkpoint is of another training, or damaged.
        """
        found = checkpoint.read(STAGE)
        if found is None:
            return
        state, arrays = found
        with understood(UsageError, checkpoint.path, "remove it to start over"):
            told = dict(state["course"])
            self.course = typed(Course, {**told, "best": 0.0})
            self.course.best = float(told["best"])  # infinite before the first epoch
            if not 0 <= self.course.step < MOST_STEPS or self.course.waited < 0:
                raise ValueError(f"step {self.course.step}")
            loader.load_state_dict(state["loader"])
            parts: dict[str, dict[str, NDArray[Any]]] = {"network": {}, "best": {}}
            for name, array in arrays.items():
                kind, _, rest = name.partition(".")
                if rest:
                    parts[kind][rest] = array
            if parts["best"]:
                self.network.take(parts["best"])  # proven now, not at the end
            self.network.take(parts["network"])
            check_edges(self.network.edges, self.network.shape.pieces)
            self._best = parts["best"]
            self.moments[:] = like(self.moments, arrays["moments"])
            self.table_moments[:] = like(self.table_moments, arrays["table_moments"])

    def rate(self, steps: int) -> float:
        """Return the learning rate of the next step of `steps`."""
        s, at = self.settings, self.course.step
        warm = s.warmup * steps
        if at < warm:
            return s.rate * (at + 1) / (warm + 1)
        if s.schedule == "cosine":
            return s.rate * 0.5 * (1.0 + math.cos(math.pi * (at - warm) / max(1.0, steps - warm)))
        return s.rate

    def _move(self, ids: NDArray[np.int32], back: NDArray[Any] | None, rate: float, n: int) -> None:
        s, t, network = self.settings, self.course.step, self.network
        kind = updates.SOLVERS[s.solver]
        if kind == updates.SGD:
            rule = StepRule(kind, rate, s.alpha / n, s.momentum, 0.0, 0.0, s.nesterov and s.momentum > 0.0)
        else:
            decay = rate * s.alpha if kind == updates.ADAMW else s.alpha / n
            rate *= math.sqrt(1.0 - s.beta_2**t) / (1.0 - s.beta_1**t)
            rule = StepRule(kind, rate, decay, s.beta_1, s.beta_2, s.epsilon, False)
        updates.move(rule, network.vector, network.gradient, self.moments, network.n_weights)
        if back is not None:
            move_embeddings(
                ids,
                back,
                network.shape.n_dense,
                rule,
                network.table,
                self.table_moments,
                self._sums,
                self._touched,
            )

    def end_epoch(self, held_out: Batches | None) -> None:
        """Keep the loss of an epoch, and whether training ends."""
        s, course = self.settings, self.course
        if course.weight == 0.0:
            raise DataError("no row has any weight that float32 holds; check the weights and class_weight")
        course.losses.append(course.loss / course.weight)
        course.loss = course.weight = 0.0
        found = course.losses[-1]
        if held_out is not None:
            found = self.mean_loss(held_out)
            course.held_out.append(found)
        course.waited = course.waited + 1 if found > course.best - s.tol else 0
        if found < course.best:
            course.best = found
            if held_out is not None:
                self._best = {name: array.copy() for name, array in self.network.named().items()}
        course.stopped = course.waited > s.n_iter_no_change

    def _weights(self, batch: Batch) -> NDArray[Any]:
        if not self._by_class.size:
            return _NO_WEIGHTS if batch.weight is None else batch.weight
        assert batch.y is not None
        factors = self._by_class[batch.y.astype(np.int64)]
        return factors if batch.weight is None else np.asarray(factors * batch.weight)

    def _room(self, n: int) -> NDArray[Any]:
        if len(self._gradient) < n:
            self._gradient = np.empty((n, self.network.shape.n_outputs), self.network.dtype)
        return self._gradient[:n]
