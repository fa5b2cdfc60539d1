"""The compiled forest: one predictor in front of the programs that evaluate trees."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from scalable.errors import UsageError
from scalable.inference.forest.file import Compiled, write_compiled
from scalable.inference.forest.inputs import as_columns, one_row, row_parts
from scalable.inference.forest.places import Columns
from scalable.inference.forest.programs import Programs
from scalable.inference.forest.row_call import row_function, rows_function
from scalable.inference.forest.threads import share_rows
from scalable.inference.forest.trees import Forest, select

_SLICES = 8  # compiled iteration ranges kept


class CompiledForest:
    """A forest compiled for speed; every result has the bits of the library that grew it.

    Made by ``compile_model``. Safe to share between threads, to copy and to pickle.

    Parameters
    ----------
    forest : Forest
    programs : Programs, optional
        Compiled before.

    Attributes
    ----------
    n_features, n_outputs, n_iterations : int
    feature_names : list of str
    objective : str or None
    """

    def __init__(self, forest: Forest, programs: Programs | None = None) -> None:
        self.forest = forest
        self.link = forest.link
        self.feature_names = forest.feature_names
        self.objective = forest.objective
        self.n_features = forest.trees.n_features
        self.n_outputs = forest.trees.n_outputs
        self.n_iterations = forest.trees.n_iterations
        divisor = float(self.n_iterations) if forest.average else 0.0
        self.programs = programs or Programs(forest.trees, forest.link, divisor)
        self._slices: dict[tuple[int, int], CompiledForest] = {}
        self._lock = threading.Lock()  # of the slices

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy the forest with its programs."""
        return CompiledForest, (self.forest, self.programs)

    def __repr__(self) -> str:
        size = f"{self.n_iterations * self.n_outputs} trees, {self.n_features} features"
        outputs = f", {self.n_outputs} outputs" if self.n_outputs > 1 else ""
        return f"<{type(self).__name__}: {size}{outputs}, objective {self.objective}>"

    def predict(
        self, X: Any, raw_score: bool = False, n_threads: int = 1, pred_leaf: bool = False,
        num_iteration: int | None = None, start_iteration: int = 0, pred_early_stop: bool = False,
        pred_early_stop_freq: int = 10, pred_early_stop_margin: float = 10.0, pred_contrib: bool = False,
    ) -> np.ndarray:  # fmt: skip
        """Predict rows, bit for bit as ``Booster.predict`` with the same arguments.

        Parameters
        ----------
        X : array, sparse matrix, pandas or polars frame, Arrow table, shape (n_rows, n_features)
        raw_score : bool
            Skip the link.
        n_threads : int
            Threads that share the rows; results do not depend on it.
        pred_leaf : bool
            Return leaf indices, int32 (n_rows, n_trees).
        num_iteration, start_iteration : int
            Range of boosting iterations; by default up to the best iteration.
        pred_contrib : bool
            Return SHAP values, float64 (n_rows, n_outputs * (n_features + 1)): what each feature adds to the raw score,
            and what is expected of any row.
        pred_early_stop, pred_early_stop_freq, pred_early_stop_margin
            LightGBM's prediction early stopping, for classifiers and rankers.

        Returns
        -------
        float64 (float32 where the library sums that) (n_rows,), or (n_rows, n_outputs) with several outputs

        Raises
        ------
        DataError
            Wrong number of features or non-numeric columns.
        """
        if n_threads < 1:
            raise UsageError(f"n_threads should be at least 1, found {n_threads}")
        parts = None if isinstance(X, Columns) else row_parts(X)
        if parts is not None:
            given = (raw_score, n_threads, pred_leaf, num_iteration, start_iteration, pred_early_stop,
                     pred_early_stop_freq, pred_early_stop_margin, pred_contrib)  # fmt: skip
            return np.concatenate([self.predict(part.toarray(), *given) for part in parts])
        columns = as_columns(X, self.n_features, self.forest.categories)
        part = self.iterations(num_iteration, start_iteration)
        if pred_leaf:
            return part._leaves(columns, n_threads)
        if pred_contrib:
            return part._contributions(columns, n_threads)
        early = (pred_early_stop_freq, float(pred_early_stop_margin))
        stop = early if pred_early_stop and self.forest.may_stop else (0, 0.0)
        out = part._run(columns, n_threads, raw_score, stop)
        if self.forest.trees.arithmetic.float32_sum:
            out = out.astype(np.float32)  # what the library gives; the values are float32 already
        return out[:, 0] if self.n_outputs == 1 else out

    @cached_property
    def predict_one(self) -> Callable[..., Any]:
        """``predict_one(x, raw_score=False)``: one row to a float, or to float64 (n_outputs,) with several outputs.

        A contiguous float64 array of `n_features` values takes the short way; anything else that `predict` takes as
        one row is converted first. A function of its own, as finding a method costs as much as a few trees.
        """
        return self.iterations()._row_function(self.as_row)

    def _row_function(self, convert: Callable[[Any], np.ndarray]) -> Callable[..., Any]:
        frozen = self.programs.frozen
        if frozen is None:

            def walk(x: Any, raw_score: bool = False) -> Any:
                out = self.predict(convert(x).reshape(1, -1), raw_score, num_iteration=-1)
                return float(out[0]) if self.n_outputs == 1 else out[0]

            return walk
        if self.n_outputs == 1 and self.link.in_kernel:
            return row_function(frozen, convert)
        if self.n_outputs == 1:
            score = row_function(frozen, convert)

            def one(x: Any, raw_score: bool = False) -> float:
                out = np.array([[score(x, True)]])
                if not raw_score:
                    self.finish(out)
                return float(out[0, 0])

            return one
        return rows_function(frozen, convert, self.n_outputs, self.finish)

    def as_row(self, x: Any) -> np.ndarray:
        """Return one row in any form as the contiguous float64 array that the short way takes."""
        return one_row(x, self.n_features, self.forest.categories)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the compiled form to one file, for ``load_compiled``."""
        write_compiled(Compiled(self.forest, self.programs.plan, self.programs.frozen), path)

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
                trees = select(self.forest.trees, start, stop)
                part = CompiledForest(replace(self.forest, trees=trees, best_iteration=0))
            self._slices[start, stop] = part  # last again
            while len(self._slices) > _SLICES:
                del self._slices[next(iter(self._slices))]
        return part

    def finish(self, scores: np.ndarray) -> None:
        """Turn raw scores (n_rows, n_outputs) into predictions in place."""
        if self.forest.average:
            with np.errstate(invalid="ignore"):  # without trees, NaN is what LightGBM answers
                scores /= self.n_iterations
        self.link.apply(scores)

    def _run(
        self, columns: Columns, n_threads: int, raw: bool = True, stop: tuple[int, float] = (0, 0.0)
    ) -> np.ndarray:
        """Return predictions or raw scores (n_rows, n_outputs)."""
        programs = self.programs
        few = programs.is_few(columns.n_rows)
        out = np.zeros((columns.n_rows, self.n_outputs))

        def share(start: int, end: int) -> None:
            part = out[start:end]
            if stop[0] > 0:
                programs.score_until(columns, start, part, stop)
            elif not programs.compilable:
                programs.walk(columns, start, part)
            elif few:
                programs.score_few(columns, part)
            else:
                programs.score(columns, start, part)
            if not raw:
                self.finish(part)

        share_rows(columns.n_rows, n_threads, share)
        return out

    def _contributions(self, columns: Columns, n_threads: int) -> np.ndarray:
        """Return SHAP values, float64 (n_rows, n_outputs * (n_features + 1))."""
        explainer = self.programs.explainer
        out = np.zeros((columns.n_rows, self.n_outputs, self.n_features + 1))
        share_rows(
            columns.n_rows, n_threads, lambda start, end: explainer.explain(columns, start, out[start:end])
        )
        if self.forest.average and self.forest.library != "lightgbm":  # which does not divide them
            out /= self.n_iterations
        return out.reshape(columns.n_rows, -1)

    def _leaves(self, columns: Columns, n_threads: int) -> np.ndarray:
        """Return the leaf of each row in each tree, int32 (n_rows, n_trees)."""
        out = np.zeros((columns.n_rows, self.forest.trees.n_trees), np.int32)
        share_rows(
            columns.n_rows, n_threads, lambda start, end: self.programs.leaves(columns, start, out[start:end])
        )
        return out
