"""Random LightGBM models of every kind, and rows that sit on the edges of their decisions."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np

OBJECTIVES = (
    "binary", "regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie",
    "cross_entropy", "cross_entropy_lambda", "multiclass", "multiclassova", "lambdarank", "rank_xendcg",
    "sqrt", "custom",
)  # fmt: skip


def _target(objective: str, score: Any, rng: np.random.Generator) -> Any:
    positive = np.abs(score) + 0.1
    unit = 1.0 / (1.0 + np.exp(-score))
    if objective in ("poisson", "gamma", "tweedie", "mape"):
        return positive
    if objective.startswith("cross_entropy"):
        return unit
    if objective.startswith("multiclass"):
        return np.digitize(score, np.quantile(score, [0.3, 0.6]))
    if objective in ("lambdarank", "rank_xendcg"):
        return np.clip(np.round(positive), 0, 4).astype(int)
    return (rng.random(len(score)) < unit).astype(float) if objective == "binary" else score


def random_data(rng: np.random.Generator, n: int, n_features: int) -> Any:
    """Columns of every awkward kind: missing, zeros, few values, huge and tiny magnitudes, categories."""
    X = rng.standard_normal((n, n_features))
    categorical = []
    for j in range(n_features):
        kind = rng.integers(7)
        if kind == 1:
            X[rng.random(n) < 0.2, j] = np.nan
        elif kind == 2:
            X[rng.random(n) < 0.5, j] = 0.0
        elif kind == 3:
            X[:, j] = rng.integers(-2, 3, n)
        elif kind == 4:
            X[:, j] *= 10.0 ** rng.integers(-38, 30)
        elif kind == 5:
            X[:, j] = rng.integers(0, rng.choice([3, 40, 400]), n)
            if rng.random() < 0.3:
                X[rng.random(n) < 0.1, j] = np.nan
            categorical.append(j)
        elif kind == 6:
            X[:, j] = np.exp(3 * X[:, j])
            X[rng.random(n) < 0.1, j] = np.nan
    return X, categorical


def random_booster(seed: int) -> Any:
    """Return a trained model of a random configuration and its description."""
    rng = np.random.default_rng(seed)
    objective = str(rng.choice(OBJECTIVES))
    n, n_features = int(rng.choice([120, 600, 2000])), int(rng.integers(1, 13))
    X, categorical = random_data(rng, n, n_features)
    score = np.nan_to_num(np.sign(X) * np.log1p(np.abs(X))).sum(axis=1) + rng.standard_normal(n)
    y = _target(objective, score, rng)
    params = {
        "objective": {"sqrt": "regression", "custom": lambda p, d: (p - d.get_label(), np.ones(len(p)))}.get(
            objective, objective
        ),
        "num_leaves": int(rng.choice([2, 3, 5, 16, 31, 63, 128, 255, 300])),
        "min_data_in_leaf": int(rng.choice([1, 5, 20])),
        "max_bin": int(rng.choice([7, 63, 255, 1023])),
        "learning_rate": float(rng.choice([0.05, 0.3])),
        "use_missing": bool(rng.random() < 0.8),
        "zero_as_missing": bool(rng.random() < 0.25),
        "min_data_per_group": 1,
        "cat_smooth": 1.0,
        "max_cat_to_onehot": int(rng.choice([1, 4])),
        "boosting": str(rng.choice(["gbdt", "gbdt", "dart", "rf"])),
        "bagging_freq": 1,
        "bagging_fraction": 0.7,
        "verbose": -1,
        "num_threads": 1,
        "seed": seed,
    }
    if objective == "sqrt":
        params["reg_sqrt"] = True
    if objective == "custom" and params["boosting"] == "rf":
        params["boosting"] = "gbdt"
    if objective.startswith("multiclass"):
        params["num_class"] = 3
    linear = (
        objective in ("regression", "binary", "poisson")
        and params["boosting"] == "gbdt"
        and rng.random() < 0.4
    )
    if linear:
        params |= {"linear_tree": True, "zero_as_missing": False}
    group = [n // 10] * 10 if objective in ("lambdarank", "rank_xendcg") else None
    data = lgb.Dataset(X, y, group=group, categorical_feature=categorical or "auto", params={"verbose": -1})
    booster = lgb.train(params, data, int(rng.choice([1, 3, 17, 40])))
    shown = {k: v for k, v in params.items() if not callable(v)}
    return booster, f"seed {seed}, {objective}, {n_features} features, categorical {categorical}, {shown}"


def thresholds(booster: lgb.Booster) -> Any:
    """Return [(feature, threshold)] of all numeric splits of the text."""
    found = []
    for block in booster.model_to_string().split("\nTree=")[1:]:
        fields = dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
        if "split_feature" in fields:
            features = map(int, fields["split_feature"].split())
            kinds = map(int, fields["decision_type"].split())
            values = map(float, fields["threshold"].split())
            found += [(f, t) for f, t, kind in zip(features, values, kinds, strict=True) if not kind & 1]
    return found


def edge_rows(booster: lgb.Booster, seed: int, n_random: int = 300, n_edges: int = 1200) -> Any:
    """Return rows at random, on, one ulp below and one ulp above thresholds, and full of special values."""
    rng = np.random.default_rng(seed)
    n_features = booster.num_feature()
    X = random_data(rng, n_random + n_edges, n_features)[0]
    special = np.array([
        np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-35, -1e-35, np.float32(1e-35), -np.float32(1e-35), 5e-324, -5e-324,
        1e-36, np.nextafter(np.float64(np.float32(1e-35)), 1), np.nextafter(-np.float64(np.float32(1e-35)), -1),
        -1.0, -0.5, 0.5, 1.0, 7.9, 399.0, 400.0, 1e6, 2147483647.0, 2147483648.0, 4294967297.0, 1e18, 1e308, -1e308,
    ])  # fmt: skip
    cuts = thresholds(booster)
    for row in X[n_random:]:
        if cuts:
            for _ in range(max(1, n_features // 2)):
                feature, cut = cuts[rng.integers(len(cuts))]
                row[feature] = rng.choice([cut, np.nextafter(cut, -np.inf), np.nextafter(cut, np.inf)])
        if rng.random() < 0.6:
            row[rng.integers(n_features)] = rng.choice(special)
    return X
