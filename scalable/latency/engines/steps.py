"""Ours with each optimisation switched on one after another, so that its share is visible.

``step-walk``: each row follows each tree on its float64 values. ``step-ranks``: the same on ranks, so that a
comparison is of small integers. ``step-blocks``: trees outermost over a block of rows, so that a tree stays in cache.
``step-select``: per tree, all nodes decided for all rows of the block by byte comparison and blending, no branches.
``scalable``: bit planes instead of bytes. ``scalable-2``: the same on two threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.forest.rank import MAX_THRESHOLDS, RANK_CATEGORY
from scalable.latency.engines.base import Absent, Engine, ForestModel


class _Step:
    def __init__(self, model: ForestModel, how: str) -> None:
        from scalable.inference.forest.compiled import CompiledForest
        from scalable.inference.forest.formats.lightgbm_text import parse_text

        self._forest = CompiledForest.from_text(parse_text(model.text))
        self._how = how
        self.n_threads = 1
        if how == "walk":
            return
        plan = self._forest.plan
        if plan is None or (plan.decisions.columns[:, 1] == RANK_CATEGORY).any() or model.n_outputs > 1:
            raise Absent("this step is shown for numeric forests with one output only")
        self._decisions = plan.decisions
        by_plane = np.argsort(plan.decisions.columns[:, 5], kind="stable")
        first = plan.decisions.columns[by_plane, 5]
        column = np.searchsorted(first, plan.decisions.plane, "right") - 1
        limit = plan.decisions.plane - first[column]
        if how == "select" and limit.max(initial=0) > 254:
            raise Absent("this step is shown for at most 255 thresholds a feature")
        assert limit.max(initial=0) < MAX_THRESHOLDS
        trees = self._forest.trees
        order = np.lexsort((-trees.level, np.repeat(np.arange(trees.n_trees), np.diff(trees.node_start))))
        self._nodes = (trees.node_start, trees.leaf_start, by_plane[column].astype(np.int64), limit.astype(np.uint16),
                       trees.left, trees.right, trees.leaf_value, order)  # fmt: skip
        self._divisor = float(trees.n_iterations) if self._forest.average else 0.0

    def predict(self, X: np.ndarray) -> np.ndarray:
        from scalable.inference.forest.places import Columns
        from scalable.kernels.forest import steps as kernels

        out = np.zeros((len(X), self._forest.n_outputs))
        columns = Columns.of_matrix(X)
        if self._how == "walk":
            self._forest.walk(columns, 0, out)
        else:
            d = self._decisions
            run: Any = {
                "ranks": kernels.walk_ranks,
                "blocks": kernels.walk_blocks,
                "select": kernels.select_blocks,
            }[self._how]
            run(columns.places, len(X), d.columns, d.thresholds, self._nodes, out)
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
