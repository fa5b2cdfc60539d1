"""The search itself: draw trials, measure them rung by rung, fit the best one."""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalable import progress
from scalable.data.parquet import ParquetSource
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.models.learners import LEARNERS, Learner
from scalable.models.parameters import nearest
from scalable.storage.files import store_of
from scalable.tuning.by_rows import RowsPlan, metric_of
from scalable.tuning.halving import Rung, ladder, survivors
from scalable.tuning.held_out import hold_out
from scalable.tuning.journal import Journal, refuse_forgetting
from scalable.tuning.runners import Runner, runner_of, team_for
from scalable.tuning.space import read_space
from scalable.tuning.trials import Measured, Plan

SAME_BITS = {"feature_pre_filter": False, "deterministic": True}  # of LightGBM, on any number of threads


@dataclass(slots=True, repr=False)
class Search:
    """What a search found.

    Attributes
    ----------
    learner, task : str
        What was tuned.
    metric, higher_is_better : str, bool
        What trials were measured by, on the held-out rows.
    unit : str
        What budgets count.
    rungs : list of Rung
        How many trials reached which budget.
    trials : list of dict
        ``trial``, ``params``, ``status`` ("finished", "pruned" or "failed"), the ``budget`` it reached, its best
        ``value`` and ``at`` which budget, the ``curve`` on the way, and the ``fault`` of one that failed.
    best : dict
        Of `trials`.
    seconds : float
        Of this run.
    estimator : estimator or None
        Fitted to all rows with the best parameters.
    """

    learner: str
    task: str
    metric: str
    higher_is_better: bool
    unit: str
    rungs: list[Rung]
    trials: list[dict[str, Any]]
    best: dict[str, Any]
    seconds: float = 0.0
    estimator: Any = None

    def __repr__(self) -> str:
        best = f"best {self.metric} {self.best['value']:.5g} with {self.best['params']}"
        return f"<Search: {self.learner}, {len(self.trials)} trials, {best}>"

    def to_json(self) -> dict[str, Any]:
        """Return the ``search`` section of a results document."""
        rungs = [{"trials": rung.trials, "budget": rung.budget} for rung in self.rungs]
        names = ("learner", "task", "metric", "higher_is_better", "unit", "trials", "best", "seconds")
        return {**{name: getattr(self, name) for name in names}, "rungs": rungs}


