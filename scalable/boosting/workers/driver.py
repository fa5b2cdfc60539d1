"""Running the workers of a fit, through losses if asked to, and showing how far they are."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scalable import progress
from scalable.boosting.options import Options
from scalable.boosting.prepare import Prepared
from scalable.boosting.ranking.queries import Queries
from scalable.boosting.ranking.seeds import moved, objective_seed
from scalable.boosting.training.checkpoint import Saved
from scalable.boosting.training.loop import train_worker
from scalable.boosting.workers.attempt import Attempt, run_attempt
from scalable.boosting.workers.job import Outcome, Watch, WorkerJob
from scalable.boosting.workers.partition import even_edges, partition
from scalable.boosting.workers.placement import Team, regrouped
from scalable.data.fingerprint import Fingerprint
from scalable.data.shard import Shard
from scalable.data.source import Source

MAX_LOSSES = 20  # a cluster that loses more is not worth waiting for


@dataclass(slots=True)
class Fit:
    """Everything the workers' jobs are made from.

    Attributes
    ----------
    source : Source
        Training rows.
    prepared : Prepared
        Encoder, bins and parameters.
    options : Options
        Evaluation, checkpoints, losses.
    watch : Watch
        What happens between iterations.
    base : Saved
        Trees to continue from.
    fingerprint : Fingerprint
        What checkpoints depend on.
    losses : list of str
        What was lost on the way, in words.
    disk : str
        Where binned rows are kept when memory does not hold them; empty when it does.
    queries : sequence of Queries
        Of the training rows, then of each validation set; empty where rows stand alone.
    """

    source: Source
    prepared: Prepared
    options: Options
    watch: Watch
    base: Saved = field(default_factory=Saved)
    fingerprint: Fingerprint = field(default_factory=lambda: Fingerprint({}))
    losses: list[str] = field(default_factory=list)
    disk: str = ""
    queries: Sequence[Queries] = ()

    def edges(self, n_workers: int) -> list[list[int]]:
        """Return where the workers' training rows begin and end, and those of each validation set."""
        sources = (self.source, *self.options.valid)
        if not self.queries:
            return [even_edges(source.n_rows, n_workers) for source in sources]
        pairs = zip(sources, self.queries, strict=True)
        return [queries.edges(n_workers, source.describe_place()) for source, queries in pairs]

    def jobs(self, team: Team) -> list[WorkerJob]:
        """Return one job per place, with rows partitioned evenly and no query cut."""
        fit, secret, n_workers = uuid.uuid4().hex[:16], secrets.token_bytes(32), len(team.places)
        params = self.prepared.params
        edges = self.edges(n_workers)
        train = partition(self.source.shards, edges[0])
        held = [
            (valid, partition(valid.shards, of))
            for valid, of in zip(self.options.valid, edges[1:], strict=True)
        ]
        parts = [
            [
                queries.part(of[worker], of[worker + 1])
                for queries, of in zip(self.queries, edges, strict=False)
            ]
            for worker in range(n_workers)
        ]
        started = bool(self.base.text or (self.options.starts and self.options.starts[0]))
        drawn = objective_seed(params.values) if params.objective == "rank_xendcg" else None
        return [
            WorkerJob(
                fit=fit,
                worker=worker,
                n_workers=n_workers,
                host=place.host,
                secret=secret,
                source=part(self.source, train[worker]),
                encoder=self.prepared.encoder,
                reference=self.prepared.reference,
                dataset_params=self.prepared.dataset_params,
                params=params.values
                if drawn is None
                else {**params.values, "objective_seed": moved(drawn, parts[worker][0][0])},
                n_rounds=params.n_rounds,
                n_threads=min(place.n_threads, params.n_threads or place.n_threads),
                n_scores=params.n_scores,
                silence=self.options.silence,
                valid=tuple(part(valid, shards[worker]) for valid, shards in held),
                watch=self.watch,
                base=self.base,
                keep_every=self.options.keep_every(params),
                cache=self.options.cache or "",
                directory=self.options.checkpoint or "",
                fingerprint=self.fingerprint,
                rotation=params.rotation.part(n_workers),
                engine=params.engine,
                disk=self.disk,
                initial=() if started or n_workers == 1 else self.prepared.initial,
                encrypted=place.encrypted and n_workers > 1,
                sizes=tuple(sizes for _, sizes in parts[worker]),
                starts=self.options.starts,
            )
            for worker, place in enumerate(team.places)
        ]


def part(source: Source, shards: list[Shard]) -> Source:
    """Return a source of `shards` alone, with the footers of their files alone: what one worker is sent."""
    return source.only(shards).with_shards(shards)


def train_here(fit: Fit, team: Team) -> list[Outcome]:
    """Train one worker on the calling thread."""
    job = fit.jobs(team)[0]
    with progress.task(f"train {job.engine}", total=job.n_rounds, unit="trees") as shown:
        show = _Display(shown, job.base.iteration)
        return [train_worker(job, None, lambda kind, **content: show({"kind": kind, **content}))]


def train_there(fit: Fit, team: Team) -> list[Outcome]:
    """Train all workers in processes of their own; carry on after losses as the options say.

    Raises
    ------
    ClusterError
        When a worker was lost and training cannot or may not carry on.
    Exception
        What a worker raised.
    """
    with progress.task(
        f"train {fit.prepared.params.engine}", total=fit.prepared.params.n_rounds, unit="trees"
    ) as shown:
        show = _Display(shown, 0)
        while True:
            attempt = run_attempt(team.launcher(), fit.jobs(team), show)
            if attempt.succeeded:
                return attempt.outcomes
            error = attempt.error([place.name for place in team.places])
            if fit.options.on_loss == "raise" or not attempt.can_carry_on or len(fit.losses) >= MAX_LOSSES:
                raise error
            fit.losses.append(str(error))
            fit.base = latest(attempt, fit.base)
            team = regrouped(team, attempt.lost_workers, fit.options.on_loss)


def latest(attempt: Attempt, base: Saved) -> Saved:
    """Return the newest checkpoint that any worker's supervisor holds."""
    held = [outcome.saved for outcome in attempt.outcomes if outcome.saved is not None]
    return max([base, *held], key=lambda saved: saved.iteration)


class _Display:
    """Shows worker 0's trees and the largest worker's memory; rows while datasets fill are not trees."""

    def __init__(self, shown: progress.task, done: int) -> None:
        self._shown = shown
        self._done = done
        self._peaks: dict[int, int] = {}
        if done:
            shown.advance(done)

    def __call__(self, message: Mapping[str, Any]) -> None:
        worker = int(message.get("index", 0))
        if message["kind"] == "beat":
            self._peaks[worker] = int(message["peak_rss"])
        if message["kind"] != "trees" or worker != 0:
            return
        # After a loss, trees are trained a second time and shown once.
        new = max(0, message["done"] - self._done)
        shown = {"s/tree": message["seconds"], **message["metrics"]}
        if "exchanged" in message:
            shown["MB"] = message["exchanged"] / 1e6
        if self._peaks:
            shown["GB/worker"] = max(self._peaks.values()) / 1e9
        self._shown.advance(new, **shown)
        self._done += new
