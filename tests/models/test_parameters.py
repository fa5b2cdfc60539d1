"""Every parameter of every estimator: declared once, seen by all, of one kind, saved and read back without loss."""

from __future__ import annotations

import inspect
import json
import pydoc
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from scalable import boosting, linear
from scalable.bayes import GaussianNB
from scalable.errors import DataError, ModelError, UsageError
from scalable.models import learners as registry
from scalable.models.parameter_ranges import check_range
from scalable.models.parameters import Declared, wrong_kind
from scalable.models.saved.parameter_json import from_json, to_json

LEARNERS = [learner.estimator(task) for learner in registry.LEARNERS.values() for task in learner.classes]
VALUES = {
    "none": None,
    "numpy integer": np.int64(7),
    "numpy float": np.float32(0.1),
    "numpy boolean": np.bool_(True),
    "tuple": (1, 0, (2, "x")),
    "list": [1.5, None, "a"],
    "integer keys": {0: 1.0, 1: 5.0},
    "boolean keys": {True: 2.0, False: np.float64(0.5)},
    "tuple keys": {("a", 1): 1},
    "text keys": {"a": {"b": (1,)}},
    "keys like ours": {"$tuple": [1]},
    "set": {3, 1},
    "frozenset": frozenset({"a"}),
    "infinity": float("inf"),
    "negative zero": -0.0,
    "large": 2**70,
    "text": "häß",
    "path": Path("some/where"),
    "array": np.array([[0.1, np.inf], [1e-300, -1.0]], np.float32),
    "texts": np.array(["a", "bc"]),
}


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        for (key, value), (other, item) in zip(a.items(), b.items(), strict=True):
            same(key, other)
            same(value, item)
    elif isinstance(a, list | tuple):
        for one, two in zip(a, b, strict=True):
            same(one, two)
    else:
        assert a == b
        assert not isinstance(a, float) or np.signbit(a) == np.signbit(b)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_values_come_back_from_json(value):
    same(from_json(json.loads(json.dumps(to_json({"p": value}))))["p"], value)


def test_nan_comes_back():
    assert np.isnan(from_json(json.loads(json.dumps(to_json({"p": np.nan}))))["p"])


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (np.random.RandomState(0), "integer seed"),
        (np.random.default_rng(0), "integer seed"),
        (max, "function"),
        ({"a": [len]}, "function"),
        (object(), "object"),
        (np.array([object()]), "ndarray"),
        (np.longdouble(1), "longdouble"),
    ],
)
def test_what_no_text_can_hold_is_refused_in_a_line(value, word):
    with pytest.raises(UsageError, match=f"parameter p is .*{word}") as caught:
        to_json({"p": value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damaged", [{"$number": ["<i8"]}, {"$array": 3}, {"$set": ["list", []]}, {"$dict": [1]}]
)
def test_damaged_parameters_are_refused(damaged):
    with pytest.raises(ModelError, match="damaged"):
        from_json({"p": damaged})


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.__name__)
def test_every_parameter_of_every_estimator_comes_back(learner):
    names = list(learner().get_params())
    values = [value for value in VALUES.values() if value is not None]
    for shift in range(0, len(values), 7):
        given = {name: values[(k + shift) % len(values)] for k, name in enumerate(names)} | {"client": None}
        estimator = learner(**given)
        again = learner(**from_json(json.loads(json.dumps(to_json(estimator.get_params(deep=False))))))
        for name, value in again.get_params(deep=False).items():
            same(value, given[name])


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.__name__)
def test_signatures_are_real(learner):
    parameters = inspect.signature(learner).parameters
    open_names = {name for name, p in parameters.items() if p.kind is p.VAR_KEYWORD}
    assert set(parameters) - open_names == set(learner().get_params())
    for name in set(parameters) - open_names:
        assert learner().get_params()[name] is parameters[name].default
        assert f"{name}: " in pydoc.render_doc(learner, renderer=pydoc.plaintext)
    assert clone(learner(n_workers=3)).n_workers == 3


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.__name__)
def test_unknown_names_are_refused_with_the_nearest(learner):
    for refuse in (lambda: learner(n_worker=1), lambda: learner().set_params(n_worker=1)):
        with pytest.raises(UsageError, match=r"no parameter 'n_worker'; did you mean 'n_workers'\?"):
            refuse()
    with pytest.raises(UsageError, match=r"no parameter 'zzzzzz'; there are "):
        learner(zzzzzz=1)


def test_parameters_are_inherited_overridden_and_fixed():
    class Base(Declared):
        a: int = 1
        b: str = "x"
        result_: int
        _private: int = 0

    class Child(Base):
        c: float = 0.5
        b: str = "y"
        _positional = ("b",)

    class Fixed(Child):
        a = 5

    assert str(inspect.signature(Child)) == "(b: 'str' = 'y', *, c: 'float' = 0.5, a: 'int' = 1)"
    child = Child("z", a=3)
    assert (child.a, child.b, child.c) == (3, "z", 0.5)
    assert list(inspect.signature(Fixed).parameters) == ["b", "c"]
    assert Fixed().a == 5
    with pytest.raises(TypeError, match="too many positional"):
        Child("z", 1)


