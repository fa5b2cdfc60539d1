"""What a worker is told, what it answers, and how the two travel over the pipes of its process."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass, field
from typing import IO, Any

import cloudpickle  # type: ignore[import-untyped]  # ships no types
import numpy as np
from numpy.typing import NDArray

from scalable.boosting.comm.encryption import Credentials
from scalable.boosting.training.checkpoint import Saved
from scalable.boosting.training.metrics import Metric
from scalable.boosting.training.rotation import Rotation
from scalable.data.fingerprint import Fingerprint
from scalable.data.source import Source
from scalable.features.tree_encoder import TreeEncoder

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Watch:
    """What happens between iterations.

    Attributes
    ----------
    metrics : tuple of Metric
        Evaluated on the validation rows of all workers.
    custom : tuple of callable
        ``func(y_true, y_pred, weight) -> (name, value, higher_is_better)``.
    callbacks : tuple of callable
        LightGBM callbacks; run on every worker with the same values.
    objective : callable or None
        ``func(y_true, y_pred, weight) -> (gradient, hessian)`` on this worker's rows.
    patience : int
        Iterations without improvement before training stops; 0 for never.
    least_gain : float or list of float
        What counts as an improvement, for all metrics or for each.
    first_only : bool
        Whether the first metric alone decides.
    names : tuple of str
        Of the validation sets, in results.
    training_set : str
        Which of them is the training rows, where one is; early stopping does not look at it.
    """

    metrics: tuple[Metric, ...] = ()
    custom: tuple[Any, ...] = ()
    callbacks: tuple[Any, ...] = ()
    objective: Any = None
    patience: int = 0
    least_gain: float | list[float] = 0.0
    first_only: bool = True
    names: tuple[str, ...] = ()
    training_set: str = ""


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """One worker's part of one attempt at a fit; picklable.

    Attributes
    ----------
    fit : str
        Identifies the attempt.
    worker, n_workers : int
        Place of this worker.
    host : str
        Address on which this worker listens for its peers.
    secret : bytes
        Shared by the workers of this attempt.
    source : Source
        This worker's shards.
    encoder : TreeEncoder
        The same for all workers.
    reference : bytes
        Serialised bins, the same for all workers.
    dataset_params, params : dict
        For the dataset and for the booster.
    n_rounds : int
        Iterations to train.
    n_threads : int
        Threads of this worker.
    n_scores : int
        Raw scores per row.
    silence : float
        Seconds without a byte after which a peer counts as lost.
    valid : tuple of Source
        This worker's shards of each validation set.
    watch : Watch
        What happens between iterations, the same on all workers.
    base : Saved
        Trees to continue from.
    keep_every : int
        Iterations between checkpoints; 0 for none.
    cache : str
        Where the filled datasets are kept, if anywhere.
    directory : str
        Where worker 0 writes checkpoints, if anywhere.
    fingerprint : Fingerprint
        What the checkpoints depend on.
    rotation : Rotation
        Sets of this worker's rows that are trained on one after another; all at once when it has no rows.
    engine : str
        "lightgbm" or "native".
    disk : str
        Where binned rows are kept when memory does not hold them; empty when it does.
    initial : tuple of float
        Starting score per class where LightGBM would average the workers' own; empty to leave it alone.
    encrypted : bool
        Whether workers speak TLS with each other, as their cluster does.
    credentials : Credentials or None
        For that; put in by the Dask worker itself, so that no key crosses the network.
    sizes : tuple of int32 array
        Rows of each query of the training rows, then of those of each validation set; empty without queries.
    starts : tuple of tuple of str
        Columns of scores that training rows, then those of each validation set, start from; empty without any.
    """

    fit: str
    worker: int
    n_workers: int
    host: str
    secret: bytes = field(repr=False)  # schedulers write the arguments of failed tasks to their logs
    source: Source
    encoder: TreeEncoder
    reference: bytes
    dataset_params: dict[str, Any]
    params: dict[str, Any]
    n_rounds: int
    n_threads: int
    n_scores: int = 1
    silence: float = 20.0
    valid: tuple[Source, ...] = ()
    watch: Watch = Watch()
    base: Saved = Saved()  # noqa: RUF009  frozen, never changed
    keep_every: int = 0
    cache: str = ""
    directory: str = ""
    fingerprint: Fingerprint = Fingerprint({})  # noqa: RUF009  frozen, never changed
    rotation: Rotation = Rotation()  # noqa: RUF009  frozen
    engine: str = "lightgbm"
    initial: tuple[float, ...] = ()
    encrypted: bool = False
    credentials: Credentials | None = field(default=None, repr=False)
    disk: str = ""
    sizes: tuple[NDArray[np.int32], ...] = ()
    starts: tuple[tuple[str, ...], ...] = ()


@dataclass(slots=True)
class Outcome:
    """How a worker ended.

    Attributes
    ----------
    status : str
        "done", "lost" (a peer was lost), "error" (an exception here), "died" (the process ended by
        itself or was killed) or "stopped" (the driver asked).
    worker : int
        Who.
    peer : int or None
        For "lost", which peer.
    error : Exception or None
        For "error", the original exception.
    reason : str
        For "lost" and "died", what was seen.
    text : str
        For "done" on worker 0, the model text.
    saved : Saved or None
        The worker's last checkpoint, also when it died.
    best_iteration : int
        Where training stopped early, counted from 1; 0 when it did not.
    history : list
        Evaluation results per iteration.
    stats : dict
        Seconds, bytes, memory.
    """

    status: str
    worker: int
    peer: int | None = None
    error: Exception | None = None
    reason: str = ""
    text: str = ""
    stats: dict[str, Any] = field(default_factory=dict)
    saved: Saved | None = None
    best_iteration: int = 0
    history: list[Any] = field(default_factory=list)


def write_frame(stream: IO[bytes], message: Any) -> None:
    """Write one message; pipes between parent and child only, never files."""
    data = cloudpickle.dumps(message, protocol=5)  # by value, for callables of the user's main module
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> Any:
    """Read one message.

    Raises
    ------
    EOFError
        When the other side closed the pipe.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    length = _LENGTH.unpack(head)[0]
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)
