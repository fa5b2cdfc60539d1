"""What a metric accepts: float64 arrays of one length, or a clear refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scalable.errors import DataError

Array = npt.NDArray[np.float64]
NO_WEIGHT: Array = np.empty(0)


def as_columns(
    y: npt.ArrayLike, p: npt.ArrayLike, weight: npt.ArrayLike | None, n_classes: int | None = None
) -> tuple[Array, Array, Array]:
    """Return labels, predictions and weights as contiguous float64 arrays.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels or targets.
    p : array-like of shape (n,), or (n, n_classes) when `n_classes` is given
        Predictions.
    weight : array-like of shape (n,), optional
        Sample weights; None becomes an empty array, which the kernels read as one each.

    Raises
    ------
    DataError
        When shapes disagree or something is not a number.
    """
    labels, scores = _numbers("labels", y), _numbers("predictions", p)
    weights = NO_WEIGHT if weight is None else _numbers("weights", weight)
    expected = labels.shape if n_classes is None else (*labels.shape, n_classes)
    if labels.ndim != 1 or scores.shape != expected or (weight is not None and weights.shape != labels.shape):
        raise DataError(
            f"evaluation: labels have shape {labels.shape}, predictions {scores.shape}"
            + ("" if weight is None else f", weights {weights.shape}")
            + f"; expected one label and {n_classes or 1} prediction(s) for each row"
        )
    return labels, scores, weights


def _numbers(name: str, values: npt.ArrayLike) -> Array:
    """Return values as contiguous float64."""
    try:
        return np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"evaluation: {name} are not numbers ({error}); give labels as 0 and 1 or as class indices"
        ) from error


def as_predictor(model: Any) -> Any:
    """Return a predictor as it is, and that of a fitted learner."""
    return model.predictor() if hasattr(model, "predictor") else model


class BadRowError(DataError):
    """A row cannot be evaluated; whoever knows where it comes from says so.

    Parameters
    ----------
    row : int
        Its place in the block.
    said : str
        What it has.
    """

    def __init__(self, row: int, said: str) -> None:
        super().__init__(row, said)
        self.row, self.said = row, said

    def __str__(self) -> str:
        return f"evaluation: row {self.row:,} of those given {self.said}"


def refuse_row(row: int, y: Array, p: Array, weight: Array, expected: str) -> None:
    """Raise `BadRowError` about `row` of a block unless it is -1, the kernels' word for no bad row."""
    if row >= 0:
        found = f"label {y[row].tolist()!r}, prediction {p[row].tolist()!r}" + (
            f", weight {weight[row].tolist()!r}" if weight.size else ""
        )
        raise BadRowError(
            row,
            f"has {found}; expected {expected} and a finite weight >= 0. Check the target and weight columns, and "
            "that the predictions are of this kind of model",
        )


def ranks(predictor: Any) -> bool:
    """Return whether a model's scores order the rows of a query and mean nothing else."""
    objective = getattr(getattr(predictor, "forest", None), "objective", None) or ""
    return objective.split(" ")[0] in ("lambdarank", "rank_xendcg")
