"""Forests of scikit-learn compiled: its own bits, whatever the configuration; what is not read is named."""

import numpy as np
import pytest
from sklearn import ensemble, linear_model

from bench.forest_draws import scikit_learn_forest
from scalable.errors import DataError, ModelError, UsageError
from scalable.inference import compile_model, load_compiled


def assert_same(got, expected, what):
    got, expected = np.asarray(got), np.ascontiguousarray(expected)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype), what
    if got.dtype.kind == "f":
        got, expected = (np.ascontiguousarray(a).view(f"i{a.itemsize}") for a in (got, expected))
    assert not (got != expected).any(), f"{what}: {(got != expected).sum()} of {got.size} differ"


def check(seed, tmp_path):
    estimator, X, what = scikit_learn_forest(seed)
    compiled = compile_model(estimator)
    assert_same(compiled.predict(X), estimator.predict(X), what)
    assert_same([compiled.predict_one(x) for x in X[:40]], estimator.predict(X[:40]), what)
    compiled.save(tmp_path / "saved")
    again = load_compiled(tmp_path / "saved")
    assert_same(again.predict(X[:200]), estimator.predict(X[:200]), what)
    if hasattr(estimator, "predict_proba"):
        assert_same(compiled.predict_proba(X), estimator.predict_proba(X), what)
        assert_same([compiled.predict_proba_one(x) for x in X[:40]], estimator.predict_proba(X[:40]), what)
    if hasattr(estimator, "score_samples"):
        assert_same(compiled.scores.predict(X), estimator.score_samples(X), what)
    if hasattr(estimator, "decision_function"):
        assert_same(compiled.decision_function(X), estimator.decision_function(X), what)


@pytest.mark.parametrize("seed", range(24))
def test_drawn_forest_has_the_same_bits(seed, tmp_path):
    check(seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24, 300))
def test_another_drawn_forest_has_the_same_bits(seed, tmp_path):
    check(seed, tmp_path)


def test_covers_and_gains_are_kept():
    X = np.random.default_rng(0).standard_normal((200, 3))
    forest = ensemble.RandomForestRegressor(3, max_depth=3, random_state=0).fit(X, X[:, 0])
    trees = compile_model(forest).forest.trees
    assert trees.node_cover[trees.node_start[:-1]].tolist() == [200, 200, 200]
    assert trees.leaf_cover.sum() == 600
    assert trees.gain.min() >= 0


def test_what_cannot_be_read_is_named():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 2)), rng.integers(0, 2, 60)
    with pytest.raises(ModelError, match="not fitted"):
        compile_model(ensemble.RandomForestClassifier())
    with pytest.raises(ModelError, match="2 targets"):
        compile_model(ensemble.RandomForestClassifier(2).fit(X, np.stack([y, y], axis=1)))
    start = linear_model.LogisticRegression()
    with pytest.raises(ModelError, match="LogisticRegression, whose predictions depend"):
        compile_model(ensemble.GradientBoostingClassifier(n_estimators=2, init=start).fit(X, y))
    words = X.astype(object)
    words[:, 0] = np.where(y, "yes", "no")
    model = ensemble.HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(words, y)
    with pytest.raises(ModelError, match=r"column 0 .* categories"):
        compile_model(model)

    class Derived(ensemble.RandomForestClassifier):
        pass

    with pytest.raises(UsageError, match="cannot compile a Derived"):
        compile_model(Derived(2).fit(X, y))
    outliers = compile_model(ensemble.IsolationForest(n_estimators=5).fit(X))
    with pytest.raises(UsageError, match="no probabilities"):
        outliers.predict_proba(X)
    with pytest.raises(DataError, match="one row"):
        outliers.scores.predict_one(X[:2])
