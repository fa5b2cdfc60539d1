"""Memory that this engine needs, predicted before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalable.boosting.estimates import PROCESS_BYTES, MemoryEstimate
from scalable.boosting.objectives import main_objective

# Label 4, packed gradient 8, row number 4, leaf or working space 4; a score is counted apart.
BYTES_PER_ROW, BYTES_SCORE, BYTES_WEIGHT, BYTES_GIVEN, BYTES_SAMPLED = 20, 8, 4, 8, 1
HISTOGRAM_BYTES = 24  # gradient, hessian, count


def predict_native_memory(
    n_rows: int, n_columns: int, params: Mapping[str, Any], *, weighted: bool, n_scores: int, n_threads: int
) -> MemoryEstimate:
    """Predict the memory of a worker.

    Parameters
    ----------
    n_rows, n_columns : int
        Of the worker, of the matrix.
    params : mapping
        LightGBM's parameters.
    weighted : bool
        Whether rows have weights.
    n_scores : int
        Scores per row.
    n_threads : int
        Threads of the worker, each with a histogram of its own.
    """
    max_bin = int(params.get("max_bin", 255))
    per_row = (
        2.0 * n_columns * (1 if max_bin <= 255 else 2)
    )  # by row for histograms, by column for partitions
    per_row += BYTES_PER_ROW + BYTES_SCORE * n_scores + BYTES_WEIGHT * weighted
    if main_objective(str(params.get("objective", ""))) in ("multiclass", "custom"):
        per_row += BYTES_GIVEN * n_scores
    if int(params.get("bagging_freq", 0)) or "goss" in (
        params.get("boosting"),
        params.get("data_sample_strategy"),
    ):
        per_row += BYTES_SAMPLED
    leaves = int(params.get("num_leaves", 31)) + n_threads + 1
    return MemoryEstimate(
        n_rows, per_row, PROCESS_BYTES + n_columns * (max_bin + 1) * HISTOGRAM_BYTES * leaves
    )