def tune(
    learner: str | type,
    source: Source,
    space: str | os.PathLike[str] | Mapping[str, Any],
    *,
    n_trials: int = 27,
    task: str | None = None,
    valid: Source | None = None,
    metric: str | None = None,
    budget: int | None = None,
    eta: int = 3,
    seed: int = 0,
    client: Any = None,
    n_workers: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    refit: bool = True,
    **shared: Any,
) -> Search:
    """Search parameters by successive halving over rows that are read once a worker.

    Parameters
    ----------
    learner : str or class
        A name of `scalable.models.learners`, or one of their estimators.
    source : Source
        With a target.
    space : str, path or mapping
        See `scalable.tuning.space.read_space`.
    n_trials : int
        Points drawn from it.
    task : str, optional
        "classification" or "regression", for names of learners that do both.
    valid : Source, optional
        Held-out rows; by default one piece of `source` in five, spread evenly.
    metric : str, optional
        LightGBM's for boosting, by default its objective's; else of evaluation, by default log loss (AUC where there
        are no probabilities) or mean squared error.
    budget : int, optional
        Iterations of the last rung, for boosting; by default ``n_estimators``. Other learners get shares of the rows.
    eta : int
        One trial in `eta` goes on to a budget `eta` times as large.
    seed : int
        Of the points, and of the learner unless ``random_state`` is given.
    client : distributed.Client, str or None
        A client, a scheduler's address, or None for this machine.
    n_workers : int, optional
        Without a client: processes of this machine, by default this one alone. With one: how many of its workers.
    checkpoint : path, optional
        File that remembers every measured trial; without `resume` there must be none yet.
    resume : bool
        Whether to go on from it; the result is the same as without interruption.
    refit : bool
        Whether to fit the best parameters to all rows of `source`, at the best number of iterations.
    **shared
        Parameters of all trials.

    Raises
    ------
    UsageError
        On parameters nobody knows, with the nearest, or that trials cannot differ in.
    DataError
        When every trial failed.
    PlanError
        When a worker cannot hold the rows.
    ClusterError
        When workers are lost and none comes.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa, pyarrow.parquet as pq
    >>> from scalable import ParquetSource, tune
    >>> x = np.random.default_rng(0).normal(size=2_000)
    >>> pq.write_table(pa.table({"x": x, "y": x > 0.0}), "rows.parquet", row_group_size=200)
    >>> source = ParquetSource("rows.parquet", target="y")
    >>> search = tune("lightgbm", source, {"num_leaves": [3, 7]}, task="classification", n_trials=2, budget=4)
    >>> search.best["params"]["num_leaves"] in (3, 7), len(search.trials)
    (True, 2)
    """
    began = time.monotonic()
    refuse_forgetting(checkpoint, resume=resume)
    name, entry, task = _learner(learner, task)
    source.roles.require_target()
    estimator = entry.estimator(task)
    boosts = entry.module == "scalable.boosting"
    drawn = _points(estimator, read_space(space), shared, n_trials, seed, boosts=boosts)
    if "random_state" in estimator.parameter_names():
        shared.setdefault("random_state", seed)
    if boosts:
        if budget is not None:
            shared["n_estimators"] = budget
        if shared.get("engine", "auto") == "auto":
            from scalable.tuning.boosted import common_engine

            asked = [estimator(**{**shared, **point})._lightgbm_params() for point in drawn]
            shared["engine"] = common_engine(asked, source.n_rows, len(source.feature_names))
        if shared["engine"] == "lightgbm":
            shared = {**SAME_BITS, **shared}
    elif budget is not None:
        raise UsageError(
            f"budget counts iterations of boosting; trials of {name} get shares of the rows: leave it out"
        )
    given = [{**shared, **point} for point in drawn]
    if valid is not None:
        valid.roles.require_target()
        valid = valid.with_features(source.feature_names)
    rows, held = (source, valid) if valid is not None else hold_out(source)
    if (client is not None or n_workers not in (None, 1)) and not isinstance(source, ParquetSource):
        raise UsageError(
            "several workers read files: tune on a ParquetSource, or without client and n_workers"
        )
    paths = tuple(store_of(path).absolute(path) for path in getattr(source, "paths", ()))
    with team_for(client, n_workers, paths) as team:
        token = uuid.uuid4().hex
        plan: Plan
        if boosts:
            from scalable.boosting.workers.partition import check_selection
            from scalable.tuning.boosted import plan_boosted

            check_selection(rows, "training")
            check_selection(held, "validation")
            classify = task == "classification"
            asked = [estimator(**one)._lightgbm_params() for one in given]
            plan = plan_boosted(
                asked, estimator(**shared)._lightgbm_params(), rows, held,
                classify=classify, metric=metric, team=team, token=token,
            )  # fmt: skip
        else:
            classes = _n_classes(source, task)
            by = metric_of(metric, estimator(**shared), classes)
            plan = RowsPlan(token, name, task, tuple(given), rows, held, by)
        rungs = ladder(len(drawn), plan.budget, eta, plan.least)
        fingerprint = rows.fingerprint().joined(
            held=held.fingerprint().digest(), learner=f"{name}, {task}", params=given, metric=plan.metric,
            budgets=[[rung.trials, rung.budget] for rung in rungs],
        )  # fmt: skip
        journal = Journal(checkpoint, fingerprint, resume=resume)
        with runner_of(team, plan) as runner:
            reached = climb(rungs, runner, journal, plan)
        search = _found(
            Search(name, task, plan.metric, plan.higher_is_better, plan.unit, rungs, [], {}), drawn, reached
        )
        if refit:
            best = dict(given[search.best["trial"]])
            if boosts:
                best |= {
                    "n_estimators": search.best["at"],
                    **({} if team.client is None else {"n_workers": 1}),
                }
            search.estimator = estimator(**best, client=team.client).fit(source)
            search.estimator.client = client
    search.seconds = time.monotonic() - began
    return search


