"""The driver: survey the data, make the bins, deal the rows, run the ranks, return an ordinary booster."""

from __future__ import annotations

import secrets
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow.parquet as pq

from scalable import progress
from scalable.boosting import native
from scalable.boosting.attempt import Attempt, run_attempt
from scalable.boosting.cluster import Team, team_of
from scalable.boosting.job import Outcome, RankJob
from scalable.boosting.loop import train_rank
from scalable.boosting.params import Params, check_distributed, resolve
from scalable.boosting.plan import check_rows, deal
from scalable.boosting.survey import Positions, RatesFold, Survey, SurveyFold
from scalable.data.columns import column_kind
from scalable.data.encoders.rates import FoldRates
from scalable.data.encoders.tree import TreeEncoder
from scalable.data.planned import Source
from scalable.data.source import ParquetSource
from scalable.data.table import TableSource
from scalable.errors import UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.rounds import run_fold


@dataclass(slots=True)
class Trained:
    """The result of a fit.

    Attributes
    ----------
    booster : lightgbm.Booster
        An ordinary booster.
    encoder : TreeEncoder
        From raw columns to the booster's matrix, with the labels.
    params : dict
        Parameters as LightGBM was given them.
    stats : dict
        Seconds of each phase, and per rank rows, seconds, bytes and memory.
    """

    booster: lgb.Booster
    encoder: TreeEncoder
    params: dict[str, Any]
    stats: dict[str, Any] = field(default_factory=dict)


def train(
    params: Mapping[str, Any],
    source: Source,
    *,
    classify: bool = False,
    client: Any = None,
    n_workers: int | None = None,
) -> Trained:
    """Boost on a source.

    Parameters
    ----------
    params : mapping
        LightGBM's parameters under any of its names, ``num_iterations`` among them.
    source : Source
        With a target; a `ParquetSource` is never held in memory.
    classify : bool
        Whether the target's values are classes (of any type) rather than numbers.
    client : distributed.Client, str or None
        A client, a scheduler's address, or None for this machine.
    n_workers : int, optional
        Without a client: local worker processes, by default one with all processors. With one: how
        many of its workers take part, by default all.

    Raises
    ------
    DataError, UsageError, PlanError
        When data, parameters or plan cannot work; before any worker starts where possible.
    ClusterError
        When workers are lost or unfit.
    """
    if source.target is None:
        raise UsageError("the source names no target; give ParquetSource(..., target=COLUMN) or fit(X, y)")
    with ExitStack() as stack:
        alone = client is None and n_workers in (None, 1)
        if not alone and isinstance(source, TableSource):
            source = spilled(
                source, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scalable-")))
            )
        paths = tuple(source.paths) if isinstance(source, ParquetSource) else ()
        team = stack.enter_context(team_of(client, n_workers, paths))
        check_rows(source.n_rows, len(team.places))
        return train_on(
            team, params, source, classify=classify, in_process=alone and isinstance(source, TableSource)
        )


def train_on(
    team: Team, params: Mapping[str, Any], source: Source, *, classify: bool, in_process: bool = False
) -> Trained:
    """Boost on a source with a given team; see `train`.

    Parameters
    ----------
    team : Team
        Who trains.
    params, source, classify
        As for `train`.
    in_process : bool
        Train on the calling thread, without a process that could be killed; for one rank only.
    """
    stats: dict[str, Any] = {}
    began = time.monotonic()
    plain = resolve(params, None)
    survey, encoder = learn_encoder(source, plain, classify, team.executor)
    labels = survey.labels
    assert labels is not None
    resolved = resolve(params, len(labels.classes) if labels.classes is not None else None)
    check_distributed(resolved, len(team.places))
    stats["survey_seconds"] = time.monotonic() - began
    began = time.monotonic()
    dataset_params = {
        **resolved.values,
        "categorical_feature": ",".join(map(str, encoder.categorical)),
        "num_threads": team.places[0].n_threads,
    }
    reference = make_reference(survey, encoder, source.n_rows, dataset_params)
    stats["reference_seconds"] = time.monotonic() - began
    jobs = plan_jobs(source, encoder, reference, dataset_params, resolved, team)
    outcomes = [_train_here(jobs[0])] if in_process else _train_there(jobs, team)
    stats["ranks"] = [outcome.stats for outcome in outcomes]
    booster = lgb.Booster(model_str=outcomes[0].text)
    return Trained(booster, encoder.without_folds(), resolved.values, stats)


