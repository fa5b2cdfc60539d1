"""The training loop of one worker, the same in a process of its own and in the caller's."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scalable.boosting.comm.mesh import Mesh
from scalable.boosting.dataset.datasets import datasets_of
from scalable.boosting.training import checkpoint
from scalable.boosting.training.callbacks import Callbacks
from scalable.boosting.training.checkpoint import Saved
from scalable.boosting.training.evaluation import Evaluator, Result, agreed
from scalable.boosting.training.merge import joined, truncated
from scalable.boosting.training.rotation import step_share, subset
from scalable.boosting.workers.job import Outcome, WorkerJob
from scalable.data.shard import Shard
from scalable.execution.fetching import fetch
from scalable.execution.reader import BlockReader

TELL_SECONDS = 0.2
DEFAULT_RATE = 0.1  # LightGBM's own


class Tell(Protocol):
    """Takes messages for the driver."""

    def __call__(self, kind: str, **content: Any) -> None:
        """Send one message."""


def train_worker(job: WorkerJob, mesh: Mesh | None, tell: Tell) -> Outcome:
    """Fill this worker's dataset and boost; collectives must be installed on this thread already.

    Parameters
    ----------
    job : WorkerJob
        What to do.
    mesh : Mesh or None
        Connection to the other workers; None for a single process.
    tell : callable
        Receives "filled", "trees" and "saved" messages.
    """
    progress = _Throttle(tell)
    if not job.rotation.on:
        return _train_until(job, job.n_rounds, mesh, tell, progress)
    every, shards, seconds = job.rotation.every, job.source.shards, [0.0, 0.0]
    while True:
        done = job.base.iteration
        chosen = subset(shards, job.rotation, done // every)
        part = replace(job, source=job.source.with_shards(chosen))
        until = min(job.n_rounds, (done // every + 1) * every)
        following = subset(shards, job.rotation, done // every + 1) if until < job.n_rounds else []
        outcome = _train_until(part, until, mesh, tell, progress, following)
        seconds = [seconds[0] + outcome.stats["fill_seconds"], seconds[1] + outcome.stats["train_seconds"]]
        if until == job.n_rounds or outcome.best_iteration:
            outcome.stats |= {"fill_seconds": seconds[0], "train_seconds": seconds[1], "trees": until}
            return outcome
        # The next set begins from the scores of all trees so far.
        job = replace(job, base=Saved(until, outcome.text, outcome.history), initial=())


def _train_until(
    job: WorkerJob,
    until: int,
    mesh: Mesh | None,
    tell: Tell,
    progress: _Throttle,
    following: Sequence[Shard] = (),
) -> Outcome:
    """Fill the datasets and boost to an iteration, while the disk fetches the shards that are `following`."""
    began = time.monotonic()
    dataset, valid, words = datasets_of(job, progress.rows)
    fetch(BlockReader(job.source, job.encoder), following)
    fill_seconds = time.monotonic() - began
    params = {**job.params, "num_threads": job.n_threads, "metric": "None"}
    if mesh is not None:
        params |= {"tree_learner": "data", "num_machines": mesh.n_workers}
    booster = lgb.Booster(params, dataset)
    evaluator = None
    if valid is not None:
        booster.add_valid(valid, "valid")
        evaluator = Evaluator(valid, job.watch.metrics, job.watch.custom, mesh, job.n_scores)
    began = time.monotonic()
    outcome = _boost(job, until, booster, evaluator, mesh, tell, progress)
    outcome.stats |= {
        "rows": job.source.n_rows,
        "fill_seconds": fill_seconds,
        "train_seconds": time.monotonic() - began,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    if words:
        outcome.stats["cache"] = words
    if evaluator is not None and evaluator.auc_bound:
        outcome.stats["auc_error_bound"] = evaluator.auc_bound
    if mesh is not None:
        outcome.stats |= {
            "bytes_sent": mesh.bytes_sent,
            "bytes_received": mesh.bytes_received,
            "exchanges": mesh.exchanges,
            "exchange_seconds": mesh.seconds,
        }
    return outcome


def _boost(
    job: WorkerJob,
    until: int,
    booster: lgb.Booster,
    evaluator: Evaluator | None,
    mesh: Mesh | None,
    tell: Tell,
    progress: _Throttle,
) -> Outcome:
    """Iterate from the base to the end, or to where early stopping ends it."""
    callbacks = Callbacks(job, booster)
    gradients = _gradients(job.watch.objective)
    history: list[list[Result]] = [list(step) for step in job.base.history]
    began = time.monotonic()
    best: int | None = None
    for iteration in range(job.base.iteration, until):
        if job.keep_every and iteration % job.keep_every == 0:
            reseed(booster, job.params, iteration)
        if job.rotation.on:
            rate = float(job.params.get("learning_rate", DEFAULT_RATE))
            booster.reset_parameter({"learning_rate": rate * step_share(rate, iteration)})
        callbacks.before(iteration)
        booster.update(fobj=gradients)
        results = evaluator(booster) if evaluator is not None else []
        history.append(results)
        verdict = callbacks.after(iteration, results)
        seconds = (time.monotonic() - began) / (iteration + 1 - job.base.iteration)
        extra = {} if mesh is None else {"exchanged": mesh.bytes_sent + mesh.bytes_received}
        progress.trees(iteration + 1, seconds, {name: value for _, name, value, _ in results}, extra)
        best = agreed(mesh, verdict) if callbacks.can_stop else None
        if best is not None:
            break
        if job.keep_every and (iteration + 1) % job.keep_every == 0 and iteration + 1 < job.n_rounds:
            saved = Saved(
                iteration + 1, joined(job.base.text, booster.model_to_string(num_iteration=-1)), history
            )
            tell("saved", saved=saved)
            if job.directory and job.worker == 0:
                checkpoint.write(job.directory, saved, job.fingerprint)
    progress.flush()
    text = ""
    if job.worker == 0 or until < job.n_rounds:
        text = joined(job.base.text, str(booster.model_to_string(num_iteration=-1)))
        if best is not None:
            text = truncated(text, best)
    stats = {"trees": booster.num_trees()}
    return Outcome("done", job.worker, text=text, stats=stats, best_iteration=best or 0, history=history)


def reseed(booster: lgb.Booster, params: Mapping[str, Any], iteration: int) -> None:
    """Restart every random stream from the iteration's number, where a resumed run can join.

    LightGBM does not save the state of its generators. It restarts bagging's only when the fraction changes, so the
    fraction moves by one part in 10^9, by another amount at every call.
    """
    changes: dict[str, Any] = {}
    seed = (int(params.get("seed", 0)) * 1_000_003 + iteration * 7_919 + 1) % (2**31 - 1)
    for name in ("bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction"):
        if float(params.get(name, 1.0)) < 1 and int(params.get("bagging_freq", 0)) > 0:
            changes[name] = float(params[name]) * (1 - 1e-9 * (1 + iteration % 1000))
            changes["bagging_seed"] = seed
    if min(float(params.get(n, 1.0)) for n in ("feature_fraction", "feature_fraction_bynode")) < 1:
        changes["feature_fraction_seed"] = seed + 1
    if params.get("extra_trees"):
        changes["extra_seed"] = seed + 2
    if changes:
        booster.reset_parameter(changes)


def _gradients(objective: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Wrap a custom objective as LightGBM calls it."""
    if objective is None:
        return None

    def of(prediction: NDArray[np.float64], data: lgb.Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
        gradient, hessian = objective(data.get_label(), prediction, data.get_weight())
        return np.asarray(gradient, np.float32), np.asarray(hessian, np.float32)

    return of


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

    def trees(self, done: int, seconds: float, metrics: dict[str, float], extra: dict[str, Any]) -> None:
        self._trees = {"done": done, "seconds": seconds, "metrics": metrics, **extra}
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
