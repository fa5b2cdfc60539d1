"""The compiled forest: one predictor in front of the block, single-row and walking kernels."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from scalable.errors import UsageError
from scalable.inference.forest.block_program import Plan, aligned, checks_of, leaf_numbers, make_plan, scratch
from scalable.inference.forest.decisions import Decisions, collect
from scalable.inference.forest.file import Compiled, read_compiled, write_compiled
from scalable.inference.forest.inputs import as_columns
from scalable.inference.forest.places import Columns
from scalable.inference.forest.row_call import row_function, rows_function
from scalable.inference.forest.row_layout import FrozenForest, freeze
from scalable.inference.forest.threads import share_rows
from scalable.inference.forest.trees import Forest, Trees, select, walk_nodes
from scalable.kernels.forest.bitplanes import ROWS
from scalable.kernels.forest.block import score_rows
from scalable.kernels.forest.leaves import leaf_rows, linear_rows, stop_rows
from scalable.kernels.forest.tables import Program, Scratch, WalkLeaves, WalkTrees
from scalable.kernels.forest.walk import WALKED, walk_rows

_MAX_FEW = ROWS  # rows that are ever predicted one by one
_SLICES = 8  # compiled iteration ranges kept


class CompiledForest:
    """A forest compiled for speed; every result has the bits of the library that grew it.

    Made by ``compile_model``. Safe to share between threads, to copy and to pickle.

    Parameters
    ----------
    forest : Forest

    Attributes
    ----------
    n_features, n_outputs, n_iterations : int
    feature_names : list of str
    objective : str or None
    """

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self.trees: Trees = forest.trees
        self.link = forest.link
        self.feature_names = forest.feature_names
        self.objective = forest.objective
        self.n_features = forest.trees.n_features
        self.n_outputs = forest.trees.n_outputs
        self.n_iterations = forest.trees.n_iterations
        self.compilable = forest.trees.compilable
        self._free: deque[Scratch] = deque()
        self._slices: dict[tuple[int, int], CompiledForest] = {}
        self._stops: dict[int, tuple[Program, np.ndarray]] = {}
        self._lock = threading.Lock()  # of slices and stops

    @classmethod
    def of_compiled(cls, compiled: Compiled) -> CompiledForest:
        """Return the predictor of a forest and its programs, compiled before."""
        made = cls(compiled.forest)
        if compiled.plan is not None:
            made.__dict__.update(
                plan=compiled.plan, decisions=compiled.plan.decisions, frozen=compiled.frozen
            )
        return made

    def compiled(self) -> Compiled:
        """Return the forest and its programs."""
        return Compiled(self.forest, self.plan, self.frozen)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy without addresses or scratch; programs made already go along."""
        plan, frozen = self.__dict__.get("plan"), self.__dict__.get("frozen")
        memory = None if frozen is None else frozen.memory
        return _restored, (self.forest, plan, memory) if "frozen" in self.__dict__ else (
            self.forest,
            None,
            None,
        )

    @cached_property
    def decisions(self) -> Decisions:
        """The distinct decisions of all nodes."""
        return collect(self.trees)

    @cached_property
    def plan(self) -> Plan | None:
        """The block kernel's program; None for what only the walking kernel can do."""
        return make_plan(self.trees, self.decisions) if self.compilable else None

    @cached_property
    def program(self) -> Program:
        """The block kernel's argument."""
        assert self.plan is not None
        return self.plan.program()

    @cached_property
    def frozen(self) -> FrozenForest | None:
        """The single-row kernel's model; None for what only the walking kernel can do."""
        divisor = float(self.n_iterations) if self.forest.average else 0.0
        if not self.compilable or self.trees.linear is not None:
            return None
        return freeze(self.trees, self.decisions, self.link, divisor)

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
        columns = as_columns(X, self.n_features, self.forest.categories)
        part = self.iterations(num_iteration, start_iteration)
        if pred_leaf:
            return part._leaves(columns, n_threads)
        early = (pred_early_stop_freq, float(pred_early_stop_margin))
        stop = early if pred_early_stop and self.forest.may_stop else (0, 0.0)
        out = part._run(columns, n_threads, raw_score, stop)
        return out[:, 0] if self.n_outputs == 1 else out

    @cached_property
    def predict_one(self) -> Callable[..., Any]:
        """``predict_one(x, raw_score=False)``: one row to a float, or to float64 (n_outputs,) with several outputs.

        A contiguous float64 array of `n_features` values takes the short way; anything else that `predict` takes as
        one row is converted first. A function of its own, as finding a method costs as much as a few trees.
        """
        return self.iterations()._raw_row

    @cached_property
    def _raw_row(self) -> Callable[..., Any]:
        frozen = self.frozen
        if frozen is None:

            def walk(x: Any, raw_score: bool = False) -> Any:
                out = self.predict(self.as_row(x).reshape(1, -1), raw_score, num_iteration=-1)
                return float(out[0]) if self.n_outputs == 1 else out[0]

            return walk
        if self.n_outputs == 1:
            return row_function(frozen, self.as_row)
        return rows_function(frozen, self.as_row, self.n_outputs, self.finish)

    def as_row(self, x: Any) -> np.ndarray:
        """Return one row in any form as the contiguous float64 array that the short way takes."""
        return np.array(as_columns(x, self.n_features, self.forest.categories).matrix()[0], np.float64)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the compiled form to one file, for ``load_compiled``."""
        write_compiled(self.compiled(), path)

    def iterations(self, num_iteration: int | None = None, start_iteration: int = 0) -> CompiledForest:
        """Return the forest of a range of iterations, itself when that is all of them."""
        if num_iteration is None:
            num_iteration = self.forest.best_iteration if start_iteration <= 0 else -1
        start = min(max(start_iteration, 0), self.n_iterations)
        stop = self.n_iterations if num_iteration <= 0 else min(start + num_iteration, self.n_iterations)
        if (start, stop) == (0, self.n_iterations):
            return self
        with self._lock:
            part = self._slices.pop((start, stop), None)
            if part is None:
                trees = select(self.trees, start, stop)
                part = CompiledForest(replace(self.forest, trees=trees, best_iteration=0))
            self._slices[start, stop] = part  # last again
            while len(self._slices) > _SLICES:
                del self._slices[next(iter(self._slices))]
        return part

    def finish(self, scores: np.ndarray) -> None:
        """Turn raw scores (n_rows, n_outputs) into predictions in place."""
        if self.forest.average and self.n_iterations:
            scores /= self.n_iterations
        self.link.apply(scores)

    def _run(
        self, columns: Columns, n_threads: int, raw: bool = True, stop: tuple[int, float] = (0, 0.0)
    ) -> np.ndarray:
        """Return predictions or raw scores (n_rows, n_outputs)."""
        few = columns.n_rows <= _MAX_FEW and columns.n_rows < self.few_rows
        out = np.zeros((columns.n_rows, self.n_outputs))

        def share(start: int, end: int) -> None:
            part = out[start:end]
            if not self.compilable or (few and (stop[0] > 0 or self.frozen is None)):
                self.walk(columns, start, part, stop=stop)
            elif few:
                part[:] = self._one_by_one(columns)
            elif stop[0] > 0 and self.trees.linear is None:
                self._score_until(columns, start, part, stop)
            elif stop[0] > 0:
                self.walk(columns, start, part, stop=stop)
            else:
                self.score(columns, start, part)
            if not raw:
                self.finish(part)

        share_rows(columns.n_rows, n_threads, share)
        return out

    def _leaves(self, columns: Columns, n_threads: int) -> np.ndarray:
        """Return the leaf of each row in each tree, int32 (n_rows, n_trees)."""
        out = np.zeros((columns.n_rows, self.trees.n_trees), np.int32)
        walk = not self.compilable or columns.n_rows < min(_MAX_FEW, self.few_rows)

        def share(start: int, end: int) -> None:
            if walk:
                self.walk(columns, start, np.zeros((end - start, self.n_outputs)), out[start:end])
            else:
                with self._scratch() as mine:
                    leaf_rows(columns.places, start, self.program, mine, *self._leaf_numbers, out[start:end])

        share_rows(columns.n_rows, n_threads, share)
        return out

    @cached_property
    def few_rows(self) -> int:
        """Batches below this many rows are faster row by row than as a block; measured once, here and now."""
        if not self.compilable:
            return 0
        rows, out = Columns.of_matrix(np.zeros((ROWS, self.n_features))), np.zeros((ROWS, self.n_outputs))
        few = Columns.of_matrix(rows.matrix()[:8])
        by_row = self._one_by_one if self.frozen is not None else lambda some: self.walk(some, 0, out[:8])
        block = min(_seconds(lambda: self.score(rows, 0, out)) for _ in range(3))
        row = min(_seconds(lambda: by_row(few)) for _ in range(5)) / 8
        return min(_MAX_FEW, int(block / row))

    def _one_by_one(self, columns: Columns) -> np.ndarray:
        rows = np.ascontiguousarray(columns.matrix(), np.float64)
        if not rows.flags.writeable:
            rows = rows.copy()
        return np.array([self._raw_row(x, True) for x in rows]).reshape(len(rows), self.n_outputs)

    @contextmanager
    def _scratch(self) -> Iterator[Scratch]:
        """Lend the block kernel's working memory."""
        try:
            mine = self._free.pop()
        except IndexError:
            assert self.plan is not None
            mine = scratch(self.plan)
        yield mine
        self._free.append(mine)  # not after an error: the kernel may have left it as it should not be

    def score(self, columns: Columns, first_row: int, out: np.ndarray) -> None:
        """Write the raw scores of ``len(out)`` rows from `first_row` on, by the block kernel."""
        with self._scratch() as mine:
            if self.trees.linear is None:
                score_rows(columns.places, first_row, self.program, mine, out)
            else:
                leaves, starts = self._walked[1], self.trees.leaf_start
                linear_rows(
                    columns.places, first_row, self.program, mine, *self._leaf_numbers, starts, leaves, out
                )

    def _score_until(
        self, columns: Columns, first_row: int, out: np.ndarray, stop: tuple[int, float]
    ) -> None:
        """Write raw scores with LightGBM's prediction early stopping: every how many iterations, at which margin."""
        program, checks = self._stopping(stop[0])
        with self._scratch() as mine:
            stop_rows(columns.places, first_row, program, mine, checks, stop[1], out)

    def _stopping(self, every: int) -> tuple[Program, np.ndarray]:
        """Return a program that can stop after each multiple of `every` iterations, and where."""
        with self._lock:
            found = self._stops.get(every)
        if found is None:
            n_trees = every * self.trees.per_iteration
            plan = make_plan(self.trees, self.decisions, n_trees)
            found = plan.program(), checks_of(plan, n_trees)
            with self._lock:
                self._stops = {every: found}  # the last one asked for
        return found

    def walk(
        self, columns: Columns, first_row: int, out: np.ndarray, leaf_out: np.ndarray | None = None,
        stop: tuple[int, float] = (0, 0.0),
    ) -> None:  # fmt: skip
        """Write raw scores by following every tree; leaf indices too where wanted.

        `stop` is LightGBM's prediction early stopping: every how many iterations, at which margin.
        """
        leaves = np.zeros((len(out), 0), np.int32) if leaf_out is None else leaf_out
        x = np.empty((WALKED, self.n_features))
        walk_rows(columns.places, first_row, *self._walked, *stop, x, out, leaves)

    @cached_property
    def _leaf_numbers(self) -> tuple[np.ndarray, np.ndarray]:
        return leaf_numbers(self.trees)

    @cached_property
    def _walked(self) -> tuple[WalkTrees, WalkLeaves]:
        t, linear = self.trees, self.trees.linear
        nodes = WalkTrees(t.node_start, t.leaf_start, walk_nodes(t), t.cat_start, t.cat_stop, t.cat_words)
        value, narrow = np.ascontiguousarray(t.leaf_value), t.arithmetic.float32_sum
        if linear is None:
            none = (
                np.zeros(len(value), bool),
                np.zeros(1, np.int64),
                np.empty(0, np.int32),
                np.empty(0),
                np.empty(0),
            )
            return nodes, WalkLeaves(value, *none, t.sum_start, narrow)
        terms = linear.is_linear, linear.start, linear.feature, linear.coef, linear.constant
        return nodes, WalkLeaves(value, *terms, t.sum_start, narrow)


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _restored(forest: Forest, plan: Plan | None, memory: np.ndarray | None) -> CompiledForest:
    """Return a copy that shares no memory with the original."""
    if plan is None:
        return CompiledForest(forest)
    frozen = None
    if memory is not None:
        frozen = FrozenForest(aligned(len(memory)))
        frozen.memory[:] = memory
    return CompiledForest.of_compiled(Compiled(forest, plan, frozen))


def load_compiled(path: str | os.PathLike[str]) -> CompiledForest:
    """Read what ``CompiledForest.save`` wrote; the file may be replaced afterwards.

    Raises
    ------
    ModelError
        Not such a file, of another version, truncated or altered.
    """
    return CompiledForest.of_compiled(read_compiled(path))
