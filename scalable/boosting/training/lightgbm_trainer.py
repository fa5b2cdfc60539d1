"""LightGBM as an engine of the boosting loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scalable.boosting.comm.mesh import Mesh
from scalable.boosting.dataset.datasets import datasets_of
from scalable.boosting.native.settings import flag
from scalable.boosting.ranking.seeds import seed_of
from scalable.boosting.training.evaluation import scores_of
from scalable.boosting.user_functions import by_arity, derivatives
from scalable.boosting.workers.job import WorkerJob

DEFAULT_RATE = 0.1  # LightGBM's own


class LightGBMTrainer:
    """LightGBM's booster on this worker's rows; see `scalable.boosting.training.trainer.Trainer`.

    With several workers its collectives must be installed on this thread already.
    """

    def __init__(
        self, job: WorkerJob, mesh: Mesh | None, tell: Callable[[int], None], rows: Any = None
    ) -> None:
        self._job = job
        dataset, valid, words = rows or datasets_of(job, tell)
        params = {**job.params, "num_threads": job.n_threads, "metric": "None"}
        if mesh is not None:
            params |= {"tree_learner": "data", "num_machines": mesh.n_workers}
        self.model = lgb.Booster(params, dataset)
        self.notes: dict[str, Any] = {"cache": words} if words else {}
        self.valid: list[tuple[NDArray[np.float64], NDArray[np.float64] | None]] = []
        self._gradients = _gradients(job.watch.objective, job.sizes[0] if job.sizes else None)
        self._share = 1.0
        for name, held in zip(job.watch.names, valid, strict=True):
            self.model.add_valid(held, name)
            weight = held.get_field("weight")
            label = np.asarray(held.get_field("label"), np.float64)
            self.valid.append((label, None if weight is None else np.asarray(weight, np.float64)))

    def restart(self, iteration: int) -> None:
        """See `Trainer.restart`."""
        reseed(self.model, self._job.params, iteration)

    def step(self, iteration: int, share: float) -> bool:
        """See `Trainer.step`."""
        if share != self._share:
            rate = float(self._job.params.get("learning_rate", DEFAULT_RATE))
            self.model.reset_parameter({"learning_rate": rate * share})
            self._share = share
        self.model.update(fobj=self._gradients)
        return True

    def predict(self, k: int) -> NDArray[np.float64]:
        """See `Trainer.predict`."""
        return scores_of(self.model, 1 + k, len(self.valid[k][0]), self._job.n_scores)

    def text(self) -> str:
        """See `Trainer.text`."""
        return str(self.model.model_to_string(num_iteration=-1))

    def close(self) -> None:
        """See `Trainer.close`."""


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
    if flag(params.get("extra_trees", False)):
        changes["extra_seed"] = seed + 2
    if params.get("objective") == "rank_xendcg":  # its generators, one a query, are made with it
        drawn = seed_of(int(params["objective_seed"]), iteration)
        changes |= {"objective": "rank_xendcg", "objective_seed": drawn}
    if changes:
        booster.reset_parameter(changes)


def _gradients(objective: Callable[..., Any] | None, sizes: NDArray[Any] | None) -> Callable[..., Any] | None:
    """Wrap a custom objective as LightGBM calls it."""
    if objective is None:
        return None

    user = by_arity(objective, "objective", queries=sizes is not None)
    queries = () if sizes is None else (sizes,)

    def of(prediction: NDArray[np.float64], data: lgb.Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
        found = user(data.get_label(), prediction, data.get_weight(), *queries)
        gradient, hessian = derivatives(found, prediction.shape)
        return np.asarray(gradient, np.float32), np.asarray(hessian, np.float32)

    return of