def test_documented_positions_stay():
    assert linear.Ridge(2.0).alpha == 2.0
    assert linear.LogisticRegression("l1").penalty == "l1"
    assert linear.SGDRegressor("huber").loss == "huber"
    assert boosting.LGBMClassifier(7, 5, 0.3).learning_rate == 0.3


X = np.random.default_rng(0).normal(size=(60, 3))
EACH = [
    (name, task) for name, each in registry.LEARNERS.items() for task in each.classes if task != "ranking"
]
# what these mean is looked at where they are used
ELSEWHERE = {"client", "class_weight", "init", "random_state", "importance_type"}
NO_NUMBERS = (np.zeros(2), [0.5], "zzz", np.nan, -np.inf, 2**70, 10**400)


@pytest.mark.parametrize(("name", "task"), EACH, ids=str)
def test_another_kind_is_refused_by_name(name, task):
    cls = registry.LEARNERS[name].estimator(task)
    y = {"classification": X[:, 0] > 0, "regression": X[:, 0], "transform": None}[task]
    for parameter, one in inspect.signature(cls).parameters.items():
        if parameter in ELSEWHERE or one.kind is one.VAR_KEYWORD:
            continue
        numeric = not {"str", "Any", "bool"} & {*str(one.annotation).split(" | ")}
        for value in (object(), 1.5j, {}, *(NO_NUMBERS if numeric else ())):
            if isinstance(value, dict) and parameter in ("log", "categorical"):
                continue  # no columns
            with pytest.raises((UsageError, DataError), match=parameter) as caught:
                cls(**{parameter: value}).fit(X, y)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        ("int", (3, np.int8(3)), (3.0, np.float32(3), True, np.True_, None, "3")),
        ("float", (3, 3.5, np.float32(3), np.uint8(3)), (True, np.False_, None, "3.5", [3.5])),
        ("float | None", (None, 0.5), ("none", False)),
        ("bool", (True, np.False_), (0, 1, None, "true")),
        ("str | None", ("l2", None), (2, True)),
        ("Any", (object(), None), ()),
        ("int | Sequence[int]", ([3], "anything"), ()),
    ],
)
def test_kinds(annotation, right, wrong):
    assert [value for value in right if wrong_kind(annotation, value)] == []
    assert [value for value in wrong if not wrong_kind(annotation, value)] == []


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("max_iter", (1, np.int64(7)), (0, -1)),
        ("cv", (2,), (1,)),
        ("one_hot", (0, 3), (-1,)),
        ("tol", (0.0, 5), (-1e-9, np.inf, np.nan)),
        ("eps", (1e-3, 2.0), (0.0, -1.0, np.inf, np.nan)),
        ("l1_ratio", (0.0, 1), (-0.1, 1.1, np.nan)),
        ("validation_fraction", (0.1,), (0, 1.0, np.nan)),
        ("momentum", (0, 0.9), (-0.1, 1, np.nan)),
        ("unknown", (-5, 0.5, np.inf), (2**63,)),
    ],
)
def test_ranges(name, right, wrong):
    for value in right:
        check_range(name, value)
    for value in wrong:
        with pytest.raises(UsageError, match=f"^{name} must .*, not [^\n]*$"):
            check_range(name, value)


@pytest.mark.parametrize("value", ["zzz", {}, [], [-1.0], [np.nan], np.zeros((2, 2)), 3])
def test_numbers_that_are_given_as_such_are_refused_in_a_line(value):
    for estimator, name in ((linear.ElasticNetCV, "alphas"), (GaussianNB, "priors")):
        with pytest.raises(UsageError, match=f"^{name} must [^\n]*$"):
            estimator(**{name: value}).fit(X, X[:, 0] if name == "alphas" else X[:, 0] > 0)


def test_columns_are_given_by_name():
    with pytest.raises(UsageError, match=r"categorical takes names of columns, not \[1\]"):
        linear.Ridge(categorical=[1]).fit(X, X[:, 0])
    with pytest.raises(UsageError, match="log takes names of columns, not 3"):
        linear.Ridge(log=3).fit(X, X[:, 0])


def test_the_right_kinds_are_named():
    with pytest.raises(UsageError, match="max_iter must be a whole number or none"):
        linear.LogisticRegression(max_iter=2.5).fit(X, X[:, 0] > 0)
    with pytest.raises(UsageError, match="fit_intercept must be true or false, not 'no'"):
        linear.LogisticRegression(fit_intercept="no").fit(X, X[:, 0] > 0)
