"""The training loop of one rank, the same in a process of its own and in the caller's."""

from __future__ import annotations

import time
from typing import Any, Protocol

import lightgbm as lgb

from scalable.boosting.fill import fill
from scalable.boosting.job import Outcome, RankJob
from scalable.boosting.transport import Mesh

TELL_SECONDS = 0.2


class Tell(Protocol):
    """Takes messages for the driver."""

    def __call__(self, kind: str, **content: Any) -> None:
        """Send one message."""


def train_rank(job: RankJob, mesh: Mesh | None, tell: Tell) -> Outcome:
    """Fill this rank's dataset and boost; collectives must be installed on this thread already.

    Parameters
    ----------
    job : RankJob
        What to do.
    mesh : Mesh or None
        Connection to the other ranks; None for a single process.
    tell : callable
        Receives "filled" and "trees" messages.
    """
    began = time.monotonic()
    progress = _Throttle(tell)
    dataset = fill(
        job.source,
        job.encoder,
        job.reference,
        job.dataset_params,
        n_threads=job.n_threads,
        n_scores=job.n_scores,
        tell=progress.rows,
    )
    fill_seconds = time.monotonic() - began
    params = {**job.params, "num_threads": job.n_threads}
    if mesh is not None:
        params |= {"tree_learner": "data", "num_machines": mesh.n_ranks}
    booster = lgb.Booster(params, dataset)
    began = time.monotonic()
    for iteration in range(job.n_rounds):
        booster.update()
        progress.trees(iteration + 1, (time.monotonic() - began) / (iteration + 1))
    progress.flush()
    stats = {
        "rows": job.source.n_rows,
        "fill_seconds": fill_seconds,
        "train_seconds": time.monotonic() - began,
        "trees": booster.num_trees(),
    }
    if mesh is not None:
        stats |= {
            "bytes_sent": mesh.bytes_sent,
            "bytes_received": mesh.bytes_received,
            "exchanges": mesh.exchanges,
            "exchange_seconds": mesh.seconds,
        }
    text = booster.model_to_string() if job.rank == 0 else ""
    return Outcome("done", job.rank, text=text, stats=stats)


class _Throttle:
    """Passes progress on a few times a second."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._last = 0.0
        self._rows = 0
        self._trees: dict[str, Any] | None = None

    def rows(self, n: int) -> None:
        self._rows += n
        if self._due():
            self._tell("filled", rows=self._rows)
            self._rows = 0

    def trees(self, done: int, seconds: float, **metrics: float) -> None:
        self._trees = {"done": done, "seconds": seconds, "metrics": metrics}
        if self._due():
            self.flush()

    def flush(self) -> None:
        if self._trees is not None:
            self._tell("trees", **self._trees)
            self._trees = None

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._last < TELL_SECONDS:
            return False
        self._last = now
        return True
