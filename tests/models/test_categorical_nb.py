"""Naive Bayes of categories: scikit-learn's counts, numbers beside them, and the manners of every learner."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import naive_bayes
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from scalable import ParquetSource
from scalable.bayes import CategoricalNB, GaussianNB
from scalable.cli.app import build
from scalable.cli.screen.failure import run
from scalable.errors import DataError, DataWarning, UsageError
from scalable.inference import load_model
from scalable.mixture import GaussianMixture

NAMES = ["city", "shop_id", "code", "size", "age"]
HASHED = 1_100  # categories, more than are known one by one


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([CategoricalNB()])
def test_manners_of_scikit_learn(estimator, check):
    check(estimator)


def rows(n=6000, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    codes = np.column_stack(
        [rng.integers(0, 5, n), (rng.integers(0, 70, n) + 9 * y) % 70, rng.integers(0, HASHED, n)]
    )
    codes[:HASHED] = np.arange(HASHED)[:, None] % [5, 70, HASHED]  # each category is seen
    return codes, rng.normal(size=(n, 2)) + y[:, None] * [1.0, 0.0], y, rng.random(n) + 0.1


def table_of(codes, numbers):
    columns = [
        np.char.add("c", codes[:, 0].astype(str)),
        codes[:, 1],
        np.char.add("u", codes[:, 2].astype(str)),
    ]
    return pa.table(dict(zip(NAMES, [*columns, *numbers.T], strict=True)))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 0.01])
def test_known_categories_are_scikit_learns(classes, weighted, alpha):
    codes, _, y, w = rows(classes=classes)
    given = (codes[:, :2], y, w) if weighted else (codes[:, :2], y)
    ours, theirs = (
        CategoricalNB(alpha=alpha, categorical="all").fit(*given), naive_bayes.CategoricalNB(alpha=alpha).fit(*given)
    )  # fmt: skip
    np.testing.assert_allclose(
        ours.predict_proba(codes[:, :2]), theirs.predict_proba(codes[:, :2]), rtol=1e-9
    )
    np.testing.assert_allclose(ours.cell_log_prob_, np.hstack(theirs.feature_log_prob_), rtol=1e-9)
    assert ours.score(*given) == theirs.score(*given)


def test_hashed_categories_and_numbers_add_up_to_both_of_scikit_learns():
    codes, numbers, y, _ = rows()
    model = CategoricalNB(n_buckets=2**20).fit(table_of(codes, numbers), y)
    assert any("code (string): hashed into 1,048,576 buckets" in line for line in model.describe_columns())
    assert (model.cell_log_prob_[0, 75:] < 0.0).sum() == HASHED  # none share a bucket
    categories = naive_bayes.CategoricalNB().fit(codes, y)
    gaussians = naive_bayes.GaussianNB().fit(numbers, y)
    joint = categories.predict_joint_log_proba(codes) + gaussians.predict_joint_log_proba(numbers)
    joint -= np.log(gaussians.class_prior_)  # counted by both
    expected = np.exp(joint - joint.max(axis=1, keepdims=True))
    found = model.predict_proba(table_of(codes, numbers))
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-6)


def test_what_is_missing_or_new_says_nothing():
    codes, numbers, y, _ = rows()
    table = table_of(codes, numbers)
    model = CategoricalNB(categorical=[]).fit(table, y)
    nothing = pa.table({
        "city": ["nowhere", None], "shop_id": pa.array([10**12, None], pa.int64()),
        "code": pa.array([None, None], pa.string()),
        "size": pa.array([None, None], pa.float64()), "age": [np.nan, np.nan],
    })  # fmt: skip
    np.testing.assert_allclose(model.predict_proba(nothing), np.tile(model.class_prior_, (2, 1)))
    gaps = table.set_column(0, "city", pa.array([None if k % 3 else "c1" for k in range(len(y))]))
    assert "city (string): 1 known categories" in " ".join(CategoricalNB().fit(gaps, y).describe_columns())


def test_numbers_alone_are_gaussian_nb():
    _, numbers, y, w = rows()
    ours, theirs = CategoricalNB().fit(numbers, y, w), GaussianNB().fit(numbers, y, w)
    np.testing.assert_allclose(ours.predict_proba(numbers), theirs.predict_proba(numbers), rtol=1e-11)


def test_source_saved_model_workers_and_command_line_agree(tmp_path, dask_client):
    codes, numbers, y, w = rows(20_000, classes=2)
    table = table_of(codes, numbers).append_column("y", pa.array(y)).append_column("w", pa.array(w))
    data = str(tmp_path / "rows.parquet")
    pq.write_table(table, data, row_group_size=3_000)
    source = ParquetSource(data, target="y", weight="w")
    models = [CategoricalNB(n_workers=n).fit(source) for n in (1, 2)] + [
        CategoricalNB(client=dask_client).fit(source)
    ]
    for model in models[1:]:
        np.testing.assert_array_equal(model.cell_log_prob_, models[0].cell_log_prob_)
        np.testing.assert_array_equal(model.theta_, models[0].theta_)
    made = str(tmp_path / "m")
    assert (
        run(build(), ["train", "categorical-nb", data, "--target", "y", "--weight", "w", "--model", made])
        == 0
    )
    loaded, predictor = CategoricalNB.load(made), load_model(made)
    expected = models[0].predict_proba(source)
    np.testing.assert_array_equal(loaded.predict_proba(source), expected)
    np.testing.assert_array_equal(predictor.predict(table), expected[:, 1])
    row = {name: table[name][7].as_py() for name in NAMES}
    assert predictor.predict_one(row) == expected[7, 1]
    assert predictor.predict([row, row]).tolist() == [expected[7, 1]] * 2
    assert run(build(), ["predict", made, data, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    scored = pd.concat(pd.read_parquet(part) for part in sorted((tmp_path / "out").glob("part-*")))
    np.testing.assert_array_equal(scored["prediction"], expected[:, 1])


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        ({"alpha": 0.0}, UsageError, "alpha must be above 0"),
        ({"n_buckets": 1000}, UsageError, "n_buckets must be a power of two"),
        ({"categorical": ["siz"]}, DataError, "no feature column 'siz'; did you mean 'size'"),
        (
            {"categorical": ["size"]},
            DataError,
            "column 'size' is double, and categories are text or integers",
        ),
        ({"categorical": [9]}, UsageError, "categorical names column 9 of 5"),
    ],
)
def test_what_cannot_be_learned_is_said_in_a_line(options, error, line):
    codes, numbers, y, _ = rows()
    with pytest.raises(error, match=line) as caught:
        CategoricalNB(**options).fit(table_of(codes, numbers), y)
    assert "\n" not in str(caught.value)


def test_a_column_without_a_value_is_refused():
    table = pa.table({"a": pa.array([None] * 4, pa.string()), "b": [1.0, 2.0, 3.0, 5.0]})
    with pytest.raises(DataError, match="column 'a' has no value; leave it out"):
        CategoricalNB().fit(table, [0, 1, 0, 1])


@pytest.mark.parametrize("learner", [GaussianNB(), CategoricalNB(), GaussianMixture(2, reg_covar=1.0)])
def test_columns_that_smoothing_hides_are_named(learner):
    """As in scikit-learn, the largest variance smooths all: beside microseconds, an amount tells nothing."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    frame = pd.DataFrame(
        {"amount": 0.3 * y + 0.01 * rng.normal(size=500), "micros": rng.normal(size=500) * 1e13}
    )
    with pytest.warns(DataWarning, match="which hides what columns of less tell: 'amount'; scale"):
        learner.fit(frame, y)
    frame["micros"] /= 1e13
    clone(learner).set_params(**{"reg_covar": 1e-6} if "reg_covar" in learner.get_params() else {}).fit(
        frame, y
    )
