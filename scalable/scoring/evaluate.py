"""The quality of a saved model on labelled rows, in one streamed pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.data.block import RawBlock
from scalable.data.roles import Roles
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.evaluate.binary import BinaryMetrics, BinaryReport
from scalable.evaluate.inputs import BadRowError
from scalable.evaluate.multiclass import MulticlassMetrics, MulticlassReport
from scalable.evaluate.regression import RegressionMetrics, RegressionReport
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import FEW_LEAVES, run_reduction
from scalable.features.target import read_weights

Report = BinaryReport | MulticlassReport | RegressionReport


@dataclass(frozen=True)
class QualityReduction:
    """Predicts every block and adds it to the metrics.

    Parameters
    ----------
    predictor : Predictor
        A loaded model.
    measures : BinaryMetrics, MulticlassMetrics or RegressionMetrics
        What to measure.
    roles : Roles
        Of which target, which must be named, and weight are read.
    """

    predictor: Any
    measures: Any
    roles: Roles

    def init(self) -> Any:
        """Return the metrics of no rows."""
        return self.measures.init()

    def step(self, state: Any, block: RawBlock) -> Any:
        """Add a block."""
        target = self.roles.require_target()
        y = self.predictor.encode_label(block.arrays[target], target, block.where)
        name = self.roles.weight
        weight = None if name is None else read_weights(block.arrays[name], name, block.where)
        try:
            return self.measures.step(state, y, self.predictor.rank_block(block), weight)
        except BadRowError as error:
            raise DataError(f"{block.where(error.row)}: the row {error.said}") from None

    def merge(self, left: Any, right: Any) -> Any:
        """Merge neighbours."""
        return self.measures.merge(left, right)

    def finish(self, state: Any) -> Report:
        """Return the report."""
        report: Report = self.measures.finish(state)
        return report


def evaluate_model(predictor: Any, source: Source, executor: Executor) -> Report:
    """Evaluate a model on the rows of a source.

    Parameters
    ----------
    predictor : Predictor
        From ``scalable.models.predictors.load_model``.
    source : Source
        With a target; classes are matched to those the model was trained on.
    executor : Executor
        Who does the work.

    Returns
    -------
    BinaryReport, MulticlassReport or RegressionReport

    Raises
    ------
    DataError
        When a label is unknown to the model.
    UsageError
        When the model learned without a target.
    """
    reduction = quality_of(predictor, source.roles)
    names = [*predictor.needed, *source.roles.learned_from]
    reader = BlockReader(source, columns=tuple(dict.fromkeys(names)))
    return run_reduction(executor, reduction, reader, label="evaluate", leaves=FEW_LEAVES)


def quality_of(predictor: Any, roles: Roles) -> QualityReduction:
    """Return what measures a model; raises as `evaluate_model`."""
    if predictor.task == "transform":
        raise UsageError(
            "the model learned without a target: there is nothing to hold it against; `predict` applies it"
        )
    metrics: Any = RegressionMetrics()
    if predictor.task == "binary":
        metrics = BinaryMetrics()
    elif predictor.task == "multiclass":
        metrics = MulticlassMetrics(len(predictor.classes))
    return QualityReduction(predictor, metrics, roles)


def base_rates(report: Report) -> dict[str, Any]:
    """Return the scores of always predicting the shares of the classes, or the mean, on the rows of a report."""
    row: dict[str, Any] = {"rows": report.rows}
    if isinstance(report, RegressionReport):
        return {**row, "mse": report.target_variance, "rmse": report.target_variance**0.5, "r2": 0.0}
    shares = np.array([report.prevalence, 1.0 - report.prevalence] if isinstance(report, BinaryReport)
                      else [each.prevalence for each in report.classes])  # fmt: skip
    entropy = float(-(shares * np.log(np.where(shares > 0.0, shares, 1.0))).sum())
    brier = float((shares * (1.0 - shares)).sum())
    if isinstance(report, BinaryReport):
        pr = {"auc": 0.5, "average_precision": report.prevalence}
        return {**row, **pr, "log_loss": entropy, "brier": brier / 2.0}
    return {**row, "accuracy": float(shares.max()), "auc_macro": 0.5, "log_loss": entropy, "brier": brier}


def quality_row(model: str, report: Report, classes: Sequence[Any] | None = None) -> dict[str, Any]:
    """Return a report as a row of a results document's ``quality`` section, its classes named."""
    row = {"model": model, **report.to_json()}
    if isinstance(report, MulticlassReport) and classes is not None:
        row["class_names"] = [str(name) for name in classes]
    return row
