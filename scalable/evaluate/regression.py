"""Metrics of a regression in one pass."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scalable.errors import DataError
from scalable.evaluate.inputs import Array, as_columns, refuse_row
from scalable.kernels import metrics as kernels


@dataclass(slots=True)
class RegressionState:
    """Sums of one part of the data, (8,) as `regression_step` lays them out, and its rows."""

    sums: Array
    rows: int


@dataclass(frozen=True, slots=True)
class RegressionReport:
    """Metrics of a regression, in the target's unit or its square.

    Attributes
    ----------
    rows, weight : int, float
        Rows seen, and their total weight.
    mean_target, target_variance : float
        Weighted mean and (population) variance of the target.
    mse, rmse, mae, max_error : float
        Mean squared, root mean squared, mean absolute and largest absolute error.
    mean_error : float
        Mean of prediction minus target.
    r2 : float or None
        Share of the target's variance explained; None for a constant target.
    poisson_deviance : float or None
        Mean Poisson deviance; None when a target is negative or a prediction is not positive.
    """

    rows: int
    weight: float
    mean_target: float
    target_variance: float
    mse: float
    rmse: float
    mae: float
    max_error: float
    mean_error: float
    r2: float | None
    poisson_deviance: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain numbers."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RegressionMetrics:
    """Reduction that measures a regression; variances of parts are joined centred (Chan et al., 1983)."""

    def init(self) -> RegressionState:
        """Return the state of no rows."""
        return RegressionState(np.zeros(kernels.REGRESSION_SUMS), 0)

    def step(
        self, state: RegressionState, y: npt.ArrayLike, p: npt.ArrayLike, weight: npt.ArrayLike | None = None
    ) -> RegressionState:
        """Add a block: targets (n,), predictions (n,), weights (n,) or None.

        Raises
        ------
        DataError
            When shapes disagree, or a target, prediction or weight is not finite.
        """
        targets, predictions, weights = as_columns(y, p, weight)
        block = RegressionState(np.zeros(kernels.REGRESSION_SUMS), targets.size)
        bad = kernels.regression_step(targets, predictions, weights, block.sums)
        refuse_row(bad, targets, predictions, weights, "a finite target and prediction")
        return self.merge(state, block)

    def merge(self, left: RegressionState, right: RegressionState) -> RegressionState:
        """Add the state of later rows to that of earlier ones."""
        a, b = left.sums, right.sums
        rows = left.rows + right.rows
        total = a[kernels.WEIGHT] + b[kernels.WEIGHT]
        if a[kernels.WEIGHT] == 0 or b[kernels.WEIGHT] == 0:
            return RegressionState(b if a[kernels.WEIGHT] == 0 else a, rows)
        share = b[kernels.WEIGHT] / total
        apart = b[kernels.MEAN_Y] - a[kernels.MEAN_Y]
        sums = a + b
        sums[kernels.MEAN_Y] = a[kernels.MEAN_Y] + share * apart
        sums[kernels.MEAN_ERROR] = a[kernels.MEAN_ERROR] + share * (
            b[kernels.MEAN_ERROR] - a[kernels.MEAN_ERROR]
        )
        sums[kernels.CENTRED_Y] += apart * apart * a[kernels.WEIGHT] * share
        sums[kernels.LARGEST_ERROR] = max(a[kernels.LARGEST_ERROR], b[kernels.LARGEST_ERROR])
        return RegressionState(sums, rows)

    def finish(self, state: RegressionState) -> RegressionReport:
        """Return the metrics; raises `DataError` when no row has positive weight."""
        sums = [float(value) for value in state.sums]
        total = sums[kernels.WEIGHT]
        if total <= 0:
            raise DataError(
                f"evaluation: {state.rows} rows, none of positive weight; nothing can be measured"
            )
        mse, centred, deviance = (
            sums[kernels.SQUARED_ERROR] / total,
            sums[kernels.CENTRED_Y],
            sums[kernels.DEVIANCE],
        )
        return RegressionReport(
            rows=state.rows,
            weight=total,
            mean_target=sums[kernels.MEAN_Y],
            target_variance=centred / total,
            mse=mse,
            rmse=math.sqrt(mse),
            mae=sums[kernels.ABSOLUTE_ERROR] / total,
            max_error=sums[kernels.LARGEST_ERROR],
            mean_error=sums[kernels.MEAN_ERROR],
            r2=1.0 - sums[kernels.SQUARED_ERROR] / centred if 0.0 < centred < math.inf else None,
            poisson_deviance=None if math.isnan(deviance) else deviance / total,
        )
