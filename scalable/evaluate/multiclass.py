"""Metrics of class probabilities over k classes in one pass."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scalable.errors import DataError
from scalable.evaluate.inputs import Array, as_columns, refuse_row
from scalable.evaluate.ranking import Ranking, rank
from scalable.kernels import metrics as kernels
from scalable.kernels.buffers import sparse_zeros

MOST_BITS = 12


@dataclass(slots=True)
class MulticlassState:
    """Sums of one part: (k, n_bins, 4) score histograms, (k, k) confusion weights, (3,) sums, rows."""

    bins: Array
    confusion: Array
    sums: Array
    rows: int


@dataclass(frozen=True, slots=True)
class ClassReport:
    """One class against the rest; ranking metrics are None when a side has no rows."""

    prevalence: float
    auc: float | None
    auc_error: float | None
    average_precision: float | None
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class MulticlassReport:
    """Metrics of class probabilities.

    Attributes
    ----------
    rows, weight : int, float
        Rows seen, and their total weight.
    accuracy : float
        Weight where the most probable class (the first among equals) is the true one.
    log_loss : float
        Mean negative log-likelihood in nats, probabilities clipped to [2**-52, 1 - 2**-52].
    brier : float
        Mean over rows of the squared errors summed over classes, within [0, 2].
    auc_macro, auc_macro_error : float
        Unweighted mean over classes of one-versus-rest AUC, and its error bound; None when a class
        has no rows.
    classes : list of ClassReport
        In the order of the class indices.
    confusion : list of list of float
        Weight by true class (row) and most probable class (column).
    """

    rows: int
    weight: float
    accuracy: float
    log_loss: float
    brier: float
    auc_macro: float | None
    auc_macro_error: float | None
    classes: list[ClassReport]
    confusion: list[list[float]]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists and numbers."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class MulticlassMetrics:
    """Reduction that measures probabilities over `n_classes` classes in constant memory.

    Each doubling of the classes halves the bins of a class, so a state stays near 6 MB with the default of `most_bits`;
    the bound of each AUC is computed and reported.
    """

    n_classes: int
    most_bits: int = MOST_BITS

    @property
    def bits(self) -> int:
        """Logarithm to base two of the bins per factor of two in a score."""
        return max(self.most_bits - (self.n_classes - 1).bit_length(), 4)

    def init(self) -> MulticlassState:
        """Return the state of no rows."""
        k = self.n_classes
        bins = sparse_zeros((k, kernels.n_score_bins(self.bits), kernels.BIN_FIELDS))
        return MulticlassState(bins, np.zeros((k, k)), np.zeros(kernels.BINARY_SUMS), 0)

    def step(
        self, state: MulticlassState, y: npt.ArrayLike, p: npt.ArrayLike, weight: npt.ArrayLike | None = None
    ) -> MulticlassState:
        """Add a block: class indices (n,), probabilities (n, n_classes), weights (n,) or None.

        Raises
        ------
        DataError
            When shapes disagree, a row's probabilities do not sum to one, or a value is out of its domain.
        """
        labels, scores, weights = as_columns(y, p, weight, self.n_classes)
        bad = kernels.multiclass_step(
            labels, scores, weights, self.bits, state.bins, state.confusion, state.sums
        )
        expected = f"a class index below {self.n_classes}, probabilities that sum to one"
        refuse_row(bad, labels, scores, weights, expected)
        state.rows += labels.size
        return state

    def merge(self, left: MulticlassState, right: MulticlassState) -> MulticlassState:
        """Add the state of later rows to that of earlier ones."""
        for here, there in zip(left.bins, right.bins, strict=True):
            kernels.merge_bins(here, there)
        left.confusion += right.confusion
        left.sums += right.sums
        left.rows += right.rows
        return left

    def finish(self, state: MulticlassState) -> MulticlassReport:
        """Return the metrics; raises `DataError` when no row has positive weight."""
        total = float(state.sums[kernels.WEIGHT])
        if total <= 0:
            raise DataError(
                f"evaluation: {state.rows} rows, none of positive weight; nothing can be measured"
            )
        rankings = [rank(bins, points=2) for bins in state.bins]
        areas = [r.auc for r in rankings if r.auc is not None]
        bounds = [r.auc_error for r in rankings if r.auc_error is not None]
        complete = len(areas) == self.n_classes
        return MulticlassReport(
            rows=state.rows,
            weight=total,
            accuracy=float(np.trace(state.confusion)) / total,
            log_loss=float(state.sums[kernels.LOG_LOSS]) / total,
            brier=float(state.sums[kernels.SQUARED]) / total,
            auc_macro=float(np.mean(areas)) if complete else None,
            auc_macro_error=float(np.mean(bounds)) if complete else None,
            classes=[_class_report(state.confusion, c, ranking) for c, ranking in enumerate(rankings)],
            confusion=state.confusion.tolist(),
        )


def _class_report(confusion: Array, c: int, ranking: Ranking) -> ClassReport:
    """Return the metrics of class `c` against the rest."""
    hit, true, chosen = float(confusion[c, c]), float(confusion[c].sum()), float(confusion[:, c].sum())
    return ClassReport(
        prevalence=true / float(confusion.sum()),
        auc=ranking.auc,
        auc_error=ranking.auc_error,
        average_precision=ranking.average_precision,
        precision=hit / chosen if chosen > 0 else None,
        recall=hit / true if true > 0 else None,
    )