def learn_encoder(
    source: Source, params: Params, classify: bool, executor: Executor
) -> tuple[Survey, TreeEncoder]:
    """Survey the source and decide how its columns are encoded.

    Parameters
    ----------
    source : Source
        Training rows.
    params : Params
        Size and seed of the sample.
    classify : bool
        Whether the target holds classes.
    executor : Executor
        Who reads the data.
    """
    assert source.target is not None
    text = tuple(field.name for field in source.schema if column_kind(field.type) == "text")
    fold = SurveyFold(
        Positions.of(source),
        source.n_rows,
        params.sample_rows,
        params.seed,
        text,
        tuple(source.feature_names),
        source.target,
        classify,
    )
    survey = run_fold(executor, fold, BlockReader(source), label="sample rows")
    wide = tuple(name for name in text if survey.levels[name] is None)
    rates: dict[str, FoldRates] = {}
    if wide:
        assert survey.labels is not None
        reader = BlockReader(source, columns=(*wide, source.target))
        rates = run_fold(executor, RatesFold(wide, survey.labels), reader, label="encode levels")
    return survey, TreeEncoder.learn(source.schema, survey.levels, survey.labels, source.weight, rates)


def make_reference(survey: Survey, encoder: TreeEncoder, n_rows: int, params: Mapping[str, Any]) -> bytes:
    """Return the serialised bins made from the survey's sample."""
    matrices = [encoder.encode(block).matrix for block in survey.sample]
    columns = [
        np.concatenate([matrix[:, j] for matrix in matrices]).astype(np.float64)
        for j in range(encoder.n_columns)
    ]
    reference = native.reference_from_sample(
        columns, n_rows=n_rows, params=params, names=encoder.feature_names
    )
    return native.serialize_reference(reference)


def plan_jobs(
    source: Source,
    encoder: TreeEncoder,
    reference: bytes,
    dataset_params: dict[str, Any],
    params: Params,
    team: Team,
) -> list[RankJob]:
    """Return one job per place, with rows dealt evenly."""
    fit, secret, n_ranks = uuid.uuid4().hex[:16], secrets.token_bytes(32), len(team.places)
    return [
        RankJob(
            fit=fit,
            rank=rank,
            n_ranks=n_ranks,
            host=place.host,
            secret=secret,
            source=source.with_shards(shards),
            encoder=encoder,
            reference=reference,
            dataset_params=dataset_params,
            params=params.values,
            n_rounds=params.n_rounds,
            n_threads=min(place.n_threads, params.n_threads or place.n_threads),
            n_scores=params.n_scores,
        )
        for rank, (place, shards) in enumerate(zip(team.places, deal(source, n_ranks), strict=True))
    ]


class _Display:
    """Shows rank 0's trees on the progress display."""

    def __init__(self, shown: progress.task) -> None:
        self._shown = shown
        self._done = 0

    def __call__(self, message: dict[str, Any]) -> None:
        if message["kind"] == "trees" and message.get("rank", 0) == 0:
            self._shown.advance(
                message["done"] - self._done, **{"s/tree": message["seconds"], **message["metrics"]}
            )
            self._done = message["done"]


def _train_here(job: RankJob) -> Outcome:
    with progress.task("train lightgbm", total=job.n_rounds, unit="trees") as shown:
        show = _Display(shown)
        return train_rank(job, None, lambda kind, **content: show({"kind": kind, **content}))


def _train_there(jobs: list[RankJob], team: Team) -> list[Outcome]:
    with progress.task("train lightgbm", total=jobs[0].n_rounds, unit="trees") as shown:
        attempt: Attempt = run_attempt(team.launcher(), jobs, _Display(shown))
    if not attempt.succeeded:
        raise attempt.error([place.name for place in team.places])
    return attempt.outcomes


def spilled(source: TableSource, directory: Path) -> ParquetSource:
    """Write an in-memory source to Parquet, from where workers on this machine stream it."""
    path = directory / "rows.parquet"
    pq.write_table(source.table, path, row_group_size=2**16)
    return ParquetSource(str(path), source.target, source.feature_names, source.weight)
