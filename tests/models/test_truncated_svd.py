"""Singular vectors of numbers and categories: scikit-learn's of the sparse matrix, which is never made here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse
from sklearn import decomposition
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable import ParquetSource
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.decomposition import TruncatedSVD
from scalable.errors import DataError, UsageError
from scalable.inference import load_model


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([TruncatedSVD(random_state=0)])
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)


def rows(n=6000, seed=0):
    """Return a table of two numbers and three columns of categories, and the sparse matrix it stands for."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n, 2)) * [3.0, 1.0] + [1.0, 0.0]
    codes = np.column_stack(
        [rng.integers(0, 25, n) ** 2 // 100, rng.integers(0, 9, n) ** 2 // 8, rng.integers(0, 40, n) ** 5]
    )
    names = ["city", "kind_id", "user"]
    frame = pd.DataFrame(
        {"city": codes[:, 0].astype(str), "kind_id": codes[:, 1], "user": codes[:, 2].astype(str)}
    )
    table = pa.table(
        {"a": numbers[:, 0], "b": numbers[:, 1], **{name: frame[name].to_numpy() for name in names}}
    )
    return table, sparse.hstack([sparse.csr_matrix(numbers), OneHotEncoder().fit_transform(frame)]).tocsr()


@pytest.mark.parametrize("k", [1, 4])
def test_it_is_scikit_learns_of_the_one_hot_matrix(k):
    table, matrix = rows()
    ours = TruncatedSVD(k, n_iter=12, random_state=0).fit(table)
    theirs = decomposition.TruncatedSVD(k, algorithm="arpack", random_state=0).fit(matrix)
    for name in ("components_", "singular_values_", "explained_variance_", "explained_variance_ratio_"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=1e-6, atol=1e-6, err_msg=name
        )
    np.testing.assert_allclose(ours.transform(table), theirs.transform(matrix), atol=1e-5)
    few = TruncatedSVD(k, n_iter=1, n_oversamples=0, random_state=0).fit(table)
    assert np.all(few.singular_values_ <= ours.singular_values_ + 1e-9)


def test_hashed_categories_change_nothing_but_the_places():
    table, _ = rows()
    known = TruncatedSVD(3, n_iter=7, random_state=0).fit(table)
    # names of which no two share a bucket
    wide = np.array([f"u5_{k}" for k in range(1_100)])[np.arange(table.num_rows) % 1_100]
    hashed = TruncatedSVD(3, n_iter=7, n_buckets=2**18, random_state=0).fit(
        table.append_column("wide", pa.array(wide))
    )
    assert hashed.components_.shape[1] == known.components_.shape[1] + 2**18
    exact = decomposition.TruncatedSVD(3, algorithm="arpack", random_state=0).fit(
        sparse.hstack([rows()[1], OneHotEncoder().fit_transform(wide[:, None])]).tocsr()
    )
    np.testing.assert_allclose(hashed.singular_values_, exact.singular_values_, rtol=1e-6)


def test_numbers_alone_are_the_singular_values_of_the_matrix():
    x = np.random.default_rng(0).normal(size=(500, 6)) * np.arange(1, 7)
    ours = TruncatedSVD(6, random_state=0).fit(x)
    np.testing.assert_allclose(ours.singular_values_, np.linalg.svd(x)[1], rtol=1e-9)


def test_source_saved_model_workers_and_command_line_agree(tmp_path, dask_client):
    table, _ = rows(20_000)
    data, made = str(tmp_path / "rows.parquet"), str(tmp_path / "m")
    pq.write_table(table, data, row_group_size=2_500)
    source = ParquetSource(data)
    options = {"n_components": 3, "random_state": 0}
    model = TruncatedSVD(**options, n_workers=1).fit(source)
    for other in (TruncatedSVD(**options, n_workers=2), TruncatedSVD(**options, client=dask_client)):
        np.testing.assert_array_equal(other.fit(source).components_, model.components_)
    command = ["train", "truncated-svd", data, "--model", made, "--n-components", "3", "--random-state", "0"]
    assert run(build(), command) == 0
    found = model.transform(source)
    np.testing.assert_array_equal(TruncatedSVD.load(made).transform(source), found)
    predictor = load_model(made)
    np.testing.assert_array_equal(predictor.predict(table), found)
    one = {name: table[name][5].as_py() for name in table.column_names}
    np.testing.assert_array_equal(predictor.predict_one(one), found[5])
    assert run(build(), ["predict", made, data, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    scored = pd.concat(pd.read_parquet(part) for part in sorted((tmp_path / "out").glob("part-*")))
    np.testing.assert_array_equal(scored.to_numpy(), found)


@pytest.mark.parametrize(
    "options", [{"n_components": 0}, {"n_iter": 0}, {"n_oversamples": -1}, {"n_components": 10**6}]
)
def test_an_impossible_parameter_is_refused(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        TruncatedSVD(**options).fit(rows(200)[0])


def test_a_missing_number_is_refused_by_name():
    table = pa.table({"a": [1.0, None, 3.0], "b": [1.0, 2.0, 3.0], "c": ["x", "y", "x"]})
    with pytest.raises(DataError, match="row 1: column 'a' has no value"):
        TruncatedSVD(1).fit(table)
