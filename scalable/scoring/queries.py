"""How well a saved model orders the rows of queries, in one streamed pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scalable.data.block import RawBlock
from scalable.data.roles import Roles
from scalable.data.source import Source
from scalable.errors import UsageError
from scalable.evaluate.groups import group_sizes, runs_of
from scalable.evaluate.queries import QueryMetrics, QueryReport, QueryState, default_gains
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction


@dataclass(frozen=True)
class OrderReduction:
    """Predicts every block and measures the order of the rows of each query.

    Parameters
    ----------
    predictor : Predictor
        A loaded model.
    roles : Roles
        Of which target and group, which must be named, are read.
    """

    predictor: Any
    roles: Roles

    @property
    def _metrics(self) -> QueryMetrics:
        return QueryMetrics(self.predictor.gains or default_gains())

    def init(self) -> QueryState:
        """Return the metrics of no rows."""
        return self._metrics.init()

    def step(self, state: QueryState, block: RawBlock) -> QueryState:
        """Add a block."""
        target = self.roles.require_target()
        y = self.predictor.encode_label(block.arrays[target], target, block.where)
        values, sizes = runs_of(block, str(self.roles.group))
        return self._metrics.step(state, values, sizes, y, self.predictor.rank_block(block))

    def merge(self, left: QueryState, right: QueryState) -> QueryState:
        """Merge neighbours."""
        return self._metrics.merge(left, right)

    def finish(self, state: QueryState) -> QueryReport:
        """Return the report."""
        return self._metrics.finish(state)


def evaluate_queries(predictor: Any, source: Source, executor: Executor) -> QueryReport:
    """Evaluate how a model orders the rows of the queries of a source; every query counts once.

    NDCG is by the gains that the model was trained with, where it says so, else two to the power of a label less one.

    Parameters
    ----------
    predictor : Predictor
        From ``scalable.models.predictors.load_model``: of numbers, or of two classes.
    source : Source
        With a target and a group column.
    executor : Executor
        Who does the work.

    Raises
    ------
    DataError
        When a row is of no query, rows of a query do not lie together, or a label has no gain.
    UsageError
        When the model has no single score to order rows by, or no group column is named.
    """
    if predictor.task not in ("regression", "binary"):
        raise UsageError(
            f"the model's task is {predictor.task}: it has no single score that rows of a query could be ordered by"
        )
    n_gains = len(predictor.gains or default_gains()) if predictor.task == "regression" else 0
    group_sizes(source, executor, n_gains=n_gains)
    roles = source.roles
    names = dict.fromkeys([*predictor.needed, roles.require_target(), str(roles.group)])
    reader = BlockReader(source, columns=tuple(names))
    return run_reduction(executor, OrderReduction(predictor, roles), reader, label="evaluate")


def order_rows(model: str, report: QueryReport) -> list[dict[str, Any]]:
    """Return a report as rows of a results document's ``quality`` section: the model's, and those of any order."""
    chance = {f"ndcg_{k}": getattr(report, f"random_ndcg_{k}") for k in (1, 5, 10)}
    return [{"model": model, **report.to_json()}, {"model": "random order", "rows": report.rows, **chance}]
