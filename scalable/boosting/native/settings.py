"""LightGBM's parameters as this engine takes them, and those it does not know, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.bins import numbers_of
from scalable.boosting.objectives import main_objective
from scalable.errors import UsageError
from scalable.kernels.histogram.gain import RULES

# Of LightGBM 4: name, default.
_RULES = {
    "lambda_l1": ("l1", 0.0), "lambda_l2": ("l2", 0.0), "min_data_in_leaf": ("min_data", 20),
    "min_sum_hessian_in_leaf": ("min_hessian", 1e-3), "max_delta_step": ("max_delta_step", 0.0),
    "path_smooth": ("path_smooth", 0.0), "min_gain_to_split": ("min_gain", 0.0),
    "cat_smooth": ("cat_smooth", 10.0), "cat_l2": ("cat_l2", 10.0), "max_cat_threshold": ("max_cat_threshold", 32),
    "max_cat_to_onehot": ("max_cat_to_onehot", 4), "min_data_per_group": ("min_data_per_group", 100),
}  # fmt: skip
_TREES = {
    "num_leaves": 31, "leaves_per_round": 1, "max_depth": -1, "learning_rate": 0.1, "feature_fraction": 1.0,
    "feature_fraction_bynode": 1.0, "bagging_fraction": 1.0, "pos_bagging_fraction": 1.0,
    "neg_bagging_fraction": 1.0, "bagging_freq": 0, "top_rate": 0.2, "other_rate": 0.1,
}  # fmt: skip
_OTHERS = {
    "objective", "num_class", "boosting", "data_sample_strategy", "seed", "bagging_seed", "feature_fraction_seed",
    "extra_seed", "extra_trees", "monotone_constraints", "interaction_constraints", "boost_from_average",
    "is_unbalance", "scale_pos_weight", "sigmoid", "alpha", "fair_c", "poisson_max_delta_step",
    "tweedie_variance_power", "num_iterations", "num_threads", "verbosity", "metric", "early_stopping_round",
}  # fmt: skip
# They decide on bins, which LightGBM makes, or on how its own engine goes about it.
_ELSEWHERE = {
    "max_bin", "max_bin_by_feature", "min_data_in_bin", "bin_construct_sample_cnt", "data_random_seed",
    "feature_pre_filter", "use_missing", "is_enable_sparse", "enable_bundle", "force_row_wise", "force_col_wise",
    "histogram_pool_size", "deterministic", "saved_feature_importance_type", "first_metric_only", "objective_seed",
    "max_cat_threshold", "precise_float_parser", "eval_at", "label_gain", "lambdarank_truncation_level",
    "lambdarank_norm",
}  # fmt: skip
_FIXED = {  # taken with this value only
    "linear_tree": False, "zero_as_missing": False, "use_quantized_grad": False, "reg_sqrt": False,
    "monotone_constraints_method": "basic", "monotone_penalty": 0.0, "extra_trees_penalty": 0.0,
    "bagging_by_query": False, "cegb_tradeoff": 1.0, "cegb_penalty_split": 0.0, "feature_contri": None,
    "forcedsplits_filename": "", "refit_decay_rate": 0.9, "xgboost_dart_mode": False,
}  # fmt: skip
OBJECTIVES = (
    "binary", "multiclass", "multiclassova", "cross_entropy", "regression", "regression_l1", "huber", "fair",
    "quantile", "poisson", "gamma", "tweedie", "lambdarank", "rank_xendcg", "custom",
)  # fmt: skip


def unsupported(values: Mapping[str, Any]) -> list[str]:
    """Return what this engine does not do, each as ``name=value``; empty when it does all that is asked for."""
    found = []
    if main_objective(str(values.get("objective", "regression"))) not in OBJECTIVES:
        found.append(f"objective={values['objective']!r}")
    if values.get("boosting", "gbdt") not in ("gbdt", "gbrt", "rf", "random_forest", "goss"):
        found.append(f"boosting={values['boosting']!r}")
    if values.get("data_sample_strategy", "bagging") not in ("bagging", "goss"):
        found.append(f"data_sample_strategy={values['data_sample_strategy']!r}")
    if main_objective(str(values.get("objective", ""))) == "multiclassova":
        found += [
            f"{name} with multiclassova" for name in ("is_unbalance", "scale_pos_weight") if values.get(name)
        ]
    known = {*_RULES, *_TREES, *_OTHERS, *_ELSEWHERE, "boosting"}
    for name, value in values.items():
        if name in _FIXED:
            if value not in (None, "", _FIXED[name]):
                found.append(f"{name}={value!r}")
        elif name not in known:
            found.append(f"{name}={value!r}")
    return found


def flag(value: Any) -> bool:
    """Return a parameter that is true or false, as LightGBM reads it."""
    return str(value).lower() in ("true", "1", "+", "yes") if isinstance(value, str) else bool(value)


@dataclass(frozen=True, slots=True)
class Settings:
    """How trees grow.

    Attributes
    ----------
    rules : record array (1,) of `RULES`
        What a split must keep to.
    num_leaves, max_depth : int
        Of a tree, at most; no limit of depth when not positive.
    leaves_per_round : int
        Leaves that are split before any of their children may be; 1 is LightGBM's growth.
    learning_rate, feature_fraction, feature_fraction_bynode : float
        As in LightGBM.
    bagging : tuple of float
        Shares of the rows with a label of 0 or less and of the others that a bag draws; both 1 for all rows.
    bagging_freq : int
        Iterations for which a bag stays.
    goss : tuple of float
        ``top_rate`` and ``other_rate``; empty without GOSS.
    forest : bool
        Whether trees are averaged instead of boosted.
    groups : tuple of frozenset of int
        Interaction constraints, by matrix column; empty for none.
    seeds : dict of str to int
        Of bags, features, thresholds and rounding.
    """

    rules: NDArray[Any]
    num_leaves: int
    max_depth: int
    leaves_per_round: int
    learning_rate: float
    feature_fraction: float
    feature_fraction_bynode: float
    bagging: tuple[float, float]
    bagging_freq: int
    goss: tuple[float, ...]
    forest: bool
    groups: tuple[frozenset[int], ...]
    seeds: dict[str, int]

    @classmethod
    def of(cls, values: Mapping[str, Any], *, constant_hessian: bool = False) -> Settings:
        """Read the parameters.

        Raises
        ------
        UsageError
            On values outside their ranges.
        """
        rules = np.zeros(1, RULES)
        for name, (short, default) in _RULES.items():
            rules[short] = float(values.get(name, default))
        signs = numbers_of(values.get("monotone_constraints"))
        rules["constrained"] = any(signs)
        rules["extra_trees"] = flag(values.get("extra_trees", False))
        numbers = {name: float(values.get(name, default)) for name, default in _TREES.items()}
        _check(rules, numbers)
        share = numbers["bagging_fraction"]
        bagging = (numbers["neg_bagging_fraction"], numbers["pos_bagging_fraction"])
        of_classes = values.get("objective") == "binary" and bagging != (1.0, 1.0)  # as in LightGBM
        bagging = bagging if of_classes else (share, share)
        frequency = int(numbers["bagging_freq"])
        forest = values.get("boosting") in ("rf", "random_forest")
        goss = "goss" in (values.get("boosting"), values.get("data_sample_strategy"))
        if forest and not (frequency > 0 and bagging != (1.0, 1.0)) and numbers["feature_fraction"] == 1:
            raise UsageError(
                "boosting='rf' without bagging grows one tree many times; set bagging_freq=1 and bagging_fraction"
            )
        if goss and frequency > 0 and bagging != (1.0, 1.0):
            raise UsageError("goss draws the rows itself; leave bagging_fraction and bagging_freq out")
        seed = int(values.get("seed", 0))
        seeds = {
            name: int(values.get(f"{name}_seed", seed + k))
            for k, name in enumerate(("bagging", "feature_fraction", "extra", "rounding"))
        }
        return cls(
            rules,
            int(numbers["num_leaves"]),
            int(numbers["max_depth"]),
            int(numbers["leaves_per_round"]),
            1.0 if forest else numbers["learning_rate"],
            numbers["feature_fraction"],
            numbers["feature_fraction_bynode"],
            bagging if frequency > 0 else (1.0, 1.0),
            frequency,
            (numbers["top_rate"], numbers["other_rate"]) if goss else (),
            forest,
            _groups(values.get("interaction_constraints")),
            seeds,
        )


def _check(rules: NDArray[Any], numbers: Mapping[str, float]) -> None:
    """Refuse what has no meaning."""
    for name, (short, _) in _RULES.items():
        least = 1.0 if name in ("max_cat_threshold", "min_data_per_group", "max_cat_to_onehot") else 0.0
        if not float(rules[short][0]) >= least and name != "max_delta_step":
            raise UsageError(f"{name} must be at least {least:g}, found {rules[short][0]}")
    if not 2 <= numbers["num_leaves"] <= 131_072:
        raise UsageError(f"num_leaves must lie between 2 and 131,072, found {numbers['num_leaves']:g}")
    if not numbers["learning_rate"] > 0:
        raise UsageError(f"learning_rate must be above 0, found {numbers['learning_rate']}")
    for name in ("feature_fraction", "feature_fraction_bynode", "bagging_fraction", "pos_bagging_fraction",
                 "neg_bagging_fraction"):  # fmt: skip
        if not 0 < numbers[name] <= 1:
            raise UsageError(f"{name} must lie in (0, 1], found {numbers[name]}")
    if (
        numbers["top_rate"] < 0
        or numbers["other_rate"] <= 0
        or numbers["top_rate"] + numbers["other_rate"] > 1
    ):
        raise UsageError("top_rate and other_rate must not be negative and add up to at most 1")


def _groups(given: Any) -> tuple[frozenset[int], ...]:
    """Return interaction constraints given as lists, or as text such as "[0,1],[2]"."""
    if not given:
        return ()
    if isinstance(given, str):
        parts = given.replace(" ", "").strip("[]").split("],[")
        return tuple(frozenset(int(number) for number in part.split(",") if number) for part in parts)
    return tuple(frozenset(int(number) for number in group) for group in given)
