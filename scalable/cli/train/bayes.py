"""The best achievable scores on the very rows a model is evaluated on, where they are known."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scalable.data.block import RawBlock
from scalable.data.source import Source
from scalable.data.values import numbers
from scalable.evaluate.binary import BinaryMetrics, BinaryReport
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import FEW_LEAVES, run_reduction
from scalable.storage.places import place


@dataclass(frozen=True)
class BayesReduction:
    """Scores the true probability of every row of a generated dataset against its label."""

    dataset: str
    seed: int
    knobs: dict[str, Any]
    target: str
    measures: BinaryMetrics = field(default_factory=BinaryMetrics)

    def init(self) -> Any:
        """Return the metrics of no rows."""
        return self.measures.init()

    def step(self, state: Any, block: RawBlock) -> Any:
        """Add a block."""
        import data_gen

        stop = block.first_row + block.n_rows
        p = data_gen.truth(self.dataset, block.first_row, stop, seed=self.seed, **self.knobs)
        return self.measures.step(state, numbers(block.arrays[self.target]).astype(np.float64), p)

    def merge(self, left: Any, right: Any) -> Any:
        """Merge neighbours."""
        return self.measures.merge(left, right)

    def finish(self, state: Any) -> BinaryReport:
        """Return the report."""
        return self.measures.finish(state)


def expected_scores(manifest: Any) -> dict[str, float]:
    """Return the best achievable scores that a manifest carries, by metric."""
    truth = manifest.truth.items()
    return {
        name: value["expected"] for name, value in truth if isinstance(value, dict) and "expected" in value
    }


def bayes_report(source: Source, data: str | os.PathLike[str], executor: Executor) -> BinaryReport | None:
    """Return the scores of the true probabilities on the rows of `source`.

    None unless `data` is a whole directory made by ``data_gen`` with a two-class target, because
    only then the position of a row in the files is its address in the generator.
    """
    import data_gen

    directory = place(data)
    if not (directory / "manifest.json").is_file():
        return None
    manifest = data_gen.read_manifest(directory)
    if (
        source.exact_rows is None
        or manifest.target != source.target
        or "auc" not in manifest.truth
        or manifest.share
    ):
        return None
    request = manifest.request
    reduction = BayesReduction(
        request.dataset, request.seed, dict(request.knobs), source.roles.require_target()
    )
    reader = BlockReader(source, columns=(source.roles.require_target(),))
    return run_reduction(executor, reduction, reader, label="Bayes-optimal", leaves=FEW_LEAVES)
