"""Ours with each optimisation switched on one after another, so that its share is visible.

``step-walk``: each row follows each tree on its float64 values. ``step-ranks``: the same on ranks, so that a
comparison is of small integers. ``step-blocks``: trees outermost over a block of rows, so that a tree stays in cache.
``step-select``: per tree, all nodes decided for all rows of the block by byte comparison and blending, no branches.
``scalable``: bit planes instead of bytes. ``scalable-2``: the same on two threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.rank import MAX_THRESHOLDS
from scalable.kernels.forest.steps import RankedTrees
from scalable.latency.engines.base import Absent, Engine, ForestModel


class _Step:
    def __init__(self, model: ForestModel, how: str) -> None:
        from scalable.inference.forest.compiled import CompiledForest
        from scalable.inference.forest.formats.lightgbm_trees import forest_of_text

        self._forest = CompiledForest(forest_of_text(model.lightgbm_text))
        self._how = how
        self.n_threads = 1
        if how == "walk":
            return
        plan, decisions = self._forest.programs.plan, self._forest.programs.decisions
        if plan is None or decisions.categorical.any() or model.n_outputs > 1:
            raise Absent("this step is shown for numeric forests with one output only")
        self._program = plan.program()
        column, limit = decisions.columns_of_nodes()
        if how == "select" and limit.max(initial=0) > 254:
            raise Absent("this step is shown for at most 255 thresholds a feature")
        assert limit.max(initial=0) < MAX_THRESHOLDS
        trees = self._forest.forest.trees
        values, order = trees.leaf_value[:, 0].copy(), np.lexsort((-trees.depth, trees.tree_of_nodes()))
        self._nodes = RankedTrees(
            trees.node_start, trees.leaf_start, column.astype(np.int64), limit.astype(np.uint16), trees.left,
            trees.right, values, order,
        )  # fmt: skip

    def predict(self, X: np.ndarray) -> np.ndarray:
        from scalable.inference.forest.places import Columns
        from scalable.kernels.forest import steps as kernels

        out = np.zeros((len(X), self._forest.n_outputs))
        columns = Columns.of_matrix(X)
        if self._how == "walk":
            self._forest.programs.walk(columns, 0, out)
        else:
            run: Any = {
                "ranks": kernels.walk_ranks,
                "blocks": kernels.walk_blocks,
                "select": kernels.select_blocks,
            }[self._how]
            run(columns.places, len(X), self._program, self._nodes, out)
        self._forest.finish(out)
        return out[:, 0] if self._forest.n_outputs == 1 else out

    def predict_one(self, x: np.ndarray) -> Any:
        return self.predict(x.reshape(1, -1))[0]


def build_step(how: str) -> Any:
    """Return the ``build`` function of one step."""

    def build(model: ForestModel, n_threads: int) -> Engine:
        del n_threads
        return _Step(model, how)

    return build
