"""Trials of boosting: one set of binned rows a worker, and a booster a trial that grows on from rung to rung."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scalable.boosting.engine import lightgbm_is_faster
from scalable.boosting.estimates import MemoryEstimate, predict_memory
from scalable.boosting.native.memory import predict_native_memory
from scalable.boosting.params import main_names, resolve
from scalable.boosting.prepare import Prepared, bounded, prepare
from scalable.boosting.training.evaluation import Evaluator
from scalable.boosting.training.metrics import Metric, metrics_of
from scalable.boosting.training.trainer import fill_rows, open_trainer
from scalable.boosting.workers.job import Watch, WorkerJob
from scalable.boosting.workers.placement import Team
from scalable.data.source import Source
from scalable.errors import UsageError
from scalable.tuning.trials import Measured

LIVE_BYTES = (
    2**30
)  # of boosters that wait for the next rung; a trial without one is trained again, to the same bits
BYTES_ROW = 40  # of a booster: score, gradient, hessian, row numbers
MOST_POINTS = 50  # of a curve
# What decides bins, encoding or the rows of a tree's data: the same for all trials.
SHARED = (
    "max_bin", "max_bin_by_feature", "min_data_in_bin", "bin_construct_sample_cnt", "data_random_seed", "seed",
    "categorical_feature", "enable_bundle", "use_missing", "zero_as_missing", "feature_pre_filter", "is_enable_sparse",
    "linear_tree", "identifiers", "pairs", "class_weight", "monotone_constraints", "boosting", "engine", "objective",
    "num_class", "metric", "rotate_rows", "rotate_every", "num_threads", "deterministic",
)  # fmt: skip
NOT_TUNED = ("rotate", "full", "dart", "rf")  # kinds of boosting whose first trees are no shorter model


def check_names(names: Sequence[str]) -> None:
    """Raise a UsageError where a space holds what trials share."""
    for name in names:
        main = main_names().get(name, name)
        if main in ("num_iterations", "n_estimators"):
            raise UsageError(
                f"space {name}: iterations are the budget that trials compete for; give budget (--budget)"
            )
        if main == "early_stopping_round":
            raise UsageError(f"space {name}: a trial counts at its best iteration already; leave it out")
        if main in SHARED or name == "random_state":
            raise UsageError(
                f"space {name}: all trials share one set of binned rows, which {name} decides; give it to all of them"
            )


def common_engine(given: Sequence[Mapping[str, Any]], n_rows: int, n_columns: int) -> str:
    """Return the one engine of all trials: this package's own where it does what each of them asks and there is work.

    Parameters
    ----------
    given : sequence of mapping
        LightGBM's parameters, a trial each.
    n_rows, n_columns : int
        Of the data.
    """
    n_trees = 0
    for one in given:
        try:
            params = resolve(one, None)
        except UsageError:  # told with the trial
            continue
        if params.engine != "native":
            return "lightgbm"
        n_trees += params.n_rounds
    return "lightgbm" if lightgbm_is_faster(n_rows, n_columns, n_trees) else "native"


@dataclass(frozen=True)
class BoostedPlan:
    """A search over boosting; see `scalable.tuning.trials.Plan`.

    Attributes
    ----------
    job : WorkerJob
        What all trials share.
    params : tuple of dict or str
        Of each trial; text where they cannot be trained with.
    by : Metric
        What is measured.
    n_threads : int
        Threads of a worker that the user asked for; 0 for all.
    live : int
        Boosters that wait for the next rung, at most.
    """

    token: str
    budget: int
    job: WorkerJob
    params: tuple[dict[str, Any] | str, ...]
    by: Metric
    live: int
    n_threads: int = 0
    least: int = 2
    unit: str = "iterations"

    @property
    def metric(self) -> str:
        """Its name."""
        return self.by.shown

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values are better."""
        return self.by.higher_is_better

    def open(self, n_threads: int) -> BoostedRows:
        """Bin the rows; on fewer threads where the user asked for that."""
        return BoostedRows(self, min(n_threads, self.n_threads or n_threads))


def plan_boosted(
    given: Sequence[Mapping[str, Any]],
    shared: Mapping[str, Any],
    source: Source,
    held: Source,
    *,
    classify: bool,
    metric: str | None,
    team: Team,
    token: str,
) -> BoostedPlan:
    """Survey the data once, and settle the parameters of every trial.

    Parameters
    ----------
    given : sequence of mapping
        LightGBM's parameters, a trial each.
    shared : mapping
        Those of all trials.
    source, held : Source
        Training and held-out rows.
    classify : bool
        Whether the target holds classes.
    metric : str or None
        Of LightGBM's; by default the objective's own.
    team : Team
        Who reads the data, and where trials are trained.
    token : str
        Identifies the search.

    Raises
    ------
    PlanError
        When a worker cannot hold the rows.
    """
    early = resolve(shared, None)
    for one in given:  # what no data can mend is refused before they are read
        resolve(one, None)
    if (kind := shared.get("boosting")) in NOT_TUNED:
        raise UsageError(
            f"boosting={kind!r} cannot be tuned here: a trial's first trees are no model of fewer trees"
        )
    if callable(shared.get("objective")):
        raise UsageError(
            "an objective of your own cannot be tuned: there is no loss of it to measure trials by"
        )
    prepared = prepare(source, shared, classify, replace(team, places=team.places[:1]))
    assert prepared.target is not None
    by = metrics_of(metric, prepared.params.objective, prepared.params.values)[0]
    job = WorkerJob(
        fit=token, worker=0, n_workers=1, host="", secret=b"", source=source, encoder=prepared.encoder,
        reference=prepared.reference, dataset_params=prepared.dataset_params, params=prepared.params.values,
        n_rounds=early.n_rounds, n_threads=1, n_scores=prepared.params.n_scores, valid=(held,),
        watch=Watch(names=("held-out",)), engine=prepared.params.engine,
    )  # fmt: skip
    settled = tuple(_settled(one, prepared, source.n_rows) for one in given)
    largest = max((int(one.get("num_leaves", 31)) for one in settled if not isinstance(one, str)), default=31)
    live = _check_memory(prepared, source.n_rows + held.n_rows, largest, len(given), team)
    return BoostedPlan(token, early.n_rounds, job, settled, by, live, early.n_threads)


