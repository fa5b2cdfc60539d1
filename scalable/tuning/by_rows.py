"""Trials of any learner with a target: a budget is a share of the rows, the last one is all of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scalable.data.source import Source
from scalable.errors import DataWarning, UsageError
from scalable.execution.process_wide import ignoring
from scalable.execution.threads import Threads
from scalable.models.kinds import predictor_of
from scalable.models.learners import LEARNERS
from scalable.models.parameters import nearest
from scalable.scoring.evaluate import evaluate_model
from scalable.tuning.held_out import pieces_of, spread
from scalable.tuning.trials import Measured

RANKED = ("auc", "auc_macro", "average_precision", "accuracy", "ks", "r2")
METRICS = {
    "binary": ("log_loss", "auc", "average_precision", "brier", "ks"),
    "multiclass": ("log_loss", "accuracy", "auc_macro", "brier"),
    "regression": ("mse", "rmse", "mae", "r2", "poisson_deviance"),
}
LEAST_SHARE = 1024  # rows below which a loss says nothing


def metric_of(metric: str | None, estimator: Any, classes: int | None) -> str:
    """Return what trials are measured by.

    Raises
    ------
    UsageError
        On a metric that the task does not have.
    """
    task = "regression" if classes is None else "binary" if classes == 2 else "multiclass"
    if metric is None:
        probable = classes is None or hasattr(estimator, "predict_proba")
        return METRICS[task][0 if probable else 1]
    if metric not in METRICS[task]:
        raise UsageError(f"{task} has no metric {metric!r}; {nearest(metric, METRICS[task])}")
    return metric


@dataclass(frozen=True)
class RowsPlan:
    """A search over a learner; see `scalable.tuning.trials.Plan`.

    Attributes
    ----------
    learner, task : str
        Which estimator.
    params : tuple of dict
        Of each trial.
    source, held : Source
        Training and held-out rows.
    """

    token: str
    learner: str
    task: str
    params: tuple[Mapping[str, Any], ...]
    source: Source
    held: Source
    metric: str
    unit: str = "pieces of the rows"

    @property
    def budget(self) -> int:
        """Pieces of all rows."""
        return len(pieces_of(self.source))

    @property
    def least(self) -> int:
        """Pieces below which a loss says nothing."""
        return max(1, LEAST_SHARE * self.budget // self.source.n_rows)

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values of the metric are better."""
        return self.metric in RANKED

    def open(self, n_threads: int) -> EncodedRows:
        """Make room for encoded rows."""
        return EncodedRows(self, n_threads)


class EncodedRows:
    """Encoded rows on disk that trials of one rung share; see `scalable.tuning.trials.Rows`."""

    def __init__(self, plan: RowsPlan, n_threads: int) -> None:
        self._plan, self._threads = plan, n_threads
        self._pieces = pieces_of(plan.source)
        self._estimator = LEARNERS[plan.learner].estimator(plan.task)
        self._cache = tempfile.mkdtemp(prefix="scalable-tune-")

    def measure(self, trial: int, budget: int) -> Measured:
        """Fit a trial to its share of the rows."""
        plan, given = self._plan, dict(self._plan.params[trial])
        if "cache" in self._estimator.parameter_names():
            given.setdefault("cache", self._cache)
        rows = plan.source
        if budget < len(self._pieces):
            rows = rows.with_shards(spread(self._pieces, budget))
        estimator = self._estimator(**given, n_workers=self._threads)
        with ignoring("", DataWarning)(), ignoring(".*has not converged")():  # of every trial the same
            estimator.fit(rows)
            report = evaluate_model(predictor_of(estimator.stored()), plan.held, Threads(self._threads))
        value = getattr(report, plan.metric)
        if value is None:
            return Measured(None, fault=f"{plan.metric} cannot be measured on these held-out rows")
        return Measured(float(value), budget, ((budget, float(value)),))

    def close(self) -> None:
        """Remove the encoded rows."""
        shutil.rmtree(self._cache, ignore_errors=True)
