"""What the boosting loop asks of an engine, and which engines there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.comm.mesh import Mesh
from scalable.boosting.workers.job import WorkerJob


class Trainer(Protocol):
    """An engine with its rows in memory, ready to grow trees.

    Attributes
    ----------
    model : lightgbm.Booster
        What callbacks see.
    valid : list of tuple of label and weight
        Of the rows of each validation set.
    notes : dict
        What filling has to tell, for the statistics of the fit.
    """

    model: Any
    valid: list[tuple[NDArray[np.float64], NDArray[np.float64] | None]]
    notes: dict[str, Any]

    def restart(self, iteration: int) -> None:
        """Begin every random stream anew from an iteration's number, where a resumed run can join."""

    def step(self, iteration: int, share: float) -> bool:
        """Grow the trees of one iteration with a share of the learning rate; return whether there was one to grow."""

    def predict(self, k: int) -> NDArray[np.float64]:
        """Return the predictions of the k-th validation set, after the link, (n_rows,) or (n_rows, n_scores)."""

    def text(self) -> str:
        """Return the model text of the trees grown here."""

    def close(self) -> None:
        """Give up threads."""


def open_trainer(job: WorkerJob, mesh: Mesh | None, tell: Callable[[int], None], rows: Any = None) -> Trainer:
    """Fill a worker's rows for the engine its job names.

    Parameters
    ----------
    job : WorkerJob
        What to train.
    mesh : Mesh or None
        Connection to the other workers.
    tell : callable
        Called with the number of rows filled since the last call.
    rows : optional
        From `fill_rows` for a job of the same rows and bins, whose parameters may be others.
    """
    if job.engine == "native":
        from scalable.boosting.native.native_trainer import NativeTrainer

        return NativeTrainer(job, mesh, tell, rows)
    from scalable.boosting.training.lightgbm_trainer import LightGBMTrainer

    return LightGBMTrainer(job, mesh, tell, rows)


def fill_rows(job: WorkerJob, tell: Callable[[int], None]) -> Any:
    """Return a job's rows, training and validation, binned once for several trainers; see `open_trainer`."""
    if job.engine == "native":
        from scalable.boosting.native.native_trainer import fill_parts, read_bins

        return fill_parts(job, read_bins(job), None, tell)
    from scalable.boosting.dataset.datasets import datasets_of

    return datasets_of(job, tell)
