"""LightGBM's callbacks around the iterations of our own loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm as lgb
from lightgbm.callback import CallbackEnv, EarlyStopException

from scalable.boosting.training.evaluation import Result
from scalable.boosting.workers.job import WorkerJob

# Older LightGBM hands callbacks plain tuples.
_EvalResult: Any = getattr(lgb.basic, "EvalResult", lambda *values: values)


class Callbacks:
    """LightGBM's callbacks, and its early stopping, run between iterations."""

    def __init__(self, job: WorkerJob, booster: lgb.Booster) -> None:
        self._job, self._booster = job, booster
        if job.watch.training_set:  # by its name LightGBM's early stopping knows it
            booster.set_train_data_name(job.watch.training_set)
        chosen = list(job.watch.callbacks)
        if job.watch.patience:
            watch = job.watch
            rule = lgb.early_stopping(watch.patience, watch.first_only, False, watch.least_gain)
            chosen.append(rule)
        chosen.sort(key=lambda callback: getattr(callback, "order", 0))
        self._before = [c for c in chosen if getattr(c, "before_iteration", False)]
        self._after = [c for c in chosen if not getattr(c, "before_iteration", False)]
        self.can_stop = bool(self._after)
        # A resumed run shows its callbacks what they would have seen.
        for iteration, results in enumerate(job.base.history):
            self.before(iteration)
            self.after(iteration, results)

    def _env(self, iteration: int, results: list[Result] | None) -> CallbackEnv:
        first = self._job.base.iteration if not self._job.base.history else 0
        listed = None if results is None else [_EvalResult(*result) for result in results]
        return CallbackEnv(self._booster, self._job.params, iteration, first, self._job.n_rounds, listed)

    def before(self, iteration: int) -> None:
        """Run what runs before an iteration."""
        for callback in self._before:
            callback(self._env(iteration, None))

    def after(self, iteration: int, results: list[Result]) -> int | None:
        """Run what runs after an iteration; return the number of iterations to keep when one says stop."""
        try:
            for callback in self._after:
                callback(self._env(iteration, results))
        except EarlyStopException as stop:
            return int(stop.best_iteration) + 1
        return None


def records_only(callback: Any) -> bool:
    """Whether a callback only keeps results, which it must do where the user looks: not on a worker."""
    return isinstance(callback, lgb.callback._RecordEvaluationCallback)


def replay(
    recorders: Sequence[Any], history: list[list[Result]], params: dict[str, Any], n_rounds: int
) -> None:
    """Show recording callbacks what they would have seen during the iterations."""
    no_model: Any = None  # which recorders do not look at
    for iteration, results in enumerate(history):
        listed = [_EvalResult(*result) for result in results]
        for callback in recorders:
            callback(CallbackEnv(no_model, params, iteration, 0, n_rounds, listed))
