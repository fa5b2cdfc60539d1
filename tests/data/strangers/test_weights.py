"""Weights of a source are learned from or refused by name, whoever learns."""

import numpy as np
import pyarrow as pa
import pytest

from scalable.data.table import TableSource
from scalable.errors import UsageError
from scalable.models import learners as registry

LEARNERS = [
    (learner.estimator(task), task)
    for learner in registry.LEARNERS.values()
    for task in learner.classes
    if task != "ranking"  # weights of queries, see tests/boosting/ranking
]


def source(task, weight, rows=slice(None)):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 600))
    first = np.arange(600) < 300
    score = np.where(first, a, b)  # what the one half of the rows follows, the other does not
    y = (score > 0).astype(int) if task == "classification" else score
    table = pa.table({"a": a, "b": b, "y": y, "w": np.where(first, 5.0, 0.0)})
    target = None if task == "transform" else "y"
    return TableSource(table[rows], target, ["a", "b"], "w" if weight else None)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("learner", "task"), LEARNERS, ids=lambda each: getattr(each, "__name__", each))
def test_weights_are_learned_from_or_refused(learner, task):
    whole = source(task, weight=False)
    if task == "transform":
        with pytest.raises(UsageError, match=f"{learner.__name__} counts every row once; name no weight"):
            learner().fit(source(task, weight=True))
        return
    plain, weighted, half = (
        learner().fit(rows).predict(whole.without_target()).astype(float)
        for rows in (whole, source(task, weight=True), source(task, weight=False, rows=slice(0, 300)))
    )
    assert np.abs(weighted - half).mean() < 0.5 * np.abs(weighted - plain).mean()
