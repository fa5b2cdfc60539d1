"""The training loop of one worker, the same in a process of its own and in the caller's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from scalable.boosting.comm.mesh import Mesh
from scalable.boosting.training import checkpoint
from scalable.boosting.training.callbacks import Callbacks
from scalable.boosting.training.checkpoint import Saved
from scalable.boosting.training.evaluation import Evaluator, Result, agreed
from scalable.boosting.training.merge import joined, truncated
from scalable.boosting.training.rotation import step_share, subset
from scalable.boosting.training.throttle import Tell, Throttle
from scalable.boosting.training.trainer import Trainer, open_trainer
from scalable.boosting.workers.job import Outcome, WorkerJob
from scalable.boosting.workers.life import peak_rss
from scalable.data.shard import Shard
from scalable.execution.fetching import fetch
from scalable.execution.reader import BlockReader

DEFAULT_RATE = 0.1  # LightGBM's own


def train_worker(job: WorkerJob, mesh: Mesh | None, tell: Tell) -> Outcome:
    """Fill this worker's rows and boost; LightGBM's collectives must be installed on this thread already.

    Parameters
    ----------
    job : WorkerJob
        What to do.
    mesh : Mesh or None
        Connection to the other workers; None for a single process.
    tell : callable
        Receives "filled", "trees" and "saved" messages.
    """
    progress = Throttle(tell)
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
    progress: Throttle,
    following: Sequence[Shard] = (),
) -> Outcome:
    """Fill the datasets and boost to an iteration, while the disk fetches the shards that are `following`."""
    began = time.monotonic()
    trainer = open_trainer(job, mesh, progress.rows)
    fetch(BlockReader(job.source, job.encoder), following)
    fill_seconds = time.monotonic() - began
    watch = job.watch
    sizes = job.sizes[1:] or [None] * len(watch.names)
    evaluators = [
        Evaluator(name, *rows, watch.metrics, watch.custom, mesh, of_queries, job.n_threads)
        for name, rows, of_queries in zip(watch.names, trainer.valid, sizes, strict=True)
    ]
    began = time.monotonic()
    try:
        outcome = _boost(job, until, trainer, evaluators, mesh, tell, progress)
    finally:
        trainer.close()
    outcome.stats |= {
        "rows": job.source.n_rows,
        "fill_seconds": fill_seconds,
        "train_seconds": time.monotonic() - began,
        "peak_bytes": peak_rss(),
        **trainer.notes,
    }
    if bound := max((evaluator.auc_bound for evaluator in evaluators), default=0.0):
        outcome.stats["auc_error_bound"] = bound
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
    trainer: Trainer,
    evaluators: Sequence[Evaluator],
    mesh: Mesh | None,
    tell: Tell,
    progress: Throttle,
) -> Outcome:
    """Iterate from the base to the end, or to where early stopping ends it."""
    callbacks = Callbacks(job, trainer.model)
    rate = float(job.params.get("learning_rate", DEFAULT_RATE))
    history: list[list[Result]] = [list(step) for step in job.base.history]
    began = time.monotonic()
    best: int | None = None
    for iteration in range(job.base.iteration, until):
        if job.keep_every and iteration % job.keep_every == 0:
            trainer.restart(iteration)
        callbacks.before(iteration)
        if not trainer.step(iteration, step_share(rate, iteration) if job.rotation.on else 1.0):
            break
        results = [found for k, of in enumerate(evaluators) for found in of(trainer.predict(k))]
        history.append(results)
        verdict = callbacks.after(iteration, results)
        seconds = (time.monotonic() - began) / (iteration + 1 - job.base.iteration)
        extra = {} if mesh is None else {"exchanged": mesh.bytes_sent + mesh.bytes_received}
        progress.trees(iteration + 1, seconds, {name: value for _, name, value, _ in results}, extra)
        best = agreed(mesh, verdict) if callbacks.can_stop else None
        if best is not None:
            break
        if job.keep_every and (iteration + 1) % job.keep_every == 0 and iteration + 1 < job.n_rounds:
            saved = Saved(iteration + 1, joined(job.base.text, trainer.text()), history)
            tell("saved", saved=saved)
            if job.directory and job.worker == 0:
                checkpoint.write(job.directory, saved, job.fingerprint)
    progress.flush()
    text = ""
    if job.worker == 0 or until < job.n_rounds:
        text = joined(job.base.text, trainer.text())
        if best is not None:
            text = truncated(text, best)
    stats = {"trees": (len(history) - len(job.base.history)) * job.n_scores, "engine": job.engine}
    return Outcome("done", job.worker, text=text, stats=stats, best_iteration=best or 0, history=history)
