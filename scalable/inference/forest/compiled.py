"""The compiled forest: one predictor in front of the block, single-row and walking kernels."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from scalable.errors import UsageError
from scalable.inference.forest import trees as trees_module
from scalable.inference.forest.block_program import MAX_PLAN_LEAVES, Plan, Scratch, make_plan, scratch
from scalable.inference.forest.decisions import Decisions, collect
from scalable.inference.forest.formats.lightgbm_text import TextModel
from scalable.inference.forest.inputs import as_columns
from scalable.inference.forest.links import Link, link_of
from scalable.inference.forest.places import Columns
from scalable.inference.forest.row_call import row_function
from scalable.inference.forest.row_layout import FrozenForest, freeze
from scalable.inference.forest.threads import share_rows
from scalable.inference.forest.trees import Trees
from scalable.kernels.forest.bitplanes import ROWS
from scalable.kernels.forest.block import score_rows
from scalable.kernels.forest.links import IDENTITY, link_rows
from scalable.kernels.forest.walk import walk_rows

# Objectives whose predictions LightGBM lets stop early: those that need an order, not a value.
_MAY_STOP = {"binary", "multiclass", "multiclassova", "lambdarank", "rank_xendcg"}
_MAX_FEW = ROWS  # rows that are ever predicted one by one
_SLICES = 8  # compiled iteration ranges kept


class CompiledForest:
    """A LightGBM model compiled for speed; every result has the bits of ``Booster.predict``.

    Made by ``compile_model``. Safe to share between threads.

    Attributes
    ----------
    n_features, n_outputs, n_iterations : int
    feature_names : list of str
    objective : str or None
    """

    def __init__(
        self, trees: Trees, link: Link, feature_names: list[str], *, objective: str | None = None,
        average: bool = False, best_iteration: int = 0, pandas_categorical: list[list[object]] | None = None,
    ) -> None:  # fmt: skip
        self.trees = trees
        self.link = link
        self.feature_names = feature_names
        self.objective = objective
        self.average = average
        self.best_iteration = best_iteration
        self.pandas_categorical = pandas_categorical or []
        self.n_features = trees.n_features
        self.n_outputs = trees.per_iteration
        self.n_iterations = trees.n_iterations
        self._free: deque[Scratch] = deque()
        self._slices: dict[tuple[int, int], CompiledForest] = {}
        self._walk_arrays: tuple[tuple[Any, ...], tuple[Any, ...]] | None = None

    @classmethod
    def from_text(cls, model: TextModel, best_iteration: int = 0) -> CompiledForest:
        """Compile a parsed model."""
        return cls(
            trees_module.flatten(model), link_of(model.objective), model.feature_names, objective=model.objective,
            average=model.average_output, best_iteration=best_iteration,
            pandas_categorical=model.pandas_categorical,
        )  # fmt: skip

    @cached_property
    def compilable(self) -> bool:
        """Whether the fast kernels can run it; linear trees and giant trees are walked."""
        return (
            self.trees.linear_start is None
            and np.diff(self.trees.leaf_start).max(initial=0) <= MAX_PLAN_LEAVES
        )

    @cached_property
    def decisions(self) -> Decisions:
        """The distinct decisions of all nodes."""
        return collect(self.trees)

    @cached_property
    def plan(self) -> Plan | None:
        """The block kernel's program; None for what only the walking kernel can do."""
        return make_plan(self.trees, self.decisions) if self.compilable else None

    def predict(
        self, X: Any, raw_score: bool = False, n_threads: int = 1, pred_leaf: bool = False,
        num_iteration: int | None = None, start_iteration: int = 0, pred_early_stop: bool = False,
        pred_early_stop_freq: int = 10, pred_early_stop_margin: float = 10.0,
    ) -> np.ndarray:  # fmt: skip
        """Predict rows, bit for bit as ``Booster.predict`` with the same arguments.

        Parameters
        ----------
        X : array, pandas or polars frame, Arrow table, shape (n_rows, n_features)
        raw_score : bool
            Skip the link.
        n_threads : int
            Threads that share the rows; results do not depend on it.
        pred_leaf : bool
            Return leaf indices, int32 (n_rows, n_trees).
        num_iteration, start_iteration : int
            Range of boosting iterations; by default up to the best iteration.
        pred_early_stop, pred_early_stop_freq, pred_early_stop_margin
            LightGBM's prediction early stopping, for classifiers and rankers.

        Returns
        -------
        float64 (n_rows,), or (n_rows, n_outputs) with several outputs

        Raises
        ------
        DataError
            Wrong number of features or non-numeric columns.
        """
        if n_threads < 1:
            raise UsageError(f"n_threads should be at least 1, found {n_threads}")
        columns = as_columns(X, self.n_features, self.pandas_categorical)
        part = self.iterations(num_iteration, start_iteration)
        if pred_leaf:
            return part._run(columns, n_threads, leaves=True)
        early = (pred_early_stop_freq, float(pred_early_stop_margin))
        stop = early if pred_early_stop and self.link.name in _MAY_STOP else (0, 0.0)
        out = part._run(columns, n_threads, raw_score, stop)
        return out[:, 0] if self.n_outputs == 1 else out

    @cached_property
    def predict_one(self) -> Callable[..., Any]:
        """``predict_one(x, raw_score=False)``: one row to a float, or to float64 (n_outputs,) with several outputs.

        A contiguous float64 array of `n_features` values takes the short way; anything else that `predict` takes as
        one row is converted first. A function of its own, as finding a method costs as much as a few trees.
        """
        return row_function(self.iterations(), self.as_row)

    def as_row(self, x: Any) -> np.ndarray:
        """Return one row in any form as the contiguous float64 array that the short way takes."""
        return np.array(as_columns(x, self.n_features, self.pandas_categorical).matrix()[0], np.float64)

    @cached_property
    def frozen(self) -> FrozenForest | None:
        """The single-row kernel's model; None for what only the walking kernel can do."""
        divisor = float(self.n_iterations) if self.average else 0.0
        return freeze(self.trees, self.decisions, self.link, divisor) if self.compilable else None

    def adopt(self, plan: Plan, frozen: FrozenForest | None) -> None:
        """Take over what an earlier compilation made (see ``compiled_file``)."""
        self.__dict__.update(plan=plan, decisions=plan.decisions, frozen=frozen)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the compiled form to one file, for ``load_compiled``."""
        from scalable.inference.forest.file import save_compiled

        save_compiled(self, path)

    def iterations(self, num_iteration: int | None = None, start_iteration: int = 0) -> CompiledForest:
        """Return the forest of a range of iterations, itself when that is all of them."""
        if num_iteration is None:
            num_iteration = self.best_iteration if start_iteration <= 0 else -1
        start = min(max(start_iteration, 0), self.n_iterations)
        stop = self.n_iterations if num_iteration <= 0 else min(start + num_iteration, self.n_iterations)
        if (start, stop) == (0, self.n_iterations):
            return self
        part = self._slices.get((start, stop))
        if part is None:
            part = CompiledForest(
                trees_module.select(self.trees, start, stop), self.link, self.feature_names,
                objective=self.objective, average=self.average,
            )  # fmt: skip
            while len(self._slices) >= _SLICES:
                self._slices.pop(next(iter(self._slices)))
            self._slices[start, stop] = part
        return part

    def finish(self, scores: np.ndarray) -> None:
        """Turn raw scores (n_rows, n_outputs) into predictions in place."""
        if self.average and self.n_iterations:
            scores /= self.n_iterations
        if self.link.kind != IDENTITY:
            link_rows(scores, self.link.kind, self.link.scale)

    def _run(
        self, columns: Columns, n_threads: int, raw: bool = True, stop: tuple[int, float] = (0, 0.0),
        leaves: bool = False,
    ) -> np.ndarray:  # fmt: skip
        """Return predictions or raw scores (n_rows, n_outputs), or leaf indices."""
        n_rows = columns.n_rows
        walk = leaves or stop[0] > 0 or not self.compilable
        out = np.zeros((n_rows, self.n_outputs))
        leaf_out = np.zeros((n_rows, self.trees.n_trees if leaves else 0), np.int32)

        def share(start: int, end: int) -> None:
            if walk:
                self.walk(columns, start, out[start:end], leaf_out[start:end], stop)
            else:
                self.score(columns, start, out[start:end])
            if not raw and not leaves:
                self.finish(out[start:end])

        if not walk and n_rows <= _MAX_FEW and n_rows < self.few_rows:
            out[:] = self._one_by_one(columns)
            if not raw:
                self.finish(out)
        else:
            share_rows(n_rows, n_threads, share)
        return leaf_out if leaves else out

    @cached_property
    def few_rows(self) -> int:
        """Batches below this many rows are faster row by row than as a block; measured once, here and now."""
        if self.frozen is None:
            return 0
        rows, out = Columns.of_matrix(np.zeros((ROWS, self.n_features))), np.zeros((ROWS, self.n_outputs))
        few = Columns.of_matrix(rows.matrix()[:8])
        block = min(_seconds(lambda: self.score(rows, 0, out)) for _ in range(3))
        row = min(_seconds(lambda: self._one_by_one(few)) for _ in range(5)) / 8
        return min(_MAX_FEW, int(block / row))

    def _one_by_one(self, columns: Columns) -> np.ndarray:
        rows = np.ascontiguousarray(columns.matrix(), np.float64)
        if not rows.flags.writeable:
            rows = rows.copy()
        return np.array([self._raw_row(x, True) for x in rows]).reshape(len(rows), self.n_outputs)

    @cached_property
    def _raw_row(self) -> Callable[..., Any]:
        return row_function(self, self.as_row)

    def score(self, columns: Columns, first_row: int, out: np.ndarray) -> None:
        """Write the raw scores of ``len(out)`` rows from `first_row` on, by the block kernel."""
        plan = self.plan
        assert plan is not None
        try:
            mine = self._free.pop()
        except IndexError:
            mine = scratch(plan)
        d = plan.decisions
        score_rows(
            columns.places, first_row, d.columns, d.thresholds, d.to_class, d.signatures, d.masks,
            plan.groups, plan.slots, plan.plane_of, plan.starts, plan.table, *mine.arrays(), out,
        )  # fmt: skip
        self._free.append(mine)

    def walk(
        self, columns: Columns, first_row: int, out: np.ndarray, leaf_out: np.ndarray | None = None,
        stop: tuple[int, float] = (0, 0.0),
    ) -> None:  # fmt: skip
        """Write raw scores by following every tree; leaf indices too where wanted.

        `stop` is LightGBM's prediction early stopping: every how many iterations, at which margin.
        """
        if self._walk_arrays is None:
            self._walk_arrays = _walk_arrays(self.trees)
        leaves = np.zeros((len(out), 0), np.int32) if leaf_out is None else leaf_out
        walk_rows(
            columns.places, first_row, *self._walk_arrays, *stop, np.empty(self.n_features), out, leaves
        )


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _walk_arrays(trees: Trees) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    t, n_leaves = trees, len(trees.leaf_value)
    nodes = (t.node_start, t.leaf_start, t.feature, t.threshold, t.decision, t.left, t.right, t.cat_start,
             t.cat_stop, t.cat_words)  # fmt: skip
    if t.linear_start is None:
        none = np.zeros(n_leaves + 1, np.int64)
        return nodes, (
            t.leaf_value,
            np.zeros(n_leaves, bool),
            none,
            np.empty(0, np.int32),
            np.empty(0),
            np.empty(0),
        )
    return nodes, (
        t.leaf_value,
        t.leaf_linear,
        t.linear_start,
        t.linear_feature,
        t.linear_coeff,
        t.leaf_const,
    )
