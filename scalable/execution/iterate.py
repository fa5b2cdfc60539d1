"""Iterate: a reduction repeated until it has converged, with checkpoints: Newton steps, EM, k-means."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from scalable.data.shard import Shard
from scalable.errors import UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import Reduction, run_reduction
from scalable.storage.documents import like, understood

State = TypeVar("State", bound="Iterate")
Sums = TypeVar("Sums")


@dataclass(frozen=True, kw_only=True)
class Iterate:
    """What an iteration knows between two passes; a subclass adds arrays and numbers, which are its checkpoint.

    Attributes
    ----------
    objective : float
        What is minimised, for the history; infinite before it is known.
    converged : bool
        Whether no further pass is wanted.
    stuck : bool
        Whether no further pass can help, although it has not converged.
    """

    objective: float = np.inf
    converged: bool = False
    stuck: bool = False


class Iteration(Protocol[State, Sums]):
    """One algorithm that alternates between a pass over the rows and a step in memory."""

    def reduction(self, state: State) -> Reduction[Any, Any, Sums]:
        """Return what is to be summed over the rows."""

    def update(self, state: State, sums: Sums) -> State:
        """Return the next state."""


class Checkpoint(Protocol):
    """Where states are kept between runs; see `scalable.models.checkpoint.Checkpoint`."""

    def read(self, stage: str) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """Return numbers and arrays that were written at this stage of the same training, or None."""

    def write(self, stage: str, state: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Replace what was written before, at once."""


@dataclass
class Iterated(Generic[State]):
    """The end of an iteration.

    Attributes
    ----------
    state : Iterate
        The last state.
    n_iter : int
        Passes over the rows, those of a resumed run included.
    history : list of float
        Objective after each pass.
    """

    state: State
    n_iter: int = 0
    history: list[float] = field(default_factory=list)

    @property
    def converged(self) -> bool:
        """Whether the algorithm ended it, rather than the number of passes."""
        return self.state.converged


def iterate(
    executor: Executor,
    iteration: Iteration[State, Any],
    start: State,
    reader: BlockReader,
    *,
    max_iter: int,
    stage: str,
    shards: Sequence[Shard] | None = None,
    label: str | None = None,
    checkpoint: Checkpoint | None = None,
) -> Iterated[State]:
    """Repeat pass and step until the state has converged, is stuck, or `max_iter` passes are done.

    Parameters
    ----------
    executor : Executor
        Who runs the passes.
    iteration : Iteration
        The algorithm.
    start : Iterate
        The first state.
    reader : BlockReader
        Where the blocks come from.
    max_iter : int
        Most passes, at least one.
    stage : str
        Name of the iteration in the checkpoint.
    shards : sequence of Shard, optional
        By default all shards of the reader's source.
    label : str, optional
        Name of the passes on the progress display; silent without.
    checkpoint : Checkpoint, optional
        Read at the start, written after every pass but the last.

    Raises
    ------
    UsageError
        When the checkpoint was written by another version of the algorithm.
    """
    done = Iterated(start)
    saved = None if checkpoint is None else checkpoint.read(stage)
    if saved is not None:
        done = _restored(start, *saved)
    while True:
        sums = run_reduction(executor, iteration.reduction(done.state), reader, shards, label)
        done.state = iteration.update(done.state, sums)
        done.n_iter += 1
        done.history.append(done.state.objective)
        if done.state.converged or done.state.stuck or done.n_iter >= max_iter:
            return done
        if checkpoint is not None:
            checkpoint.write(stage, *_split(done))


def _split(done: Iterated[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return numbers and arrays of a state."""
    values = {f.name: getattr(done.state, f.name) for f in dataclasses.fields(done.state)}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    numbers = {name: value for name, value in values.items() if name not in arrays}
    return {"state": numbers, "n_iter": done.n_iter, "history": done.history}, arrays


def _restored(start: State, meta: Mapping[str, Any], arrays: Mapping[str, Any]) -> Iterated[State]:
    known = {f.name for f in dataclasses.fields(start)}
    values = {**meta.get("state", {}), **arrays}
    if set(values) != known or not {"n_iter", "history"} <= set(meta):
        raise UsageError("the checkpoint is of another version of this program; remove it to start over")
    with understood(UsageError, "the checkpoint", "remove it to start over"):
        for name, was in ((f.name, getattr(start, f.name)) for f in dataclasses.fields(start)):
            found = values[name]
            if isinstance(was, np.ndarray):
                values[name] = like(was, found)
            elif was is not None and found is not None and not isinstance(found, type(was) | int | float):
                raise TypeError(f"{name} is {found!r:.60}")
        found = Iterated(
            type(start)(**values), int(meta["n_iter"]), [float(loss) for loss in meta["history"]]
        )
        if found.n_iter != len(found.history):
            raise ValueError(f"{found.n_iter} passes, and what {len(found.history)} came to")
        return found
