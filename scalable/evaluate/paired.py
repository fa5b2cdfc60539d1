"""Two models on the same rows: differences of their scores, and how sure they are.

Rows that are hard for one model are hard for the other, so a difference is surer than either score. The rows are
dealt to groups at random by their index; leaving out one group at a time (delete-a-group jackknife, Kott, 2001) gives
the standard error of the difference of any smooth score, ranking metrics included, in one pass and constant memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from scalable.evaluate.inputs import Array

GROUPS = 64
BINS = 8192
MIDDLE = 3.0  # log-odds at which half of a side's bins are used: 0.0007 wide around zero
CLIP = 1e-15
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: neighbours go to different groups
LARGER_IS_BETTER = {"auc", "accuracy", "r2"}


def group_of(first_row: int, n_rows: int) -> NDArray[np.int64]:
    """Return the group of each row of a stretch."""
    index = np.arange(first_row, first_row + n_rows, dtype=np.uint64)
    mixed: NDArray[np.uint64] = (index * _MIX) ^ ((index * _MIX) >> np.uint64(29))
    return ((mixed * _MIX) >> np.uint64(58)).astype(np.int64)


@dataclass
class PairedState:
    """Sums of the rows of each group.

    Attributes
    ----------
    sums : (GROUPS, 2, 5) float64
        For each model: weight, its losses (two a task), target and squared target.
    ranks : (GROUPS, 2, 2, BINS) float64
        For each model and label the weight in each bin of log-odds; empty unless the task is binary.
    """

    sums: Array
    ranks: Array


@dataclass(frozen=True)
class PairedMetrics:
    """Reduction to the scores of two models and their differences.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
    """

    task: str

    def init(self) -> PairedState:
        """Return the state of no rows."""
        bins = BINS if self.task == "binary" else 0
        return PairedState(np.zeros((GROUPS, 2, 5)), np.zeros((GROUPS, 2, 2, bins)))

    def step(
        self,
        state: PairedState,
        y: Array,
        predictions: tuple[Array, Array],
        first_row: int,
        weight: Array | None,
    ) -> PairedState:
        """Add rows: targets, what either model predicts, the index of the first row, and weights."""
        group = group_of(first_row, len(y))
        w = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
        for model, p in enumerate(predictions):
            columns = (w, *(w * loss for loss in self._losses(y, p)), w * y, w * y**2)
            for k, column in enumerate(columns):
                state.sums[:, model, k] += np.bincount(group, column, GROUPS)
            if self.task == "binary":
                odds = special.logit(np.clip(p, CLIP, 1 - CLIP))
                bins = ((odds / (np.abs(odds) + MIDDLE) + 1) / 2 * BINS).astype(np.int64)
                place = (group * 2 + y.astype(np.int64)) * BINS + bins
                state.ranks[:, model] += np.bincount(place, w, GROUPS * 2 * BINS).reshape(GROUPS, 2, BINS)
        return state

    def merge(self, left: PairedState, right: PairedState) -> PairedState:
        """Merge neighbours."""
        left.sums += right.sums
        left.ranks += right.ranks
        return left

    def finish(self, state: PairedState) -> list[dict[str, Any]]:
        """Return a row a metric: its name, its value for `a` and `b`, and the difference b - a.

        ``se`` is the standard error of the difference, ``low`` and ``high`` its 95 % interval by Student's t;
        ``verdict`` is "better" or "worse" where that leaves out zero, else "noise", or "unknown" without a value.
        """
        used = state.sums[:, 0, 0] > 0
        sums, ranks = state.sums[used], state.ranks[used]
        all_sums, all_ranks = sums.sum(axis=0), ranks.sum(axis=0)
        n_groups = len(sums)
        rows = []
        for name, metric in self._metrics().items():
            whole = np.array([metric(all_sums[m], all_ranks[m]) for m in (0, 1)])
            row: dict[str, Any] = {
                "metric": name,
                "a": whole[0],
                "b": whole[1],
                "difference": whole[1] - whole[0],
            }
            row |= {"se": None, "low": None, "high": None, "verdict": "unknown"}
            if n_groups > 1 and np.isfinite(whole).all():
                left_out = np.array([
                    metric(all_sums[1] - sums[g, 1], all_ranks[1] - ranks[g, 1])
                    - metric(all_sums[0] - sums[g, 0], all_ranks[0] - ranks[g, 0])
                    for g in range(n_groups)
                ])  # fmt: skip
                spread = np.sum((left_out - left_out.mean()) ** 2) * (n_groups - 1) / n_groups
                se = float(np.sqrt(spread))
                row |= {"se": se} | _judged(
                    name, row["difference"], float(stats.t.ppf(0.975, n_groups - 1)) * se
                )
            rows.append(
                {key: float(value) if isinstance(value, np.floating) else value for key, value in row.items()}
            )
        return rows

    def _losses(self, y: Array, p: Array) -> tuple[Array, Array]:
        if self.task == "regression":
            return (y - p) ** 2, np.abs(y - p)
        if self.task == "multiclass":
            own = p[np.arange(len(y)), y.astype(np.int64)]
            return -np.log(np.clip(own, CLIP, 1.0)), (p.argmax(1) == y).astype(np.float64)
        chosen = np.clip(np.where(y > 0, p, 1 - p), CLIP, 1.0)
        return -np.log(chosen), (p - y) ** 2

    def _metrics(self) -> dict[str, Callable[[Array, Array], float]]:
        if self.task == "regression":
            return {
                "rmse": lambda s, _: float(np.sqrt(s[1] / s[0])),
                "mae": lambda s, _: float(s[2] / s[0]),
                "r2": lambda s, _: float(1 - s[1] / max(s[4] - s[3] ** 2 / s[0], CLIP)),
            }
        if self.task == "multiclass":
            return {"log_loss": lambda s, _: float(s[1] / s[0]), "accuracy": lambda s, _: float(s[2] / s[0])}
        return {
            "auc": lambda _, ranks: _auc(ranks),
            "log_loss": lambda s, _: float(s[1] / s[0]),
            "brier": lambda s, _: float(s[2] / s[0]),
        }


def restated(row: dict[str, Any], a: float | None, b: float | None) -> dict[str, Any]:
    """Return a row of `PairedMetrics.finish` with values that were measured more finely.

    The AUC of a row is that of binned scores. The interval moves with the difference and keeps its width; a row without
    an interval, or a metric without finer values, stays as it is.
    """
    if row["se"] is None or a is None or b is None:
        return row
    judged = _judged(row["metric"], b - a, (row["high"] - row["low"]) / 2)
    return {**row, "a": a, "b": b, "difference": b - a, **judged}


def _judged(name: str, difference: float, reach: float) -> dict[str, Any]:
    better = (difference > 0) == (name in LARGER_IS_BETTER)
    verdict = ("better" if better else "worse") if abs(difference) > reach else "noise"
    return {"low": difference - reach, "high": difference + reach, "verdict": verdict}


def _auc(ranks: Array) -> float:
    negative, positive = ranks
    n, m = negative.sum(), positive.sum()
    if not (n > 0 and m > 0):
        return float("nan")
    return float(np.sum(positive * (np.cumsum(negative) - negative / 2)) / n / m)
