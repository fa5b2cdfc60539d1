"""Leaves for rare positives: LightGBM's own bound lets twenty rows answer, which then hold one positive by chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalable.features.target_summary import TargetSummary

LEAST_HESSIAN = (
    1.0  # what twenty rows must hold, in units of p (1 - p) a row, for LightGBM's own bound to stay
)
# Near the best of five over ten seeds, three rates and four sizes (docs/results/rare_positives.json): better than the
# base rate in the mean of each, where twenty rows a leaf are up to ten times worse.
LEAF_HESSIAN, LEAST_LEAVES = 30.0, 4.0
_DEFAULT_ROWS = 20  # LightGBM's own min_data_in_leaf
_OTHERS = ("min_sum_hessian_in_leaf", "scale_pos_weight", "is_unbalance", "lambda_l2", "max_delta_step")


def leaf_bound(values: Mapping[str, Any], target: TargetSummary) -> float | None:
    """Return the least hessian of a leaf (``min_sum_hessian_in_leaf``) where positives are rare; None elsewhere.

    Parameters
    ----------
    values : mapping
        LightGBM's parameters in canonical spelling: where the user bounded leaves or weighed classes, nothing moves.
    target : TargetSummary
        Of the training rows.
    """
    if values.get("objective") != "binary" or len(target.class_weight) != 2:
        return None
    if (
        any(name in values for name in _OTHERS)
        or values.get("min_data_in_leaf", _DEFAULT_ROWS) != _DEFAULT_ROWS
    ):
        return None
    share = target.class_weight[1] / target.weight
    if _DEFAULT_ROWS * share * (1.0 - share) >= LEAST_HESSIAN:
        return None
    whole = target.rows * share * (1.0 - share)
    return min(LEAF_HESSIAN, whole / LEAST_LEAVES) * target.weight / target.rows
