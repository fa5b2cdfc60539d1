"""Principal components of one pass: scikit-learn's, and all that a model of arrays gets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import decomposition
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable import ParquetSource
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.decomposition import PCA, TruncatedSVD
from scalable.errors import DataError, UsageError
from scalable.inference import load_model
from scalable.mixture import GaussianMixture, KMeans


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([PCA(), PCA(n_components=1, whiten=True)])
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)


def rows(n=4000, p=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) + 10.0 * rng.normal(size=p)


@pytest.mark.parametrize("k", [None, 1, 3, 7, 0.6, 0.95])
@pytest.mark.parametrize("whiten", [False, True])
def test_it_is_scikit_learns(k, whiten):
    x = rows()
    ours = PCA(k, whiten=whiten).fit(x)
    theirs = decomposition.PCA(k, whiten=whiten, svd_solver="full").fit(x)
    for name in (
        "components_",
        "explained_variance_",
        "explained_variance_ratio_",
        "singular_values_",
        "mean_",
    ):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=1e-8, atol=1e-10, err_msg=name
        )
    assert ours.noise_variance_ == pytest.approx(theirs.noise_variance_, abs=1e-10)
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), atol=1e-8)
    np.testing.assert_allclose(
        ours.inverse_transform(ours.transform(x)), theirs.inverse_transform(theirs.transform(x)), atol=1e-8
    )


def test_fewer_rows_than_columns():
    x = rows(5)
    ours, theirs = PCA().fit(x), decomposition.PCA().fit(x)
    assert ours.components_.shape == theirs.components_.shape
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, atol=1e-9)
    with pytest.raises(DataError, match="n_samples=5 rows are fewer than the 6 components"):
        PCA(6).fit(x)


def test_a_large_mean_costs_no_digits():
    x = rows(3000) + 1e7
    theirs = decomposition.PCA(svd_solver="full").fit(x)
    np.testing.assert_allclose(PCA().fit(x).explained_variance_, theirs.explained_variance_, rtol=1e-6)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    x = rows(30_000)
    pq.write_table(pa.table({f"f{j}": x[:, j] for j in range(7)}), path, row_group_size=3000)
    return path, x


def test_source_saved_model_predictor_and_dask_agree(dataset, tmp_path, dask_client):
    path, x = dataset
    source = ParquetSource(path)
    model = PCA(2, n_workers=1).fit(source)
    for other in (PCA(2, n_workers=2).fit(source), PCA(2, client=dask_client).fit(source)):
        np.testing.assert_array_equal(other.components_, model.components_)
    model.save(tmp_path / "m")
    loaded, predictor = PCA.load(tmp_path / "m"), load_model(tmp_path / "m")
    found = model.transform(source)
    np.testing.assert_allclose(found, decomposition.PCA(2).fit_transform(x), atol=1e-8)
    np.testing.assert_array_equal(loaded.transform(source), found)
    np.testing.assert_array_equal(predictor.predict(pq.read_table(path)), found)
    one = {f"f{j}": float(x[5, j]) for j in range(7)}
    np.testing.assert_array_equal(predictor.predict_one(one), found[5])


def test_the_command_line(dataset, tmp_path, capsys):
    data, model, out = str(dataset[0]), str(tmp_path / "m"), str(tmp_path / "out")
    assert run(build(), ["train", "pca", data, "--model", model, "--n-components", "3"]) == 0
    assert run(build(), ["predict", model, data, "--out", out, "--quiet"]) == 0
    scored = pd.concat(pd.read_parquet(part) for part in sorted((tmp_path / "out").glob("part-*")))
    np.testing.assert_array_equal(scored.to_numpy(), PCA.load(model).transform(ParquetSource(data)))
    capsys.readouterr()
    labelled = str(tmp_path / "labelled.parquet")
    pq.write_table(pq.read_table(data).append_column("y", pq.read_table(data).column("f0")), labelled)
    assert run(build(), ["evaluate", model, labelled, "--target", "y"]) == 2
    assert "learned without a target" in capsys.readouterr().err
    assert run(build(), ["train", "pca", data, "--target", "f0", "--model", model + "2"]) == 2


@pytest.mark.parametrize("k", [0, 8, -1, 1.5, "mle", True])
def test_an_impossible_number_of_components_is_refused(k):
    with pytest.raises(UsageError, match="n_components must be 1 to 7"):
        PCA(k).fit(rows(50))


def test_missing_values_and_single_rows_are_refused():
    table = pa.table({"a": [1.0, None, 3.0], "b": [1.0, 2.0, 3.0]})
    with pytest.raises(DataError, match="row 1: column 'a' has no value"):
        PCA().fit(table)
    with pytest.raises(DataError, match="two rows or more"):
        PCA().fit(pa.table({"a": [1.0], "b": [2.0]}))


@pytest.mark.parametrize(
    "learner", [PCA(2), TruncatedSVD(2), KMeans(2, random_state=0), GaussianMixture(2, random_state=0)], ids=repr
)  # fmt: skip
@pytest.mark.parametrize("scale", [8e-162, 1e-200])
def test_rows_whose_squares_are_below_floating_point_are_refused(learner, scale):
    """They had shares of the variance of 0, or one cluster."""
    with pytest.raises(DataError, match="below the range of floating point; scale them"):
        learner.fit(np.random.default_rng(0).normal(size=(200, 3)) * scale)
