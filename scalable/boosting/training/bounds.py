"""Numbers that LightGBM refuses, refused before a row is read and by the name of the parameter."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

from scalable.boosting.native.settings import flag
from scalable.boosting.objectives import PERCENTILES
from scalable.errors import UsageError

_SHARE = (("above", 0.0), ("at most", 1.0))
_UNIT = (("at least", 0.0), ("at most", 1.0))
_POSITIVE = (("above", 0.0),)
_NOT_NEGATIVE = (("at least", 0.0),)

BOUNDS: dict[str, tuple[tuple[str, float], ...]] = {
    "num_leaves": (("above", 1), ("at most", 131072)),
    "tweedie_variance_power": (("at least", 1.0), ("below", 2.0)),
    "max_bin": (("above", 1),),
    **dict.fromkeys(
        (
            "bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction", "feature_fraction",
            "feature_fraction_bynode",
        ),
        _SHARE,
    ),
    **dict.fromkeys(("drop_rate", "skip_drop", "top_rate", "other_rate", "refit_decay_rate"), _UNIT),
    **dict.fromkeys(
        (
            "learning_rate", "min_data_per_group", "max_cat_threshold", "max_cat_to_onehot", "top_k", "min_data_in_bin",
            "bin_construct_sample_cnt", "sigmoid", "alpha", "fair_c", "poisson_max_delta_step", "scale_pos_weight",
            "lambdarank_truncation_level",
        ),
        _POSITIVE,
    ),
    **dict.fromkeys(
        (
            "min_data_in_leaf", "min_sum_hessian_in_leaf", "lambda_l1", "lambda_l2", "linear_lambda",
            "min_gain_to_split", "cat_l2", "cat_smooth", "monotone_penalty", "cegb_tradeoff", "cegb_penalty_split",
            "path_smooth",
        ),
        _NOT_NEGATIVE,
    ),
}  # fmt: skip
WHOLE = (
    "num_leaves", "max_bin", "max_depth", "min_data_in_leaf", "bagging_freq", "min_data_per_group", "max_cat_threshold",
    "max_cat_to_onehot", "top_k", "min_data_in_bin", "bin_construct_sample_cnt",
    "lambdarank_truncation_level",
)  # fmt: skip
_HOLDS = {"above": operator.gt, "at least": operator.ge, "below": operator.lt, "at most": operator.le}


def check_bounds(values: Mapping[str, Any]) -> None:
    """Refuse what LightGBM would, which is after the data was read and in words of its source.

    Parameters
    ----------
    values : mapping
        Parameters in canonical spelling.

    Raises
    ------
    UsageError
        Naming the parameter, its bounds and its value.
    """
    for name in (*BOUNDS, *(name for name in WHOLE if name not in BOUNDS)):
        if name not in values:
            continue
        bounds = BOUNDS.get(name, ())
        wanted = " and ".join(f"{relation} {bound:g}" for relation, bound in bounds)
        kind = "a whole number" if name in WHOLE else "a number"
        number = _number(values[name], whole=name in WHOLE)
        if math.isnan(number) or not all(_HOLDS[relation](number, bound) for relation, bound in bounds):
            raise UsageError(f"{name} must be {kind}{wanted and ' ' + wanted}, not {values[name]!r}")


def check_together(values: Mapping[str, Any], objective: str) -> None:
    """Refuse parameters that LightGBM takes alone but not together; raises a UsageError that names both."""

    def share(name: str, default: float = 1.0) -> float:
        return float(values.get(name, default))

    boosting = values.get("boosting")
    bags = int(values.get("bagging_freq", 0)) > 0 and share("bagging_fraction") < 1.0
    goss = "goss" in (boosting, values.get("data_sample_strategy"))
    weights = flag(values.get("is_unbalance", False)) and share("scale_pos_weight") != 1.0
    several = (
        objective.startswith("multiclass") or objective == "custom" or int(values.get("num_class", 1)) == 1
    )
    for wrong, words in (
        (objective in PERCENTILES and values.get("monotone_constraints"),
         f"monotone_constraints with objective={objective!r}, whose leaves are percentiles; use 'huber' or 'fair'"),
        (weights, "is_unbalance with scale_pos_weight, which say the same; give one"),
        (goss and bags, "goss with bagging, as it draws the rows itself; leave bagging_fraction out"),
        (goss and share("top_rate", 0.2) + share("other_rate", 0.1) > 1.0,
         "top_rate and other_rate that add up to more than 1; lower one"),
        (boosting == "rf" and not bags and share("feature_fraction") == 1.0,
         "boosting='rf' where all trees would be the same; set bagging_freq=1 and bagging_fraction below 1"),
        (not several, f"num_class={values.get('num_class')} with objective={objective!r}; leave it out"),
    ):  # fmt: skip
        if wrong:
            raise UsageError(f"LightGBM does not take {words}")


def _number(value: Any, *, whole: bool) -> float:
    """Return a number as LightGBM reads it, which knows no 31.0 where it wants 31; NaN for what is none."""
    try:
        return float(int(str(value)) if whole else value)
    except (TypeError, ValueError):
        return math.nan
