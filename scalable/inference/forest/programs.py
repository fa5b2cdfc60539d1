"""The programs that evaluate trees, each compiled when it is first needed: by block, by row, by walking."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from scalable.inference.explain import Explainer
from scalable.inference.forest.block_program import (
    Plan,
    aligned,
    checks_of,
    leaf_numbers,
    make_plan,
    scratch,
)
from scalable.inference.forest.decisions import Decisions, collect
from scalable.inference.forest.links import Link
from scalable.inference.forest.places import Columns
from scalable.inference.forest.row_call import row_function, rows_function
from scalable.inference.forest.row_layout import FrozenForest, freeze
from scalable.inference.forest.trees import Trees, walk_nodes
from scalable.kernels.forest.bitplanes import ROWS
from scalable.kernels.forest.block import score_rows
from scalable.kernels.forest.leaves import leaf_rows, linear_rows, stop_rows
from scalable.kernels.forest.tables import Program, Scratch, WalkLeaves, WalkTrees
from scalable.kernels.forest.tree_walk import WALKED, walk_rows

MAX_FEW = ROWS  # rows that are ever predicted one by one
_TIMED = 32  # of them, to know how long one takes


class Programs:
    """What runs the trees of one forest; safe to share between threads, to copy and to pickle.

    Parameters
    ----------
    trees : Trees
    link : Link
        Of single rows.
    divisor : float
        Number of iterations for averaged forests, else 0.

    Attributes
    ----------
    compilable : bool
        Whether the block kernels can run the trees; giant ones are walked.
    """

    def __init__(self, trees: Trees, link: Link, divisor: float) -> None:
        self.trees, self.link, self.divisor = trees, link, divisor
        self.compilable = trees.compilable
        self._free: deque[Scratch] = deque()
        self._stops: dict[int, tuple[Program, np.ndarray]] = {}
        self._lock = threading.Lock()  # of the stops

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy without addresses or scratch; programs made already go along."""
        plan, frozen = self.__dict__.get("plan"), self.__dict__.get("frozen")
        memory = None if frozen is None else frozen.memory
        return _restored, (self.trees, self.link, self.divisor, plan, memory)

    def adopt(self, plan: Plan | None, frozen: FrozenForest | None) -> None:
        """Take over what was compiled before."""
        if plan is not None:
            self.__dict__.update(plan=plan, decisions=plan.decisions)
        if frozen is not None:
            self.__dict__["frozen"] = frozen

    @cached_property
    def decisions(self) -> Decisions:
        """The distinct decisions of all nodes."""
        return collect(self.trees)

    @cached_property
    def plan(self) -> Plan | None:
        """The block kernel's program; None for what only the walking kernel can do."""
        return make_plan(self.trees, self.decisions) if self.compilable else None

    @cached_property
    def frozen(self) -> FrozenForest | None:
        """The single-row kernel's model; None for what only other kernels can do."""
        return freeze(self.trees, self.decisions, self.link, self.divisor) if self.compilable else None

    def is_few(self, n_rows: int) -> bool:
        """Return whether so many rows are faster one by one than as a block."""
        return n_rows <= MAX_FEW and n_rows < self.few_rows

    @cached_property
    def few_rows(self) -> int:
        """Batches below this many rows are faster row by row than as a block; measured once, here and now."""
        if not self.compilable:
            return 0
        rows = Columns.of_matrix(_spread(self.decisions, self.trees.n_features))
        out = np.zeros((ROWS, self.trees.n_outputs))
        few = Columns.of_matrix(rows.matrix()[:_TIMED])
        block = min(_seconds(lambda: self.score(rows, 0, out)) for _ in range(3))
        row = min(_seconds(lambda: self.score_few(few, out[:_TIMED])) for _ in range(3)) / _TIMED
        return min(MAX_FEW, int(block / row))

    def score(self, columns: Columns, first_row: int, out: np.ndarray) -> None:
        """Write the raw scores of ``len(out)`` rows from `first_row` on, by the block kernel."""
        with self._scratch() as mine:
            if self.trees.linear is None:
                score_rows(columns.places, first_row, self._program, mine, out)
            else:
                leaves, starts = self._walked[1], self.trees.leaf_start
                linear_rows(
                    columns.places, first_row, self._program, mine, *self._leaf_numbers, starts, leaves, out
                )

    def score_few(self, columns: Columns, out: np.ndarray) -> None:
        """Write the raw scores of all rows, one by one."""
        if self.frozen is None:
            self.walk(columns, 0, out)
            return
        rows = np.ascontiguousarray(columns.matrix(), np.float64)
        if not rows.flags.writeable:
            rows = rows.copy()
        for i, row in enumerate(rows):
            out[i] = self.raw_row(row, True)

    @cached_property
    def raw_row(self) -> Callable[..., Any]:
        """The single-row kernel as a function of a contiguous float64 row."""
        assert self.frozen is not None
        if self.trees.n_outputs == 1:
            return row_function(self.frozen, np.asarray)
        return rows_function(self.frozen, np.asarray, self.trees.n_outputs, self.link.apply)

    def score_until(self, columns: Columns, first_row: int, out: np.ndarray, stop: tuple[int, float]) -> None:
        """Write raw scores with LightGBM's prediction early stopping: every how many iterations, at which margin."""
        if self.trees.linear is not None or not self.compilable or self.is_few(columns.n_rows):
            self.walk(columns, first_row, out, stop=stop)
            return
        program, checks = self._stopping(stop[0])
        with self._scratch() as mine:
            stop_rows(columns.places, first_row, program, mine, checks, stop[1], out)

    def leaves(self, columns: Columns, first_row: int, out: np.ndarray) -> None:
        """Write the leaf of each row in each tree, int32 (n_rows, n_trees)."""
        if not self.compilable or self.is_few(columns.n_rows):
            nodes, leaves = self._walked
            if self.trees.linear is not None:  # what linear leaves come to is not asked for
                leaves = leaves._replace(is_linear=np.zeros_like(leaves.is_linear))
            self._walk(columns, first_row, (nodes, leaves), np.zeros((len(out), self.trees.n_outputs)), out)
            return
        with self._scratch() as mine:
            leaf_rows(columns.places, first_row, self._program, mine, *self._leaf_numbers, out)

    def walk(
        self, columns: Columns, first_row: int, out: np.ndarray, stop: tuple[int, float] = (0, 0.0)
    ) -> None:
        """Write raw scores by following every tree. `stop` as in `score_until`."""
        self._walk(columns, first_row, self._walked, out, np.zeros((len(out), 0), np.int32), stop)

    def _walk(
        self, columns: Columns, first_row: int, walked: tuple[WalkTrees, WalkLeaves], out: np.ndarray,
        leaves: np.ndarray, stop: tuple[int, float] = (0, 0.0),
    ) -> None:  # fmt: skip
        x = np.empty((WALKED, self.trees.n_features))
        walk_rows(columns.places, first_row, *walked, *stop, x, out, leaves)

    @cached_property
    def explainer(self) -> Explainer:
        """SHAP values of the trees; raises ModelError where there are none."""
        return Explainer(self.trees, self._walked[0])

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

    @cached_property
    def _program(self) -> Program:
        assert self.plan is not None
        return self.plan.program()

    @cached_property
    def _leaf_numbers(self) -> tuple[np.ndarray, np.ndarray]:
        return leaf_numbers(self.trees)

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

    @cached_property
    def _walked(self) -> tuple[WalkTrees, WalkLeaves]:
        t, linear = self.trees, self.trees.linear
        nodes = WalkTrees(t.node_start, t.leaf_start, walk_nodes(t), t.cat_start, t.cat_stop, t.cat_words)
        value, narrow = np.ascontiguousarray(t.leaf_value), t.arithmetic.float32_sum
        if linear is None:
            none = np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0), np.empty(0)
            return nodes, WalkLeaves(value, np.zeros(len(value), bool), *none, t.sum_start, narrow)
        terms = linear.is_linear, linear.start, linear.feature, linear.coef, linear.constant
        return nodes, WalkLeaves(value, *terms, t.sum_start, narrow)


def _spread(decisions: Decisions, n_features: int) -> np.ndarray:
    """Return a block of rows that go everywhere: equal ones would find the same leaves in the cache."""
    rng, rows = np.random.default_rng(0), np.zeros((ROWS, n_features))
    for column in decisions.columns[~decisions.categorical]:
        mine = decisions.thresholds[column["first"] : column["first"] + column["count"]]
        rows[:, column["feature"]] = rng.choice(mine, ROWS)
    return rows


def _seconds(call: Callable[[], Any]) -> float:
    start = time.thread_time()  # a busy machine stretches the clock of a block more than that of a row
    call()
    return time.thread_time() - start


def _restored(
    trees: Trees, link: Link, divisor: float, plan: Plan | None, memory: np.ndarray | None
) -> Programs:
    """Return a copy that shares no memory with the original."""
    made, frozen = Programs(trees, link, divisor), None
    if memory is not None:
        frozen = FrozenForest(aligned(len(memory)))
        frozen.memory[:] = memory
    made.adopt(plan, frozen)
    return made
