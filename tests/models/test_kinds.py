"""Parameters of another kind than is declared are refused by name, by every learner, before anything is read."""

import inspect

import numpy as np
import pytest

from scalable.errors import DataError, UsageError
from scalable.linear import LogisticRegression, Ridge
from scalable.models.learners import LEARNERS
from scalable.models.parameters import wrong_kind

X = np.random.default_rng(0).normal(size=(60, 3))
EACH = [(name, task) for name, each in LEARNERS.items() for task in each.classes if task != "ranking"]
# what these mean is looked at where they are used
ELSEWHERE = {"cache", "checkpoint", "client", "class_weight", "init", "alphas", "priors", "random_state",
             "weights_init", "means_init", "precisions_init", "importance_type"}  # fmt: skip


@pytest.mark.parametrize(("name", "task"), EACH, ids=str)
def test_another_kind_is_refused_by_name(name, task):
    cls = LEARNERS[name].estimator(task)
    y = {"classification": X[:, 0] > 0, "regression": X[:, 0], "transform": None}[task]
    for parameter, one in inspect.signature(cls).parameters.items():
        if parameter in ELSEWHERE or one.kind is one.VAR_KEYWORD:
            continue
        for value in (object(), 1.5j):
            with pytest.raises((UsageError, DataError), match=parameter):
                cls(**{parameter: value}).fit(X, y)


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


def test_columns_are_given_by_name():
    with pytest.raises(UsageError, match=r"categorical takes names of columns, not \[1\]"):
        Ridge(categorical=[1]).fit(X, X[:, 0])
    with pytest.raises(UsageError, match="log takes names of columns, not 3"):
        Ridge(log=3).fit(X, X[:, 0])


def test_the_right_kinds_are_named():
    with pytest.raises(UsageError, match="max_iter must be a whole number or none"):
        LogisticRegression(max_iter=2.5).fit(X, X[:, 0] > 0)
    with pytest.raises(UsageError, match="fit_intercept must be true or false, not 'no'"):
        LogisticRegression(fit_intercept="no").fit(X, X[:, 0] > 0)
