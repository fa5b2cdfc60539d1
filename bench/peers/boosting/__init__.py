"""Contenders at gradient boosting: the same number of trees, leaves, bins and step size for all."""

from __future__ import annotations

from typing import Any

from bench.peers.task import Task

MAX_BIN, RATE, LEAST_ROWS = 255, 0.1, 20


def lightgbm_params(task: Task) -> dict[str, Any]:
    """Return LightGBM's parameters."""
    return {
        "objective": "binary",
        "num_leaves": task.leaves,
        "learning_rate": RATE,
        "max_bin": MAX_BIN,
        "min_data_in_leaf": LEAST_ROWS,
        "verbosity": -1,
        "seed": 0,
    }


def xgboost_params(task: Task) -> dict[str, Any]:
    """Return XGBoost's parameters that mean the same: trees grown leaf by leaf, no depth limit."""
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_depth": 0,
        "max_leaves": task.leaves,
        "eta": RATE,
        "max_bin": MAX_BIN,
        "min_child_weight": 1e-3,
        "reg_lambda": 0.0,
        "nthread": task.threads,
        "seed": 0,
    }
