"""Learners take float32 columns where they lie: each learns what it learns of the same numbers in double precision."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scalable.bayes import BayesianLogisticRegression, BayesianRidge, CategoricalNB, GaussianNB
from scalable.causal import cuped, double_ml
from scalable.data.table import TableSource
from scalable.decomposition import PCA, TruncatedSVD
from scalable.kernel_approximation import KernelClassifier, KernelFeatures, KernelRidge
from scalable.mixture import GaussianMixture, KMeans

FEATURES = ["x0", "x1", "x2"]


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 1_500)).astype(np.float32)
    columns = {f"x{j}": column for j, column in enumerate(x)}
    columns["coin"] = (rng.random(1_500) < 0.5).astype(np.float32)
    rest = {"y": (x[0] + rng.normal(size=1_500) > 0.0).astype(int), "r": x[0] + rng.normal(size=1_500)}
    rest["w"] = rng.random(1_500)
    wide = {name: column.astype(np.float64) for name, column in columns.items()}
    return pa.table(columns | rest), pa.table(wide | rest)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize(
    ("learner", "target"),
    [
        (GaussianNB(), "y"),
        (CategoricalNB(), "y"),
        (BayesianLogisticRegression(), "y"),
        (KernelClassifier("structured", 32, random_state=0), "y"),
        (BayesianRidge(), "r"),
        (KernelRidge("structured", 32, random_state=0), "r"),
        (PCA(), None),
        (TruncatedSVD(random_state=0), None),
        (GaussianMixture(2, random_state=0), None),
        (KMeans(3, random_state=0), None),
        (KernelFeatures("structured", 32, random_state=0), None),
    ],
    ids=lambda given: type(given).__name__ if hasattr(given, "fit") else str(given),
)
def test_learners(tables, learner, target, weight):
    found = []
    for table in tables:
        source = TableSource(table, target, FEATURES, weight)
        learner.fit(source)
        found.append(learner.predict(source) if hasattr(learner, "predict") else learner.transform(source))
    assert len(found[0]) == 1_500
    np.testing.assert_allclose(*found, rtol=1e-6, atol=1e-8)


def test_effects(tables):
    for estimate in (
        lambda table: double_ml(TableSource(table, "r", [*FEATURES, "coin"]), "coin"),
        lambda table: cuped(TableSource(table, "r", [*FEATURES, "coin"]), "coin", ["x0"]),
    ):
        one, two = map(estimate, tables)
        assert one.coef == pytest.approx(two.coef, rel=1e-9, abs=1e-12)
        assert one.error == pytest.approx(two.error, rel=1e-9)
