"""Drawn configurations of scikit-learn's and XGBoost's forests, and rows on, below and above their thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

SCIKIT_LEARN = (
    "DecisionTreeClassifier", "DecisionTreeRegressor", "RandomForestClassifier", "RandomForestRegressor",
    "ExtraTreesClassifier", "ExtraTreesRegressor", "GradientBoostingClassifier", "GradientBoostingRegressor",
    "HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "IsolationForest",
)  # fmt: skip
XGBOOST = (
    "binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic", "reg:squarederror", "reg:squaredlogerror",
    "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror", "count:poisson", "reg:gamma", "reg:tweedie",
    "survival:cox", "multi:softprob", "multi:softmax", "rank:ndcg", "rank:pairwise", "targets", "vector leaves",
)  # fmt: skip
_LARGEST = 3e38  # what both libraries take for float32


def drawn_rows(rng: np.random.Generator, n: int, n_features: int, missing: bool) -> Any:
    """Return rows with columns of few values, of huge and tiny magnitudes, many zeros, and missing values."""
    X = rng.standard_normal((n, n_features))
    for j in range(n_features):
        kind = rng.integers(5)
        if kind == 1:
            X[:, j] = rng.integers(-3, 4, n)
        elif kind == 2:
            X[:, j] *= 10.0 ** rng.integers(-30, 30)
        elif kind == 3:
            X[rng.random(n) < 0.5, j] = 0.0
        if missing and rng.random() < 0.4:
            X[rng.random(n) < 0.2, j] = np.nan
    return X


def target_of(X: Any, rng: np.random.Generator) -> Any:
    """Return what the rows add up to, and noise."""
    return np.nan_to_num(np.sign(X) * np.log1p(np.abs(X))).sum(axis=1) + rng.standard_normal(len(X))


def classes_of(score: Any, n_classes: int) -> Any:
    """Cut scores into classes of equal size."""
    return np.digitize(score, np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1]))


def rows_at(
    rng: np.random.Generator, n_features: int, cuts: list[tuple[int, float]], *, float32: bool, missing: bool,
    infinite: bool = False,
) -> Any:  # fmt: skip
    """Return rows at random, and rows on, one step below and one above `cuts` (feature, threshold)."""
    X = drawn_rows(rng, 600, n_features, missing)
    for row in X[100:]:
        for _ in range(max(1, n_features // 2) if cuts else 0):
            feature, cut = cuts[rng.integers(len(cuts))]
            kind: Any = np.float32 if float32 and rng.random() < 0.7 else np.float64
            with np.errstate(over="ignore"):
                near = kind(cut)
                row[feature] = rng.choice(
                    [near, np.nextafter(near, kind(-np.inf)), np.nextafter(near, kind(np.inf))]
                )
        if infinite and rng.random() < 0.2:
            row[rng.integers(n_features)] = rng.choice([np.inf, -np.inf, 1e308, -1e308])
    return X if infinite else np.clip(X, -_LARGEST, _LARGEST)


def _histogram_options(rng: np.random.Generator, X: Any, classifies: bool) -> dict[str, Any]:
    options: dict[str, Any] = {
        "max_iter": int(rng.choice([1, 5, 20])),
        "max_leaf_nodes": int(rng.choice([3, 31])),
        "min_samples_leaf": int(rng.choice([1, 20])),
    }
    if not classifies:
        options["loss"] = str(rng.choice(["squared_error", "absolute_error", "poisson", "gamma", "quantile"]))
        if options["loss"] == "quantile":
            options["quantile"] = 0.3
    categorical = [j for j in range(X.shape[1]) if rng.random() < 0.3]
    for j in categorical:
        X[:, j] = rng.integers(0, rng.choice([3, 12, 60]), len(X)) * int(rng.choice([1, 3]))
        if rng.random() < 0.5:
            X[rng.random(len(X)) < 0.1, j] = np.nan
    return options | ({"categorical_features": categorical} if categorical else {})


def _options(kind: str, rng: np.random.Generator, n_classes: int) -> dict[str, Any]:
    classifies = kind.endswith("Classifier")
    if kind.startswith("Gradient"):
        options: dict[str, Any] = {
            "n_estimators": int(rng.choice([1, 7, 20])), "max_depth": int(rng.choice([1, 3, 6])),
            "subsample": float(rng.choice([1, 0.7])), "learning_rate": float(rng.choice([0.1, 1])),
        }  # fmt: skip
        if rng.random() < 0.3:
            options["init"] = "zero"
        if not classifies:
            options["loss"] = str(rng.choice(["squared_error", "absolute_error", "huber", "quantile"]))
        elif n_classes == 2 and rng.random() < 0.4:
            options["loss"] = "exponential"
        return options
    if kind == "IsolationForest":
        return {
            "n_estimators": int(rng.choice([1, 10, 50])), "max_samples": float(rng.choice([0.3, 1.0])),
            "max_features": float(rng.choice([0.5, 1.0])), "contamination": 0.1 if rng.random() < 0.5 else "auto",
        }  # fmt: skip
    options = {"max_depth": (None, 4, 1)[rng.integers(3)], "min_samples_leaf": int(rng.choice([1, 10]))}
    if not kind.startswith("Decision"):
        options["n_estimators"] = int(rng.choice([1, 5, 30]))
    return options


def scikit_learn_forest(seed: int) -> tuple[Any, Any, str]:
    """Return a fitted estimator of a drawn configuration, rows at its thresholds, and its description."""
    from sklearn import ensemble, tree

    rng = np.random.default_rng(seed)
    n, n_features = int(rng.choice([60, 300, 1000])), int(rng.integers(1, 9))
    kind = str(rng.choice(SCIKIT_LEARN))
    histogram, n_classes = kind.startswith("Hist"), int(rng.choice([2, 2, 3, 5]))
    missing = histogram or ("Gradient" not in kind and rng.random() < 0.5)
    X = drawn_rows(rng, n, n_features, missing)
    classifies = kind.endswith("Classifier")
    options = _histogram_options(rng, X, classifies) if histogram else _options(kind, rng, n_classes)
    y = target_of(X, rng)
    if options.get("loss") in ("poisson", "gamma"):
        y = np.abs(y) + 0.1
    if classifies:
        y = classes_of(y, n_classes)
        y = np.array(list("abcdef"))[y] if rng.random() < 0.5 else y
    elif "Gradient" not in kind and rng.random() < 0.3:
        y = np.stack([y, -y], axis=1)
    home = ensemble if hasattr(ensemble, kind) else tree
    estimator = getattr(home, kind)(random_state=seed, **options)
    estimator.fit(X, None if kind == "IsolationForest" else y)
    rows = rows_at(
        rng, n_features, _cuts(estimator), float32=not histogram, missing=missing, infinite=histogram
    )
    for j in options.get("categorical_features", ()):
        rows[:, j] = rng.choice(np.r_[X[:20, j], np.nan, 999.0, 1e9, 7.0], len(rows))
    return estimator, rows, f"seed {seed}, {kind}, {options}, missing {missing}"


def _cuts(estimator: Any) -> list[tuple[int, float]]:
    if hasattr(estimator, "_predictors"):
        flags = estimator.is_categorical_
        columns = np.argsort(~np.asarray(flags), kind="stable") if flags is not None else range(10**3)
        nodes = [node for row in estimator._predictors for one in row for node in one.nodes]
        return [
            (int(columns[node["feature_idx"]]), float(node["num_threshold"]))
            for node in nodes
            if not node["is_leaf"] and not node["is_categorical"]
        ]
    found = []
    trees = np.ravel(getattr(estimator, "estimators_", [estimator]))
    features = getattr(estimator, "estimators_features_", [None] * len(trees))
    for one, columns in zip(trees, features, strict=True):
        pairs = zip(one.tree_.feature, one.tree_.threshold, strict=True)
        found += [(int(j if columns is None else columns[j]), float(t)) for j, t in pairs if j >= 0]
    return found


def _xgboost_target(objective: str, score: Any, rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """Return a target for an objective, and the parameters that go with it."""
    if objective.startswith("binary"):
        return (score > 0) * 1.0, {}
    if objective == "reg:logistic":
        return 1 / (1 + np.exp(-score)), {}
    if objective in ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "reg:squaredlogerror"):
        return np.abs(score) + 0.1, {}
    if objective.startswith("multi"):
        n_classes = int(rng.choice([2, 3, 5]))
        return classes_of(score, n_classes), {"num_class": n_classes}
    if objective == "reg:quantileerror":
        return score, {"quantile_alpha": [0.2, 0.5, 0.9] if rng.random() < 0.5 else 0.3}
    if objective.startswith("rank"):
        return np.clip(np.round(np.abs(score)), 0, 4), {}
    if objective == "targets":
        return np.stack([score, -score, score**2], axis=1), {"objective": "reg:squarederror"}
    if objective == "vector leaves":
        further = {"multi_strategy": "multi_output_tree", "tree_method": "hist", "booster": "gbtree"}
        return np.stack([score, -score, score**2], axis=1), {"objective": "reg:squarederror", **further}
    return score, {}


def xgboost_forest(seed: int) -> tuple[Any, Any, list[str], str]:
    """Return a Booster of a drawn configuration, rows at its thresholds, feature types, and its description."""
    import xgboost

    rng = np.random.default_rng(seed)
    n, n_features = int(rng.choice([60, 300, 1000])), int(rng.integers(1, 9))
    X = drawn_rows(rng, n, n_features, missing=True)
    score = target_of(X, rng)
    objective = str(rng.choice(XGBOOST))
    params: dict[str, Any] = {
        "objective": objective, "nthread": 1, "seed": seed, "max_depth": int(rng.choice([1, 3, 6, 10])),
        "eta": float(rng.choice([0.1, 0.5, 1.0])), "tree_method": str(rng.choice(["hist", "approx", "exact"])),
        "num_parallel_tree": int(rng.choice([1, 1, 3])), "booster": str(rng.choice(["gbtree", "gbtree", "dart"])),
        "subsample": 0.8, "min_child_weight": float(rng.choice([0, 1, 5])), "gamma": float(rng.choice([0, 0, 0.5])),
        "rate_drop": 0.3, "skip_drop": 0.3,
    }  # fmt: skip
    y, further = _xgboost_target(objective, score, rng)
    params |= further | ({"base_score": 0.3} if rng.random() < 0.3 else {})
    if params["booster"] != "dart":
        del params["rate_drop"], params["skip_drop"]
    types = ["q"] * n_features
    if params["tree_method"] != "exact" and objective != "vector leaves" and rng.random() < 0.5:
        for j in np.flatnonzero(rng.random(n_features) < 0.5):
            types[j] = "c"
            X[:, j] = rng.integers(0, rng.choice([3, 12, 60]), n)
            X[rng.random(n) < 0.05, j] = np.nan
        params |= {
            "max_cat_to_onehot": int(rng.choice([1, 5])),
            "max_cat_threshold": int(rng.choice([4, 64])),
        }
    group = [n // 10] * 10 if objective.startswith("rank") else None
    data = xgboost.DMatrix(X, y, enable_categorical=True, feature_types=types, group=group)
    booster = xgboost.train(params, data, int(rng.choice([1, 3, 20])))
    cuts: list[tuple[int, float]] = []
    if objective != "vector leaves":
        shown = booster.trees_to_dataframe()
        pairs = zip(shown["Feature"], shown["Split"], strict=True)
        cuts = [(int(name[1:]), float(t)) for name, t in pairs if name != "Leaf" and not np.isnan(t)]
    rows = rows_at(rng, n_features, cuts, float32=True, missing=True)
    for j in np.flatnonzero(np.array(types) == "c"):
        rows[:, j] = rng.choice(np.r_[X[:20, j], np.nan, 70.0, 7.0, -1.0, 1e9], len(rows))
    return booster, rows, types, f"seed {seed}, {objective}, {params}, types {types}"


CATBOOST = ("RMSE", "MAE", "Quantile", "Poisson", "Logloss", "MultiClass", "MultiClassOneVsAll", "MultiRMSE")


def _fitted_catboost(rng: np.random.Generator, X: Any, score: Any, seed: int, **more: Any) -> tuple[Any, str]:
    """Return a fitted model of a drawn configuration, and its description."""
    import catboost

    loss = str(rng.choice(CATBOOST))
    y: Any = {"Poisson": np.abs(score), "MultiRMSE": np.stack([score, -score], axis=1)}.get(loss, score)
    if loss == "Logloss" or loss.startswith("MultiClass"):
        y = np.array(list("abcde"))[classes_of(score, 2 if loss == "Logloss" else int(rng.choice([3, 5])))]
    options: dict[str, Any] = {
        "loss_function": loss, "iterations": int(rng.choice([1, 7, 40])), "depth": int(rng.choice([1, 4, 8])),
        "learning_rate": float(rng.choice([0.1, 0.5])), "nan_mode": str(rng.choice(["Min", "Max"])),
        "grow_policy": str(rng.choice(["SymmetricTree", "SymmetricTree", "Depthwise"])), "thread_count": 1,
        "verbose": 0, "allow_writing_files": False, "random_seed": seed,
    }  # fmt: skip
    if loss.startswith("Multi"):
        options["grow_policy"] = "SymmetricTree"
    kind = catboost.CatBoostClassifier if y.dtype.kind == "U" else catboost.CatBoostRegressor
    return kind(**options, **more).fit(X, y), f"seed {seed}, {options}"


def catboost_forest(seed: int) -> tuple[Any, Any, str]:
    """Return a fitted model of a drawn configuration, rows at its thresholds, and its description."""
    rng = np.random.default_rng(seed)
    n, n_features = int(rng.choice([100, 300, 1000])), int(rng.integers(1, 9))
    X = drawn_rows(rng, n, n_features, missing=True).astype(np.float32)
    X[:, 0] = rng.standard_normal(n)  # a column that is never constant
    model, what = _fitted_catboost(rng, X, target_of(X, rng), seed)
    cuts = [(j, float(cut)) for j, borders in enumerate(model.get_borders().values()) for cut in borders]
    rows = rows_at(rng, n_features, cuts, float32=True, missing=True).astype(np.float32)
    for j in np.flatnonzero(~np.isnan(X).any(axis=0)):  # refused where training had none missing
        rows[np.isnan(rows[:, j]), j] = 0.0
    return model, rows, what


def catboost_of_categories(seed: int) -> tuple[Any, Any, str]:
    """Return a fitted model of numbers and one-hot categories, a pandas frame with unseen ones too, and what it is."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    n, n_features = int(rng.choice([100, 300, 1000])), int(rng.integers(1, 9))
    sizes = rng.choice([2, 5, 40], n_features)
    steps = rng.choice([1, 7, 1500], n_features)
    named = [f"c{j}" if j == 0 or rng.random() < 0.5 else f"x{j}" for j in range(n_features)]

    def frame(rows: int, unseen: int) -> Any:
        columns = {
            name: rng.integers(0, sizes[j] + unseen, rows) * steps[j]
            if name[0] == "c"
            else rng.standard_normal(rows).astype(np.float32)
            for j, name in enumerate(named)
        }
        return pd.DataFrame(columns)

    X = frame(n, 0)
    score = target_of(np.column_stack([X[name] % 3 if name[0] == "c" else X[name] for name in named]), rng)
    categories = [name for name in named if name[0] == "c"]
    model, what = _fitted_catboost(rng, X, score, seed, cat_features=categories, one_hot_max_size=64)
    return model, frame(600, 3), what
