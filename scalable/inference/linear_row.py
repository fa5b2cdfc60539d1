"""Compiled linear models: raw features in, prediction out, one row in well under a microsecond."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numba import types
from scipy import special

from scalable.errors import ModelError
from scalable.inference.forest.block_program import aligned
from scalable.inference.forest.inputs import as_columns, is_plain_row, one_row
from scalable.inference.forest.prepared import prepared
from scalable.inference.forest.threads import share_rows
from scalable.kernels.linear.linear_row import HEADER_BYTES, linear_row, linear_rows


class CompiledLinear:
    """A linear model over numeric features.

    A row has the same bits alone and in any batch. They agree with other implementations to rounding (about 1e-15
    relative to the largest term), as the order of their sums is another.

    Parameters
    ----------
    coef : float64 (n_outputs, n_features)
    intercept : float64 (n_outputs,)
    link : str
        "identity", "logistic" (one output) or "softmax".
    """

    def __init__(self, coef: np.ndarray, intercept: np.ndarray, link: str) -> None:
        self.coef = np.ascontiguousarray(np.atleast_2d(coef), np.float64)
        self.intercept = np.ascontiguousarray(np.atleast_1d(intercept), np.float64)
        self.link = link
        self.n_outputs, self.n_features = self.coef.shape
        if self.intercept.shape != (self.n_outputs,):
            raise ModelError(
                f"coef_ has {self.n_outputs} outputs but intercept_ has shape {self.intercept.shape}"
            )
        self._memory = aligned(HEADER_BYTES + 8 * self.n_features)
        self._memory[:16] = np.array([self.n_features, link == "logistic"], np.int64).view(np.uint8)
        self._memory[16:] = np.r_[self.intercept[0], self.coef[0]].view(np.uint8)
        self._address = self._memory.ctypes.data
        self._row = prepared(linear_row, types.float64(types.int64, types.float64[::1], types.boolean))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the coefficients; addresses are made anew."""
        return CompiledLinear, (self.coef, self.intercept, self.link)

    def __repr__(self) -> str:
        outputs = f", {self.n_outputs} outputs" if self.n_outputs > 1 else ""
        return f"<{type(self).__name__}: {self.n_features} features{outputs}, link {self.link}>"

    def predict(self, X: Any, raw_score: bool = False, n_threads: int = 1) -> np.ndarray:
        """Predict rows: float64 (n_rows,), or (n_rows, n_outputs) with several outputs.

        Raises
        ------
        DataError
            Wrong number of features or non-numeric columns.
        """
        rows = np.ascontiguousarray(as_columns(X, self.n_features).matrix(), np.float64)
        scores = np.empty((len(rows), self.n_outputs))
        logistic = not raw_score and self.link == "logistic"

        def share(start: int, end: int) -> None:
            linear_rows(self.coef, self.intercept, rows[start:end], logistic, scores[start:end])

        share_rows(len(rows), n_threads, share)
        if not raw_score and self.link == "softmax":
            scores = special.softmax(scores, axis=1)
        return scores[:, 0] if self.n_outputs == 1 else scores

    @cached_property
    def predict_one(self) -> Callable[..., Any]:
        """``predict_one(x, raw_score=False)``: one row to a float, or to float64 (n_outputs,) with several outputs.

        A function of its own: finding a method and its attributes costs as much as the row itself.
        """
        if self.n_outputs > 1:
            return lambda x, raw_score=False: self.predict(x, raw_score)[0]
        kernel, address, convert = self._row, self._address, self._as_row

        odd = False  # once a row was refused, which takes Numba a hundred microseconds, others are looked at first

        def one(x: Any, raw_score: bool = False, alive: np.ndarray = self._memory) -> Any:
            nonlocal odd
            if odd and not is_plain_row(x):
                return kernel(address, convert(x), raw_score)
            try:
                return kernel(address, x, raw_score)
            except (TypeError, ValueError):  # refused: another type, or another number of features
                row = convert(x)
            odd = True
            return kernel(address, row, raw_score)

        return one

    def _as_row(self, x: Any) -> np.ndarray:
        return one_row(x, self.n_features)
