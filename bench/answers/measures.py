"""What several answers measure: the AUC of probabilities, and the processor time of a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from scalable.evaluate import evaluate_predictions


def auc(y: Any, p: Any) -> float:
    """Return the area under the ROC curve of probabilities."""
    return float(evaluate_predictions(np.asarray(y, np.float64), p)["auc"])


def least_seconds(do: Callable[[], object]) -> float:
    """Return the least processor time of five runs."""
    each = []
    for _ in range(5):
        start = time.process_time()
        do()
        each.append(time.process_time() - start)
    return max(min(each), 1e-9)
