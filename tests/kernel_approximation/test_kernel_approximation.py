"""Kernel machines by features: near the exact kernel, scikit-learn's on the same features, the same everywhere."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable import ParquetSource
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.errors import DataError, UsageError
from scalable.inference import load_model
from scalable.kernel_approximation import KernelClassifier, KernelFeatures, KernelRidge, KernelSVC

KINDS = ("fourier", "structured", "nystroem")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        KernelFeatures(n_components=3, random_state=0),
        # The width is given: that of the rows would be another for a row twice and a row of weight two.
        KernelRidge(gamma=0.02, n_components=200, alpha=1e-3, random_state=0),
        KernelClassifier(n_components=20, alpha=1e-2, random_state=0),
    ],
    expected_failed_checks=lambda estimator: (
        {
            "check_sample_weight_equivalence_on_dense_data": "of several classes a weight of two is one longer step",
        }
        if isinstance(estimator, KernelClassifier)
        else {}
    ),
)
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)


def rows(n=600, p=5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    z = 2.0 * np.sin(2.0 * x[:, 0]) + x[:, 1] * x[:, 2]
    return x, z + 0.1 * rng.normal(size=n), (rng.random(n) < 1.0 / (1.0 + np.exp(-2.0 * z))).astype(int)


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("p", [1, 5, 8])
def test_inner_products_come_near_the_kernel_as_one_over_the_root(kind, p):
    x, _, _ = rows(80, max(p, 3))
    x = x[:, :p]
    exact = rbf_kernel(x, gamma=0.3)
    errors = []
    for width in (64, 4096):
        z = KernelFeatures(kind, width, gamma=0.3, random_state=0).fit(x).transform(x)
        errors.append(np.sqrt(((z @ z.T - exact) ** 2).mean()))
    assert errors[1] < 0.03
    assert errors[1] < 0.3 * errors[0]


def test_landmarks_are_scikit_learns():
    x, _, _ = rows(50)
    ours = KernelFeatures("nystroem", 50, gamma=0.3, random_state=0).fit(x)
    np.testing.assert_allclose(ours.transform(x) @ ours.transform(x).T, rbf_kernel(x, gamma=0.3), atol=1e-9)
    theirs = Nystroem(gamma=0.3, n_components=50, random_state=0).fit(x)
    np.testing.assert_allclose(
        ours.transform(x) @ ours.transform(x).T, theirs.transform(x) @ theirs.transform(x).T, atol=1e-9
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_on_the_same_features_they_are_scikit_learns(kind, weighted):
    x, y, label = rows()
    w = np.random.default_rng(1).random(len(y)) + 0.5 if weighted else None
    options = {"kind": kind, "n_components": 40, "gamma": 0.2, "random_state": 3}
    z = KernelFeatures(**options).fit(x).transform(x)
    ridge, theirs = KernelRidge(**options, alpha=0.5).fit(x, y, w), Ridge(0.5, solver="cholesky").fit(z, y, w)
    np.testing.assert_allclose(ridge.predict(x), theirs.predict(z), rtol=1e-6, atol=1e-8)
    ours = KernelClassifier(**options, alpha=0.5).fit(x, label, w)
    exact = LogisticRegression(C=2.0, tol=1e-12, solver="newton-cholesky", max_iter=200).fit(z, label, w)
    np.testing.assert_allclose(ours.predict_proba(x), exact.predict_proba(z), rtol=1e-6)


def test_the_scale_is_that_of_scikit_learns_machines():
    x, _, _ = rows()
    found = KernelFeatures("nystroem", 4, random_state=0).fit(3.0 * x + 1.0)
    assert float(found.gamma_) == pytest.approx(1.0 / (5 * (3.0 * x + 1.0).var()), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_source_saved_model_workers_and_one_row_agree(kind, tmp_path, dask_client):
    x, y, label = rows(9_000)
    data = str(tmp_path / "rows.parquet")
    pq.write_table(
        pa.table({**{f"f{j}": x[:, j] for j in range(5)}, "y": y, "c": label}), data, row_group_size=2_500
    )
    names = [f"f{j}" for j in range(5)]
    for make, target in ((KernelRidge, "y"), (KernelClassifier, "c")):
        source = ParquetSource(data, target=target, features=names)
        models = [make(kind, 24, random_state=0, n_workers=n).fit(source) for n in (1, 2)]
        models.append(make(kind, 24, random_state=0, client=dask_client).fit(source))
        for other in models[1:]:
            np.testing.assert_array_equal(models[0].coef_, other.coef_)
        models[0].save(tmp_path / target)
        predictor = load_model(tmp_path / target)
        found = predictor.predict(pq.read_table(data, columns=names))
        expected = models[0].predict(source) if make is KernelRidge else models[0].predict_proba(source)[:, 1]
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(make.load(tmp_path / target).coef_, models[0].coef_)
        assert predictor.predict_one({name: float(x[77, j]) for j, name in enumerate(names)}) == expected[77]
        assert np.corrcoef(models[0].predict(source), y)[0, 1] > 0.4


def test_the_command_line(tmp_path):
    x, y, _ = rows(500, 3)
    data, model = str(tmp_path / "rows.parquet"), str(tmp_path / "m")
    pq.write_table(pa.table({**{f"f{j}": x[:, j] for j in range(3)}, "y": y}), data)
    words = [
        "train",
        "kernel-ridge",
        data,
        "--target",
        "y",
        "--model",
        model,
        "--n-components",
        "16",
        "--kind",
        "structured",
    ]
    assert run(build(), words) == 0
    assert KernelRidge.load(model).kind == "structured"


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        ({"kind": "poly"}, UsageError, "kind must be 'fourier', 'structured' or 'nystroem'"),
        ({"n_components": 0}, UsageError, "n_components must be a whole number of 1 or more"),
        ({"gamma": -1.0}, UsageError, "gamma must be a positive number"),
        ({"alpha": 0.0}, UsageError, "alpha must be finite and positive"),
        ({"kind": "nystroem", "n_components": 700}, DataError, "600 rows are fewer than the 700 landmarks"),
    ],
)
def test_what_is_impossible_is_refused_in_a_line(options, error, line):
    x, y, _ = rows()
    with pytest.raises(error, match=line):
        KernelRidge(**options).fit(x, y)


def test_missing_values_and_more_classes_are_refused():
    x, _, _ = rows(30)
    with pytest.raises(DataError, match="row 1: column 'a' has no value"):
        KernelRidge(gamma=1.0).fit(pa.table({"a": [1.0, None, 3.0]}), [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="variance of the columns is beyond the range"):
        KernelRidge().fit(1e200 * x, x[:, 0])
    x[3, 2] = np.nan
    with pytest.raises(ValueError, match="KernelRidge learns from complete rows") as caught:
        KernelRidge().fit(x, x[:, 0])
    assert "\n" not in str(caught.value)
    x[3, 2] = 0.0
    with pytest.raises(DataError, match="Only binary classification"):
        KernelSVC().fit(x, np.arange(30) % 3)
