"""The driver: survey the data, make the bins, partition the rows, run the workers, return an ordinary booster."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import pyarrow.parquet as pq

from scalable import progress
from scalable.boosting.dataset.start_scores import all_with_start, check_start, engine_of_started
from scalable.boosting.engine import asked_engine, left_to_lightgbm
from scalable.boosting.estimates import MemoryEstimate, predict_memory
from scalable.boosting.native.disk.plan import from_disk, place_on_disk
from scalable.boosting.native.memory import predict_native_memory
from scalable.boosting.native.settings import flag
from scalable.boosting.options import Options
from scalable.boosting.params import canonical, resolve
from scalable.boosting.prepare import Prepared, prepare
from scalable.boosting.ranking.asked import wanted_queries
from scalable.boosting.training import checkpoint
from scalable.boosting.training.callbacks import records_only, replay
from scalable.boosting.training.checkpoint import Saved
from scalable.boosting.training.continued import check_columns, check_held, starting_model, trees_of
from scalable.boosting.training.metrics import metrics_of
from scalable.boosting.workers.driver import Fit, train_here, train_there
from scalable.boosting.workers.job import Outcome, Watch
from scalable.boosting.workers.partition import check_rows, check_selection
from scalable.boosting.workers.placement import Team, here_instead, team_of
from scalable.data.parquet import ParquetSource
from scalable.data.source import Source
from scalable.data.table import TableSource
from scalable.errors import UsageError
from scalable.features.tree_encoder import TreeEncoder
from scalable.storage.files import store_of

MOST_VALUES_HERE = (
    2**25
)  # of a file, rows times features, that are learned from without a process of their own


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
        Seconds of each phase; per worker rows, seconds and bytes; losses on the way.
    best_iteration : int
        Where early stopping ended training, which the booster was cut to; 0 when it did not.
    engine : str
        Who grew the trees: "lightgbm" or "native".
    history : list of list of (validation set, metric, value)
        Validation metrics of every iteration.
    begun : int
        Iterations of the model that was continued, which the history does not tell of.
    """

    booster: lgb.Booster
    encoder: TreeEncoder
    params: dict[str, Any]
    stats: dict[str, Any] = field(default_factory=dict)
    best_iteration: int = 0
    engine: str = "native"
    history: list[list[tuple[str, str, float]]] = field(default_factory=list)
    begun: int = 0


def train(
    params: Mapping[str, Any],
    source: Source,
    *,
    classify: bool = False,
    client: Any = None,
    n_workers: int | None = None,
    **options: Any,
) -> Trained:
    """Boost on a source.

    Parameters
    ----------
    params : mapping
        LightGBM's parameters under any of its names, ``num_iterations`` among them. A callable
        ``objective(y_true, y_pred, weight) -> (gradient, hessian)`` is a custom objective.
    source : Source
        With a target; a `ParquetSource` is never held in memory.
    classify : bool
        Whether the target's values are classes (of any type) rather than numbers.
    client : distributed.Client, str or None
        A client, a scheduler's address, or None for this machine.
    n_workers : int, optional
        Without a client: local worker processes, by default one with all processors, and none where rows are few or in
        memory. With one: how many of its workers take part, by default all, and none where rows are few and all of them
        are of this machine.
    **options
        The attributes of `scalable.boosting.options.Options`: ``valid``, ``early_stopping``,
        ``custom_metrics``, ``callbacks``, ``init_model``, ``checkpoint``, ``checkpoint_every``,
        ``resume``, ``cache``, ``on_loss``.

    Raises
    ------
    DataError, UsageError, PlanError
        When data, parameters or the memory estimate cannot work; before any worker starts where possible.
    ClusterError
        When workers are lost or unfit.
    """
    source.roles.require_target()
    chosen = Options.of(options)
    check_selection(source, "training")
    for held in chosen.valid:
        check_selection(held, "validation")
    given = (chosen.init_score, chosen.eval_init_score)
    if any(scores is not None for scores in given):
        source, valid, own, each = all_with_start(source, chosen.valid, *given)
        chosen = replace(chosen, valid=tuple(valid), init_score=own, eval_init_score=tuple(each))
    if chosen.init_score and chosen.checkpoint is not None and isinstance(source, TableSource):
        raise UsageError("checkpoints with init_score need rows that are known again: fit a ParquetSource")
    with ExitStack() as stack:
        alone = client is None and n_workers in (None, 1)
        # A process takes over a second to start: small fits are over before. It is for memory that can be given back.
        small = n_workers is None and source.n_rows * len(source.feature_names) <= MOST_VALUES_HERE
        in_process = alone and (small or isinstance(source, TableSource))
        team = None
        if client is not None and small:
            cluster = stack.enter_context(team_of(client, n_workers, _paths(source)))
            team = here_instead(cluster)
            in_process = team is not None
            if team is None and isinstance(source, ParquetSource):
                team = cluster
        if not in_process:
            spill = _Spill(stack, remembered=chosen.checkpoint is not None)
            source = spill(source)
            chosen = replace(chosen, valid=tuple(spill(held) for held in chosen.valid))
        if team is None:
            team = stack.enter_context(team_of(client, n_workers, _paths(source)))
        return train_on(team, params, source, classify=classify, options=chosen, in_process=in_process)


