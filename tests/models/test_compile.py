"""What `compile_model` takes: our own models, and foreign estimators of classes that are known."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn import discriminant_analysis, linear_model, model_selection, pipeline, svm
from sklearn.base import is_classifier

from scalable import linear
from scalable.boosting import LGBMClassifier
from scalable.errors import ModelError, UsageError
from scalable.inference import compile_model
from scalable.models.foreign import FOREIGN
from scalable.models.kinds import KINDS
from scalable.models.learners import LEARNERS, class_named

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 4))
SCORE = X @ [1.0, -2.0, 0.5, 0.0] + RNG.normal(size=240)
CLASSES = {2: (SCORE > 0).astype(int), 3: np.digitize(SCORE, [-1.0, 1.0])}
BUILT = {
    "sklearn.svm.LinearSVR": lambda: svm.LinearSVR(C=0.01),
    "sklearn.linear_model.SGDClassifier": lambda: linear_model.SGDClassifier(loss="log_loss"),
    "sklearn.linear_model.LogisticRegressionCV": lambda: linear_model.LogisticRegressionCV(
        Cs=2, cv=2, use_legacy_attributes=False, l1_ratios=(0.0,), scoring="accuracy"
    ),
}
NAMES = [f"{package}.{name}" for package, names in FOREIGN.items() for name in names]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", NAMES)
def test_every_class_on_the_list_is_compiled_to_what_it_predicts(name):
    package, _, class_name = name.rpartition(".")
    cls = getattr(sys.modules[package], class_name)
    model = BUILT.get(name, cls)()
    for n_classes in (2, 3) if is_classifier(model) else (0,):
        if n_classes == 3 and "SGD" in name:
            continue
        model.fit(X, CLASSES.get(n_classes, SCORE))
        compiled = compile_model(model)
        if n_classes:
            expected = model.predict_proba(X)
            np.testing.assert_array_equal(compiled.predict(X), model.predict(X))
            np.testing.assert_allclose(compiled.predict_proba(X), expected, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(compiled.predict_proba_one(X[0]), expected[0], rtol=1e-9, atol=1e-12)
            assert compiled.predict_one(X[0]) == model.predict(X[:1])[0]
        else:
            np.testing.assert_allclose(compiled.predict(X), model.predict(X), rtol=1e-9, atol=1e-12)


def test_several_targets():
    model = linear_model.LinearRegression().fit(X, np.c_[SCORE, X[:, 0]])
    np.testing.assert_allclose(compile_model(model).predict(X), model.predict(X), rtol=1e-9, atol=1e-12)


class LooksAlike:
    coef_, intercept_, n_features_in_ = np.zeros((1, 4)), 0.0, 4


class Subclass(linear_model.LinearRegression):
    """May predict anything."""


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "model",
    [
        linear_model.PoissonRegressor(),
        linear_model.RidgeClassifier(),
        linear_model.Perceptron(),
        svm.LinearSVC(),
        svm.SVC(kernel="linear"),
        discriminant_analysis.QuadraticDiscriminantAnalysis(),
        Subclass(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_anything_else_is_refused_by_name(model):
    model.fit(X, CLASSES[2])
    with pytest.raises(UsageError, match=f"cannot compile a {type(model).__name__} .*: expected"):
        compile_model(model)


def test_what_holds_a_model_says_which():
    held = linear_model.LogisticRegression()
    with pytest.raises(
        UsageError, match="compile its last step, for rows as that one gets them, or give a model"
    ):
        compile_model(pipeline.make_pipeline(held).fit(X, CLASSES[2]))
    with pytest.raises(UsageError, match="compile its best_estimator_, or give a model"):
        compile_model(model_selection.GridSearchCV(held, {"C": [1.0]}, cv=2).fit(X, CLASSES[2]))


def test_what_looks_alike_is_refused():
    with pytest.raises(UsageError, match="LooksAlike"):
        compile_model(LooksAlike())
    with pytest.raises(ModelError, match=r"SGDClassifier of loss='hinge'"):
        compile_model(linear_model.SGDClassifier().fit(X, CLASSES[2]))
    with pytest.raises(ModelError, match="one versus rest"):
        compile_model(linear_model.SGDClassifier(loss="log_loss").fit(X, CLASSES[3]))


@pytest.mark.parametrize("kind", ["classes", "three", "numbers"])
def test_our_linear_models(kind, tmp_path):
    if kind == "numbers":
        model = linear.Ridge().fit(X, SCORE)
        expected = model.predict(X)
    else:
        model = linear.LogisticRegression().fit(X, CLASSES[2 if kind == "classes" else 3])
        expected = model.predict_proba(X)[:, 1] if kind == "classes" else model.predict_proba(X)
    model.save(tmp_path / "m")
    if kind != "numbers":
        np.testing.assert_array_equal(compile_model(model).predict(X), model.predict(X))
        proba = compile_model(model).predict_proba(X)
        np.testing.assert_allclose(proba, model.predict_proba(X), rtol=1e-9, atol=1e-12)
    for given in (tmp_path / "m", str(tmp_path / "m")):
        np.testing.assert_allclose(compile_model(given).predict(X), expected, rtol=1e-9, atol=1e-12)


def test_our_forests_are_compiled_bit_for_bit(tmp_path):
    model = LGBMClassifier(n_estimators=3, num_threads=1).fit(X, CLASSES[2])
    model.save(tmp_path / "m")
    for given in (model.booster_, tmp_path / "m"):
        np.testing.assert_array_equal(compile_model(given).predict(X), model.booster_.predict(X))
    np.testing.assert_array_equal(compile_model(model).predict(X), model.predict(X))


def test_our_models_of_more_than_plain_numbers_are_refused_by_column():
    gaps = X.copy()
    gaps[::3, 2] = np.nan
    with pytest.raises(ModelError, match=r"'x2' is not one plain number.*load_model"):
        compile_model(linear.Ridge().fit(gaps, SCORE))
    skewed = np.exp(4 * X)
    with pytest.raises(ModelError, match="'x0' is not one plain number"):
        compile_model(linear.Ridge(log=["x0"]).fit(skewed, SCORE))
    with pytest.raises(ModelError, match="the link log cannot be compiled"):
        compile_model(linear.SGDRegressor("poisson", solver="newton").fit(X, np.abs(SCORE)))
    with pytest.raises(ModelError, match="the link margin"):
        compile_model(linear.LinearSVC().fit(X, CLASSES[2]))


def test_every_learner_saves_a_kind_that_is_known():
    for learner in LEARNERS.values():
        for task, name in learner.classes.items():
            cls = learner.estimator(task)
            assert class_named(name) is cls
            assert cls._kind in KINDS
            assert cls._classify is (task == "classification")
    with pytest.raises(ModelError, match="Oracle, which this version does not know"):
        class_named("Oracle")