def _settled(given: Mapping[str, Any], prepared: Prepared, n_rows: int) -> dict[str, Any] | str:
    """Return a trial's parameters as the estimator itself would train with them; text where it would refuse."""
    assert prepared.target is not None
    assert prepared.encoder.labels is not None
    classes = prepared.encoder.labels.classes
    try:
        params = resolve(given, None if classes is None else len(classes))
        params, _ = bounded(params, prepared.encoder, prepared.target, n_rows)
    except UsageError as error:
        return str(error)
    layout = {name: prepared.params.values.get(name) for name in ("force_row_wise", "force_col_wise")}
    return {**{name: value for name, value in layout.items() if value is not None}, **params.values}


def _check_memory(prepared: Prepared, n_rows: int, num_leaves: int, n_trials: int, team: Team) -> int:
    """Return how many boosters a worker may keep; refuse a search whose rows do not fit a worker."""
    size = (n_rows, prepared.encoder.n_columns, {**prepared.params.values, "num_leaves": num_leaves})
    weighted, n_scores = prepared.encoder.weighted, prepared.params.n_scores
    threads = max(place.n_threads for place in team.places)
    if prepared.params.engine == "native":
        rows = predict_native_memory(*size, weighted=weighted, n_scores=n_scores, n_threads=threads)
    else:
        rows = predict_memory(*size, weighted=weighted, continued=False, n_scores=n_scores)
    row_wise = prepared.encoder.n_columns * bool(prepared.params.values.get("force_row_wise"))
    one = n_rows * (BYTES_ROW * n_scores + row_wise) + prepared.n_bins * 16 * num_leaves
    live = max(1, min(LIVE_BYTES // one, n_trials))
    team.check(MemoryEstimate(rows.rows, rows.row_bytes, rows.fixed_bytes + live * one))
    return live


class BoostedRows:
    """Binned rows and the boosters that wait; see `scalable.tuning.trials.Rows`."""

    def __init__(self, plan: BoostedPlan, n_threads: int) -> None:
        self._plan = plan
        self._job = replace(plan.job, n_threads=n_threads)
        self._rows = fill_rows(self._job, lambda n: None)
        self._live: dict[int, _Booster] = {}

    def measure(self, trial: int, budget: int) -> Measured:
        """Grow a trial's trees up to a budget, from where they are."""
        params = self._plan.params[trial]
        if isinstance(params, str):
            return Measured(None, fault=params)
        booster = self._live.pop(trial, None)
        if booster is None or len(booster.values) > budget:
            booster = _Booster(replace(self._job, params=params), self._rows, self._plan.by)
        try:
            booster.grow(budget)
        except BaseException:
            booster.close()
            raise
        found = booster.measured()
        self._live[trial] = booster
        if len(self._live) > self._plan.live:  # the worst is the least likely to be asked for again
            self._live.pop(max(self._live, key=lambda each: self._live[each].loss)).close()
        return found

    def close(self) -> None:
        """Close the boosters and let the rows go."""
        while self._live:
            self._live.popitem()[1].close()
        self._rows = None


class _Booster:
    """One trial: its trees so far, and the metric after each iteration."""

    def __init__(self, job: WorkerJob, rows: Any, by: Metric) -> None:
        self._trainer = open_trainer(job, None, lambda n: None, rows)
        self._evaluate = Evaluator("held-out", *self._trainer.valid[0], (by,), (), None, None, job.n_threads)
        self._sign = -1.0 if by.higher_is_better else 1.0
        self._done = False
        self.values: list[float] = []

    def grow(self, budget: int) -> None:
        """Grow trees until there are so many iterations, or nothing is left to split."""
        while len(self.values) < budget and not self._done:
            if self._trainer.step(len(self.values), 1.0):
                self.values.append(self._evaluate(self._trainer.predict(0))[0][2])
            else:
                self._done = True

    def measured(self) -> Measured:
        """Return the best iteration, and the way there."""
        n = len(self.values)
        if self._best < 0:
            return Measured(
                None, fault=f"the metric is no number in any of {n} iterations; lower learning_rate"
            )
        shown = sorted({*range(0, n, max(1, -(-n // MOST_POINTS))), self._best, n - 1})
        return Measured(
            self.values[self._best], self._best + 1, tuple((k + 1, self.values[k]) for k in shown)
        )

    @property
    def _best(self) -> int:
        losses = [math.inf if math.isnan(value) else self._sign * value for value in self.values]
        best = min(range(len(losses)), key=losses.__getitem__, default=-1)
        return best if best >= 0 and math.isfinite(losses[best]) else -1

    @property
    def loss(self) -> float:
        """Of the best iteration."""
        return self._sign * self.values[self._best] if self._best >= 0 else math.inf

    def close(self) -> None:
        """Give up threads."""
        self._trainer.close()