def climb(rungs: Sequence[Rung], runner: Runner, journal: Journal, plan: Plan) -> list[dict[int, Measured]]:
    """Measure the trials of every rung that are not in the journal; return what each rung's trials reached.

    Raises
    ------
    DataError
        When every trial of a rung failed.
    """
    sign = -1.0 if plan.higher_is_better else 1.0
    alive, reached = list(range(rungs[0].trials)), list[dict[int, Measured]]()
    for k, rung in enumerate(rungs):
        if k:
            losses = {trial: one.loss(sign) for trial, one in reached[-1].items()}
            alive = survivors(losses, rung.trials)
        left = [trial for trial in alive if (k, trial) not in journal.measured]
        label = f"rung {k + 1} of {len(rungs)}: {rung.budget:,} {plan.unit}"
        with progress.task(label, total=len(alive), unit="trials") as shown:
            shown.advance(len(alive) - len(left))
            for trial, measured in runner.run(left, rung.budget):
                journal.add(k, trial, measured)
                found = {} if measured.value is None else {plan.metric: measured.value}
                shown.advance(1, **found)
        reached.append({trial: journal.measured[k, trial] for trial in alive})
        if not any(math.isfinite(one.loss(sign)) for one in reached[-1].values()):
            first = next(iter(reached[-1].values()))
            fault = first.fault if first.value is None else f"its {plan.metric} is {first.value}"
            raise DataError(f"every trial failed, the first one: {fault}")
    return reached


def _found(
    search: Search, drawn: Sequence[Mapping[str, Any]], reached: Sequence[dict[int, Measured]]
) -> Search:
    """Fill in the trials and the best one."""
    sign = -1.0 if search.higher_is_better else 1.0
    for trial, params in enumerate(drawn):
        rung = max(k for k, rung in enumerate(reached) if trial in rung)
        one = reached[rung][trial]
        status = "failed" if one.value is None else "finished" if rung == len(reached) - 1 else "pruned"
        search.trials.append(
            {
                "trial": trial,
                "params": dict(params),
                "status": status,
                "budget": search.rungs[rung].budget,
                "value": one.value,
                "at": one.at,
                "curve": [list(point) for point in one.curve],
                "fault": one.fault,
            }
        )
    last = {trial: one.loss(sign) for trial, one in reached[-1].items()}
    search.best = search.trials[min(last, key=lambda trial: (last[trial], trial))]
    return search


def _learner(learner: str | type, task: str | None) -> tuple[str, Learner, str]:
    """Return a learner's name, its entry and its task."""
    if isinstance(learner, type):
        for name, entry in LEARNERS.items():
            for each, cls in entry.classes.items():
                if cls == learner.__name__ and entry.estimator(each) is learner:
                    return _supervised(name, entry, each)
        raise UsageError(
            f"{learner.__name__} is none of the learners that can be tuned: {', '.join(LEARNERS)}"
        )
    if learner not in LEARNERS:
        raise UsageError(f"there is no learner {learner!r}; {nearest(learner, LEARNERS)}")
    entry = LEARNERS[learner]
    if task is None and len(entry.classes) > 1:
        raise UsageError(f"{learner} does {' and '.join(entry.classes)}: say which by task")
    return _supervised(learner, entry, task or next(iter(entry.classes)))


def _supervised(name: str, entry: Learner, task: str) -> tuple[str, Learner, str]:
    if task not in entry.classes:
        raise UsageError(f"{name} does {' and '.join(entry.classes)}, not {task}")
    if task in ("transform", "ranking"):
        raise UsageError(
            f"{task} cannot be tuned: there is no loss a row to measure trials by on held-out rows"
        )
    return name, entry, task


def _points(
    estimator: Any, space: Any, shared: Mapping[str, Any], n: int, seed: int, *, boosts: bool
) -> list[dict[str, Any]]:
    """Draw the trials; refuse names nobody knows, and values that no trial can have."""
    known = estimator.parameter_names()
    for name in (*space.parameters, *shared):
        if name not in known:
            raise UsageError(f"{estimator.__name__} has no parameter {name!r}; {nearest(name, known)}")
    for name in space.parameters:
        if name in shared:
            raise UsageError(f"{name} is in the space and given to all trials; leave one out")
        if name in ("client", "n_workers", "checkpoint", "resume", "cache"):
            raise UsageError(f"space {name}: does not change what is learned; leave it out")
    if boosts:
        from scalable.tuning.boosted import check_names

        check_names(tuple(space.parameters))
    if n < 1:
        raise UsageError(f"n_trials must be at least 1, found {n}")
    return list(space.draw(n, seed))


def _n_classes(source: Source, task: str) -> int | None:
    """Return how many classes the target has; None for numbers."""
    if task != "classification":
        return None
    from scalable.execution.threads import Threads
    from scalable.features.summary import target_of

    return len(target_of(source, Threads(), classify=True).classes)
