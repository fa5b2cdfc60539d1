"""Splits and leaves recomputed from raw gradients in float64, and small trees against an exhaustive search."""

import numpy as np
import pytest

from scalable.kernels.histogram.gain import NUMBER


def rows_of_nodes(tree, leaf):
    """Return for every node the leaves below it."""
    below = [set() for _ in tree.children]
    for node in reversed(range(len(tree.children))):
        for child in tree.children[node]:
            below[node] |= {~child} if child < 0 else below[child]
    return [np.isin(leaf, list(leaves)) for leaves in below]


def raw_gradients(objective, y, score):
    if objective == "binary":
        p = 1 / (1 + np.exp(-score))
        return p - y, p * (1 - p)
    return score - y, np.ones_like(y)


@pytest.mark.parametrize("objective", ["binary", "regression"])
@pytest.mark.parametrize("extra", [{}, {"lambda_l2": 2.0, "lambda_l1": 0.5}])
def test_gains_and_leaves_are_those_of_raw_gradients(grown, table, objective, extra):
    X, targets = table
    y = targets[objective].astype(np.float32).astype(np.float64)
    params = {"objective": objective, "num_leaves": 15, "learning_rate": 0.2} | extra
    model = grown(X, y, params, categorical=(1, 2), iterations=4, threads=2)
    score = np.full(len(y), model.start[0])
    l1, l2 = extra.get("lambda_l1", 0.0), extra.get("lambda_l2", 0.0)
    leaves = model.booster.predict(X, pred_leaf=True)
    for k, tree in enumerate(model.trees):
        g, h = raw_gradients(objective, y, score)

        def saved(rows, more=0.0, g=g, h=h):
            return max(0.0, abs(g[rows].sum()) - l1) ** 2 / (h[rows].sum() + l2 + more)

        for node, rows in enumerate(rows_of_nodes(tree, leaves[:, k])):
            left = rows & left_of(tree, node, leaves[:, k])
            right, split = rows & ~left, tree.splits[node]
            more = split.l2 - l2
            gain = saved(left, more) + saved(right, more) - saved(rows)
            # A row is rounded by at most a unit either way: 2**-12 of the largest, right on average.
            assert split.gain == pytest.approx(gain, rel=0.02, abs=0.05)
            assert tree.node_count[node] == rows.sum()
            assert tree.node_weight[node] == pytest.approx(h[rows].sum(), rel=1e-9)
        shift = model.start[0] if k == 0 else 0.0
        for leaf in range(tree.n_leaves):
            rows = leaves[:, k] == leaf
            parent = next(n for n, pair in enumerate(tree.children) if ~leaf in pair)
            total = g[rows].sum()
            value = -np.sign(total) * max(0.0, abs(total) - l1) / (h[rows].sum() + tree.splits[parent].l2)
            # Fine sums: below 2**-30 of the largest gradient a row.
            assert tree.leaf_value[leaf] - shift == pytest.approx(0.2 * value, rel=1e-7, abs=1e-9)
        score = score + tree.leaf_value[leaves[:, k]] - shift


def left_of(tree, node, leaf):
    """Return which rows stand below the left child of a node."""
    pending, found = [tree.children[node][0]], []
    while pending:
        child = pending.pop()
        if child < 0:
            found.append(~child)
        else:
            pending += list(tree.children[child])
    return np.isin(leaf, found)


@pytest.mark.parametrize("seed", range(4))
def test_a_small_tree_is_that_of_an_exhaustive_search(grown, seed):
    """Every feature, every value, both sides of missing ones, always the leaf that gains most."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(200, 4)) * 3)
    X[rng.random(200) < 0.15, 2] = np.nan
    y = (np.nan_to_num(X[:, 2], nan=4) + X[:, 0] * X[:, 1] / 3 + rng.normal(size=200)).astype(np.float32)
    params = {"objective": "regression", "num_leaves": 8, "min_data_in_leaf": 10, "min_data_in_bin": 1}
    model = grown(X, y, params, iterations=1)
    g = model.start[0] - y.astype(np.float64)
    leaves = [np.ones(200, bool)]
    for node in range(7):
        best = max(
            (gain, -k, j, t, to_left)
            for k, rows in enumerate(leaves)
            for gain, j, t, to_left in splits_of(X, g, rows)
        )
        gain, k, j, t, to_left = best
        split = model.trees[0].splits[node]
        assert split.gain == pytest.approx(gain, rel=1e-6)
        rows = leaves[-k]
        goes = np.where(np.isnan(X[:, j]), to_left, X[:, j] <= t)
        leaves[-k] = rows & goes
        leaves.append(rows & ~goes)
    found = np.unique(
        np.sort([np.bincount(model.booster.predict(X, pred_leaf=True)[:, 0].astype(int), minlength=8)])
    )
    np.testing.assert_array_equal(found, np.unique([rows.sum() for rows in leaves]))


def splits_of(X, g, rows):
    total, n = g[rows].sum(), rows.sum()
    for j in range(X.shape[1]):
        missing = np.isnan(X[:, j])
        for t in np.unique(X[rows & ~missing, j]):
            for to_left in (True, False):
                left = rows & np.where(missing, to_left, X[:, j] <= t)
                if min(left.sum(), n - left.sum()) >= 10:
                    a, m = g[left].sum(), left.sum()
                    yield a * a / m + (total - a) ** 2 / (n - m) - total * total / n, j, t, to_left


@pytest.mark.parametrize("categorical", [(), (1, 2, 4)])
def test_splits_without_noise_are_lightgbms_own(grown, table, categorical):
    """Gradients of the square loss are packed with 30 bits: the model is LightGBM's, split by split.

    Where no split on a category gains what its penalties take, LightGBM does not look at it again below.
    """
    import lightgbm as lgb

    X, targets = table
    if categorical:
        X = X.copy()
        X[:, 4] = np.random.default_rng(0).integers(0, 60, len(X))
        X[X[:, 3] > 1, 3] = np.nan  # leaves with gaps, to which only missing values come
    params = {"objective": "regression", "num_leaves": 31, "min_data_in_leaf": 5, "cat_l2": 100.0}
    y = targets["regression"]
    ours = grown(X, y, params, iterations=5, categorical=categorical).booster.trees_to_dataframe()
    names = [f"x{j}" for j in range(6)]
    data = lgb.Dataset(X, y, feature_name=names, categorical_feature=list(categorical))
    theirs = lgb.train({**params, "verbosity": -1, "num_threads": 1}, data, 5).trees_to_dataframe()
    for name in ("split_feature", "threshold", "missing_direction", "count", "left_child", "right_child"):
        assert ours[name].equals(theirs[name]), name
    # LightGBM adds gradients of 32 bits.
    np.testing.assert_allclose(ours["value"], theirs["value"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours["split_gain"], theirs["split_gain"], rtol=1e-4)


def test_kinds_of_splits_are_all_seen(grown, table):
    X, targets = table
    trees = grown(
        X, targets["regression"], {"objective": "regression"}, categorical=(1, 2), iterations=5
    ).trees
    kinds = {split.kind for tree in trees for split in tree.splits}
    assert NUMBER in kinds
    assert len(kinds) >= 3
