"""The compiled forest: one predictor in front of the block, single-row and walking kernels."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
from numba import types

from scalable.errors import UsageError
from scalable.inference import trees as trees_module
from scalable.inference.decisions import Decisions, collect
from scalable.inference.inputs import as_matrix
from scalable.inference.lightgbm_text import TextModel
from scalable.inference.links import Link, link_of
from scalable.inference.plan import MAX_PLAN_LEAVES, Plan, Scratch, make_plan, scratch
from scalable.inference.prepared import prepared
from scalable.inference.single_row import FrozenForest, freeze
from scalable.inference.trees import Trees
from scalable.kernels.forest_block import score_rows
from scalable.kernels.forest_links import IDENTITY, link_rows
from scalable.kernels.forest_row import row_score, row_scores
from scalable.kernels.forest_walk import walk_rows
from scalable.kernels.lanes import ROWS

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
        matrix = as_matrix(X, self.n_features, self.pandas_categorical)
        part = self.iterations(num_iteration, start_iteration)
        if pred_leaf:
            return part._run(matrix, n_threads, leaves=True)
        stop = pred_early_stop and self.link.name in _MAY_STOP
        out = part._run(
            matrix, n_threads, stop=(pred_early_stop_freq, pred_early_stop_margin) if stop else None
        )
        if not raw_score:
            part.finish(out)
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
        return np.array(as_matrix(x, self.n_features, self.pandas_categorical)[0], np.float64)

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
        from scalable.inference.compiled_file import save_compiled

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
        self, matrix: np.ndarray, n_threads: int, leaves: bool = False, stop: tuple[int, float] | None = None
    ) -> np.ndarray:
        """Return raw scores (n_rows, n_outputs), or leaf indices."""
        walk = leaves or stop is not None or not self.compilable
        if not walk and len(matrix) <= _MAX_FEW and len(matrix) < self.few_rows:
            return self._one_by_one(matrix)
        width = self.trees.n_trees if leaves else 0
        out = np.zeros((len(matrix), self.n_outputs))
        leaf_out = np.zeros((len(matrix), width), np.int32)

        def share(rows: slice) -> None:
            if walk:
                self.walk(matrix[rows], out[rows], leaf_out[rows], stop or (0, 0.0))
            else:
                self.score(matrix[rows], out[rows])

        blocks = (len(matrix) + ROWS - 1) // ROWS
        per_thread = (blocks + n_threads - 1) // n_threads * ROWS
        if n_threads == 1 or blocks <= 1:
            share(slice(0, len(matrix)))
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(share, [slice(s, s + per_thread) for s in range(0, len(matrix), per_thread)]))
        return leaf_out if leaves else out

    @cached_property
    def few_rows(self) -> int:
        """Batches below this many rows are faster row by row than as a block; measured once, here and now."""
        if self.frozen is None:
            return 0
        x, out = np.zeros((ROWS, self.n_features)), np.zeros((ROWS, self.n_outputs))
        block = min(_seconds(lambda: self.score(x, out)) for _ in range(3))
        row = min(_seconds(lambda: self._one_by_one(x[:8])) for _ in range(5)) / 8
        return min(_MAX_FEW, int(block / row))

    def _one_by_one(self, matrix: np.ndarray) -> np.ndarray:
        rows = np.ascontiguousarray(matrix, np.float64)
        if not rows.flags.writeable:
            rows = rows.copy()
        return np.array([self._raw_row(x, True) for x in rows]).reshape(len(rows), self.n_outputs)

    @cached_property
    def _raw_row(self) -> Callable[..., Any]:
        return row_function(self, self.as_row)

    def score(self, matrix: np.ndarray, out: np.ndarray) -> None:
        """Write raw scores (n_rows, n_outputs) by the block kernel."""
        plan = self.plan
        assert plan is not None
        try:
            mine = self._free.pop()
        except IndexError:
            mine = scratch(plan)
        d = plan.decisions
        score_rows(
            *address_of(matrix), len(matrix), d.columns, d.thresholds, d.to_class, d.signatures,
            plan.groups, plan.slots, plan.plane_of, plan.starts, plan.table, *mine.arrays(), out,
        )  # fmt: skip
        self._free.append(mine)

    def walk(
        self,
        matrix: np.ndarray,
        out: np.ndarray,
        leaf_out: np.ndarray | None = None,
        stop: tuple[int, float] = (0, 0.0),
    ) -> None:
        """Write raw scores (n_rows, n_outputs) by following every tree; leaf indices too where wanted.

        `stop` is LightGBM's prediction early stopping: every how many iterations, at which margin.
        """
        if self._walk_arrays is None:
            self._walk_arrays = _walk_arrays(self.trees)
        walk_rows(
            *address_of(matrix),
            *self._walk_arrays,
            stop[0],
            float(stop[1]),
            np.empty(self.n_features),
            out,
            np.zeros((len(matrix), 0), np.int32) if leaf_out is None else leaf_out,
        )


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def row_function(forest: CompiledForest, convert: Callable[[Any], np.ndarray]) -> Callable[..., Any]:
    """Return ``f(x, raw_score=False)``; rows in any other form than contiguous float64 pass `convert` first."""
    frozen, finish, n_outputs = forest.frozen, forest.finish, forest.n_outputs
    if frozen is None:

        def walk(x: Any, raw_score: bool = False) -> Any:
            out = forest.predict(convert(x).reshape(1, -1), raw_score, num_iteration=-1)
            return float(out[0]) if n_outputs == 1 else out[0]

        return walk
    address, alive = frozen.address, frozen
    if n_outputs == 1:
        kernel = prepared(row_score, types.float64(types.int64, types.float64[::1], types.boolean))

        def score(x: Any, raw_score: bool = False, alive: FrozenForest = alive) -> Any:
            try:
                return kernel(address, x, raw_score)
            except (TypeError, ValueError):  # refused: another type, or another number of features
                return kernel(address, convert(x), raw_score)

        return score
    kernels = prepared(row_scores, types.void(types.int64, types.float64[::1], types.float64[::1]))

    def scores(x: Any, raw_score: bool = False, alive: FrozenForest = alive) -> Any:
        out = np.empty(n_outputs)
        try:
            kernels(address, x, out)
        except (TypeError, ValueError):
            kernels(address, convert(x), out)
        if not raw_score:
            finish(out.reshape(1, -1))
        return out

    return scores


def address_of(matrix: np.ndarray) -> tuple[Any, Any, Any, bool]:
    """Return where a matrix lies: address, row and column stride in bytes (two's complement), float32 or not."""
    rows, columns = (np.array(matrix.strides, np.int64)).view(np.uint64)
    return np.uintp(matrix.ctypes.data), np.uintp(rows), np.uintp(columns), matrix.dtype == np.float32


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
