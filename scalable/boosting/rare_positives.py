"""Leaves for rare positives: LightGBM's own bounds let twenty rows answer, which then hold one positive by chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalable.features.target_summary import TargetSummary

LEAST_HESSIAN = (
    1.0  # what twenty rows must hold, in units of p (1 - p) a row, for LightGBM's own bound to stay
)
# Near the best of five over ten seeds, three rates and four sizes (docs/notes/boosting.md): better than the
# base rate in the mean of each, where twenty rows a leaf are up to ten times worse.
LEAF_HESSIAN, LEAST_LEAVES = 30.0, 4.0
# The gain of a split of noise is chi-squared of one degree of freedom, and the best of hundreds is tried. Without any
# signal a hundred trees then lose a quarter of a percent against the base rate, and two percent without this bound;
# larger ones lose more where signals are smooth and strong.
LEAST_GAIN = 3.0
_DEFAULT_ROWS = 20  # LightGBM's own min_data_in_leaf
_OTHERS = ("min_sum_hessian_in_leaf", "scale_pos_weight", "is_unbalance", "lambda_l2", "max_delta_step")


def leaf_bounds(values: Mapping[str, Any], target: TargetSummary) -> dict[str, float]:
    """Return ``min_sum_hessian_in_leaf`` and ``min_gain_to_split`` where positives are rare; nothing elsewhere.

    Parameters
    ----------
    values : mapping
        LightGBM's parameters in canonical spelling: where the user bounded leaves or weighed classes, nothing moves;
        a gain that was given stays.
    target : TargetSummary
        Of the training rows.
    """
    if values.get("objective") != "binary" or len(target.class_weight) != 2:
        return {}
    if (
        any(name in values for name in _OTHERS)
        or values.get("min_data_in_leaf", _DEFAULT_ROWS) != _DEFAULT_ROWS
    ):
        return {}
    share = target.class_weight[1] / target.weight
    if _DEFAULT_ROWS * share * (1.0 - share) >= LEAST_HESSIAN:
        return {}
    whole, mean_weight = target.rows * share * (1.0 - share), target.weight / target.rows
    bounds = {
        "min_sum_hessian_in_leaf": min(LEAF_HESSIAN, whole / LEAST_LEAVES) * mean_weight,
        "min_gain_to_split": LEAST_GAIN * mean_weight,
    }
    return {name: bound for name, bound in bounds.items() if name not in values}
