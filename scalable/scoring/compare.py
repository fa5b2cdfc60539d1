"""Two saved models on the same labelled rows: their qualities side by side, and paired differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scalable.data.block import RawBlock
from scalable.data.source import Source
from scalable.data.values import numbers
from scalable.errors import ModelError
from scalable.evaluate.paired import PairedMetrics
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import FEW_LEAVES, run_reduction


@dataclass(frozen=True)
class PairReduction:
    """Predicts every block with both models and adds it to the paired metrics."""

    models: tuple[Any, Any]
    measures: PairedMetrics
    target: str
    weight: str | None = None

    def init(self) -> Any:
        """Return the metrics of no rows."""
        return self.measures.init()

    def step(self, state: Any, block: RawBlock) -> Any:
        """Add a block."""
        y = self.models[0].encode_label(block.arrays[self.target], self.target, block.where)
        weight = None if self.weight is None else numbers(block.arrays[self.weight])
        predictions = (self.models[0].predict_block(block), self.models[1].predict_block(block))
        return self.measures.step(state, y, predictions, block.first_row, weight)

    def merge(self, left: Any, right: Any) -> Any:
        """Merge neighbours."""
        return self.measures.merge(left, right)

    def finish(self, state: Any) -> list[dict[str, Any]]:
        """Return the rows."""
        return self.measures.finish(state)


def compare_models(a: Any, b: Any, source: Source, executor: Executor) -> list[dict[str, Any]]:
    """Return a row a metric with the difference of two models on the rows of a source; see `PairedMetrics.finish`.

    Raises
    ------
    ModelError
        When the models do other things, or know other classes.
    """
    if a.task != b.task or a.classes != b.classes:
        raise ModelError(
            f"the models answer other questions ({a.task} of {a.classes} against {b.task} of {b.classes}); "
            "compare models of one target"
        )
    reduction = PairReduction((a, b), PairedMetrics(a.task), str(source.target), source.weight)
    names = dict.fromkeys([*a.needed, *b.needed, *source.roles.learned_from])
    reader = BlockReader(source, columns=tuple(names))
    return run_reduction(executor, reduction, reader, label="compare", leaves=FEW_LEAVES)