def _paths(source: Source) -> tuple[str, ...]:
    """Return where the files of a source are for workers, who have working directories of their own."""
    if not isinstance(source, ParquetSource):
        return ()
    return tuple(store_of(path).absolute(path) for path in source.paths)


def train_on(
    team: Team,
    params: Mapping[str, Any],
    source: Source,
    *,
    classify: bool,
    options: Options | None = None,
    in_process: bool = False,
) -> Trained:
    """Boost on a source with a given team; see `train`.

    Parameters
    ----------
    team : Team
        Who trains.
    params, source, classify
        As for `train`.
    options : Options, optional
        Evaluation, callbacks, checkpoints, losses.
    in_process : bool
        Train on the calling thread, without a process that could be killed; for one worker only.
    """
    options = options or Options()
    params = dict(params)
    objective = params.pop("objective", None)
    custom = objective if callable(objective) else None
    if objective is not None:
        params["objective"] = "custom" if custom is not None else objective
    plain = canonical(params)
    patience = options.early_stopping or int(plain.get("early_stopping_round") or 0)
    # This package's own option watches the first metric, LightGBM's parameter all of them, unless told.
    first_only = flag(plain.get("first_metric_only", bool(options.early_stopping)))
    options = replace(options, early_stopping=patience)
    if options.starts:
        params["engine"] = engine_of_started(asked_engine(plain))
    elif options.cache is not None and asked_engine(plain) == "auto":
        params["engine"] = left_to_lightgbm("cache keeps its dataset")
    early = resolve(params, None)
    options.check(early)
    rotation = early.rotation.planned(source.n_rows, early.n_rounds)
    check_rows(rotation.rows if rotation.on else source.n_rows, len(team.places), early.engine)
    if early.fallback:
        left_to_lightgbm(early.fallback)
    began = time.monotonic()
    asked = (plain.get("metric"), options.eval_metric)
    written = [*options.custom_metrics, *([custom] if custom is not None else [])]
    wanted = wanted_queries(early, asked, written, classify=classify, validated=bool(options.valid))
    queries = () if wanted is None else wanted.find(source, options.valid, team.executor)
    encoder, init_text = starting_model(options.init_model)
    if encoder is not None:
        check_columns(encoder, source)
    prepared = prepare(source, params, classify, team, encoder)
    for held in options.valid:
        check_held(prepared.encoder, held)
    seconds = time.monotonic() - began
    resolved = prepared.params
    for columns in options.starts:
        check_start(columns, resolved.n_scores)
    estimate = estimate_memory(team, prepared, source, continued=bool(init_text or options.starts))
    for held in options.valid:
        check_rows(held.n_rows, len(team.places), resolved.engine)
    recorders = [c for c in options.callbacks if records_only(c)]
    # Also without validation rows, where none is evaluated: a metric that nobody knows is refused.
    known = bool(queries) or not options.valid
    metrics = metrics_of(asked[0], resolved.objective, resolved.values, asked[1], queries=known)
    watch = Watch(
        metrics if options.valid else (),
        tuple(options.custom_metrics),
        tuple(c for c in options.callbacks if not records_only(c)),
        custom,
        patience,
        plain.get("early_stopping_min_delta", 0.0),
        first_only,
        tuple(options.names),
        options.training_set,
    )
    fit = Fit(source, prepared, options, watch, queries=queries)
    begun = 0
    if init_text:
        begun = trees_of(init_text, prepared)
        fit.base = Saved(begun, init_text)
        prepared.params = replace(resolved, n_rounds=resolved.n_rounds + begun)
    if options.checkpoint is not None:
        fit.fingerprint = source.fingerprint().joined(
            params=checkpoint.deciding(resolved.values),
            sample_rows=resolved.sample_rows,
            rotation=resolved.rotation,
            identifiers=resolved.identifiers,
            pairs=resolved.pairs,
            class_weight=prepared.encoder.class_weight,
            classify=classify,
            valid=[held.fingerprint().digest() for held in options.valid],
            init_model=init_text.encode(),
            **({"init_score": options.starts} if options.starts else {}),
            **({"engine": resolved.engine} if resolved.engine != "lightgbm" else {}),
        )
        if options.resume:
            found = checkpoint.newest(options.checkpoint, fit.fingerprint)
            fit.base = max([fit.base, found], key=lambda saved: saved.iteration)
    if options.cache is not None and resolved.engine == "native" and not resolved.full:
        raise UsageError(
            "cache keeps LightGBM's dataset; leave it out, or use engine='lightgbm' or boosting='full'"
        )
    if options.cache is not None and isinstance(source, TableSource):
        raise UsageError("cache needs rows that are known again: fit a ParquetSource")
    with place_on_disk(estimate, options.cache, team.client) as fit.disk:
        outcomes = train_here(fit, team) if in_process else train_there(fit, team)
    _warn_of_caches(outcomes)
    booster, asked_for = lgb.Booster(model_str=outcomes[0].text), prepared.params.n_rounds
    if not outcomes[0].best_iteration and booster.current_iteration() < asked_for:
        progress.say(
            f"{booster.current_iteration():,} of {asked_for:,} iterations: no further split gains enough"
        )
    replay(recorders, outcomes[0].history, resolved.values, prepared.params.n_rounds)
    stats = {
        "prepare_seconds": seconds,
        "plan": str(estimate),
        "planned_bytes": estimate.total,
        "bins": prepared.n_bins,
        "rotation": asdict(resolved.rotation) if resolved.rotation.on else {},
        "workers": [outcome.stats for outcome in outcomes],
        "losses": fit.losses,
    }
    return Trained(
        booster,
        prepared.encoder.for_prediction(),
        prepared.params.values,
        stats,
        outcomes[0].best_iteration,
        prepared.params.engine,
        [[(of, name, value) for of, name, value, _ in step] for step in outcomes[0].history],
        begun,
    )


