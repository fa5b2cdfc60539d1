"""Scores of the validation rows after every iteration, and metrics of all workers' rows together."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
from lightgbm.basic import _LIB, _safe_call
from numpy.typing import NDArray

from scalable.boosting.comm.mesh import Mesh
from scalable.boosting.ranking.query_metrics import BY_QUERY, query_sums
from scalable.boosting.training import ranks
from scalable.boosting.training.metrics import RANKED, Array, Metric, combined, partial_sums
from scalable.boosting.training.row_pieces import by_pieces
from scalable.boosting.user_functions import by_arity

# func(y_true, y_pred, weight, group) -> (name, value, higher_is_better), on the rows of all workers.
UserMetric = Callable[..., tuple[str, float, bool]]
Result = tuple[str, str, float, bool]
_VERDICT = struct.Struct("<q")  # the best iteration, or -1


def scores_of(booster: lgb.Booster, data: int, n_rows: int, n_scores: int) -> NDArray[np.float64]:
    """Return LightGBM's current output for a dataset of the booster, after the link.

    Parameters
    ----------
    data : int
        0 is the training data, 1 the first validation data.

    Returns
    -------
    float64 array of shape (n_rows,), or (n_rows, n_scores) for several scores
    """
    out = np.empty(n_rows * n_scores)
    written = ctypes.c_int64()
    _safe_call(
        _LIB.LGBM_BoosterGetPredict(
            booster._handle,
            ctypes.c_int(data),
            ctypes.byref(written),
            out.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        )
    )
    return out if n_scores == 1 else np.ascontiguousarray(out.reshape(n_scores, n_rows).T)


class Evaluator:
    """Evaluates a model's predictions of one set of validation rows over all workers.

    Parameters
    ----------
    dataset : str
        What the set is called in results.
    label, weight : float64 array of shape (n_rows,)
        Of this worker's validation rows; no weights for None.
    metrics : sequence of Metric
        What is evaluated.
    custom : sequence of callable
        Called on the gathered rows of all workers, on every worker alike.
    mesh : Mesh or None
        Connection to the other workers.
    sizes : int array (n_queries,), optional
        Of the queries of this worker's validation rows.
    n_threads : int
        Threads that evaluate; the values do not depend on them.
    """

    def __init__(
        self,
        dataset: str,
        label: Array,
        weight: Array | None,
        metrics: Sequence[Metric],
        custom: Sequence[UserMetric],
        mesh: Mesh | None,
        sizes: NDArray[np.integer] | None = None,
        n_threads: int = 1,
    ) -> None:
        self._sizes, self._threads = sizes, n_threads
        self._dataset, self._label, self._weight, self._metrics = dataset, label, weight, metrics
        grouped = sizes is not None
        self._custom = [by_arity(metric, "eval_metric", queries=grouped) for metric in custom]
        self._mesh = mesh
        self._everybody: tuple[Any, ...] | None = None
        self.auc_bound = 0.0
        rows = sum(int.from_bytes(b, "little") for b in self._gather(len(self._label).to_bytes(8, "little")))
        self._few = rows <= ranks.EXACT_ROWS

    def __call__(self, prediction: Array) -> list[Result]:
        """Return (dataset, metric, value, higher is better) per metric, the same on every worker.

        Parameters
        ----------
        prediction : float64 array of shape (n_rows,) or (n_rows, n_classes)
            Of this worker's validation rows, after the link.
        """
        rows = (self._label, prediction, self._weight)
        ranked = [m for m in self._metrics if m.name in RANKED and (self._few or m.name != "auc")]
        summed = [m for m in self._metrics if m not in ranked]
        by_query = [m for m in summed if m.name in BY_QUERY]
        of_queries = dict(zip(by_query, self._of_queries(by_query, prediction), strict=True))
        parts = [of_queries[m] if m in of_queries else self._sums(m, rows) for m in summed]
        values: dict[Metric, float] = {}
        if parts:
            lengths = np.cumsum([0, *(len(part) for part in parts)])
            gathered = [np.frombuffer(b, np.float64) for b in self._gather(np.concatenate(parts).tobytes())]
            for k, metric in enumerate(summed):
                of_workers = [g[lengths[k] : lengths[k + 1]] for g in gathered]
                if metric.name == "auc":
                    values[metric], bound = ranks.bucketed_auc(of_workers)
                    self.auc_bound = max(self.auc_bound, bound)
                else:
                    values[metric] = combined(metric, of_workers)
        results = []
        if self._custom or ranked:
            label, weight, *queries = self._all_labels()
            gathered = [np.frombuffer(b, np.float64) for b in self._gather(prediction.tobytes())]
            everything = np.concatenate([g.reshape(-1, *prediction.shape[1:]) for g in gathered])
            values |= {metric: ranks.exact(metric, label, everything, weight) for metric in ranked}
            for of_user in self._custom:
                found = of_user(label, everything, weight, *queries)
                results += [(self._dataset, *one) for one in (found if isinstance(found, list) else [found])]
        shown = [(self._dataset, m.shown, values[m], m.higher_is_better) for m in self._metrics]
        return [*shown, *results]

    def _sums(self, metric: Metric, rows: tuple[Array, Array, Array | None]) -> Array:
        if metric.name == "auc":
            return ranks.bucketed(metric.link, *rows)
        label, prediction, weight = rows

        def work(some: slice) -> Array:
            return partial_sums(
                metric, label[some], prediction[some], None if weight is None else weight[some]
            )

        return np.asarray(np.sum(by_pieces(work, len(label), self._threads), axis=0))

    def _of_queries(self, metrics: Sequence[Metric], prediction: Array) -> list[Array]:
        if not metrics:
            return []
        assert self._sizes is not None
        wanted = [(metric.name, int(metric.shape)) for metric in metrics]
        gains = max((metric.gains for metric in metrics), key=len)
        return query_sums(wanted, gains, self._sizes, self._label, prediction, self._weight)

    def _gather(self, payload: bytes) -> list[bytes]:
        return [payload] if self._mesh is None else self._mesh.allgather(payload)

    def _all_labels(self) -> tuple[Any, ...]:
        """Return labels, weights and, where there are queries, their sizes, of the rows of all workers."""
        if self._everybody is None:
            label = np.concatenate(
                [np.frombuffer(b, np.float64) for b in self._gather(self._label.tobytes())]
            )
            weight = None
            if self._weight is not None:
                weight = np.concatenate(
                    [np.frombuffer(b, np.float64) for b in self._gather(self._weight.tobytes())]
                )
            self._everybody = label, weight
            if self._sizes is not None:
                sizes = self._gather(np.asarray(self._sizes, np.int64).tobytes())
                self._everybody = label, weight, np.concatenate([np.frombuffer(b, np.int64) for b in sizes])
        return self._everybody


def agreed(mesh: Mesh | None, verdict: int | None) -> int | None:
    """Return worker 0's verdict on every worker: the best iteration when training is to stop, or None."""
    if mesh is None:
        return verdict
    (decided,) = _VERDICT.unpack(mesh.allgather(_VERDICT.pack(-1 if verdict is None else verdict))[0])
    return None if decided < 0 else int(decided)