def _warn_of_caches(outcomes: Sequence[Outcome]) -> None:
    """Name the caches that were damaged, of other rows, or could not be written; the model does not depend on them."""
    for outcome in outcomes:
        for word in outcome.stats.get("cache", {}).values():
            if word not in ("filled", "reloaded"):
                warnings.warn(f"cache of worker {outcome.worker} {word}", UserWarning, stacklevel=2)


def estimate_memory(team: Team, prepared: Prepared, source: Source, *, continued: bool) -> MemoryEstimate:
    """Predict the memory of a worker, show it, and refuse a job that cannot fit.

    Raises
    ------
    PlanError
        With the numbers and with what would fit.
    """
    rotation = prepared.params.rotation
    size = (
        -(-(rotation.rows if rotation.on else source.n_rows) // len(team.places)),
        prepared.encoder.n_columns,
        prepared.params.values,
    )
    weighted, n_scores = prepared.encoder.weighted, prepared.params.n_scores
    if prepared.params.engine == "native":
        threads = max(place.n_threads for place in team.places)
        estimate = predict_native_memory(*size, weighted=weighted, n_scores=n_scores, n_threads=threads)
        if prepared.params.full and len(team.places) == 1:
            room = team.places[0].memory
            estimate = from_disk(
                estimate, room, prepared.params, size[1], weighted=weighted, n_threads=threads
            )
    else:
        carried = continued or rotation.on
        estimate = predict_memory(*size, weighted=weighted, continued=carried, n_scores=n_scores)
    with progress.task(f"plan: {estimate}"):
        team.check(estimate)
    return estimate


class _Spill:
    """Writes in-memory sources to Parquet, from where processes of this machine stream them."""

    def __init__(self, stack: ExitStack, *, remembered: bool) -> None:
        self._stack = stack
        self._remembered = remembered  # whether the rows must be known again after this run

    def __call__(self, source: Source) -> Source:
        if not isinstance(source, TableSource):
            return source
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="scalable-")))
        path = directory / "rows.parquet"
        pq.write_table(source.table, path, row_group_size=2**16)
        spilled = ParquetSource(str(path), features=source.feature_names, **source.roles.named)
        spilled.copied_from = source.content() if self._remembered else None
        spilled.called = source.describe_place()
        return spilled
